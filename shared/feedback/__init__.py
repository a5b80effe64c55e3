"""The reverse flow (逆の流れ): what one department gives back to another, and what became of it.

The same in every department, so it is built once. A service plugs it in with one line in its `app.py`:

    feedback = Feedback("marketing", FeedbackGiven, FeedbackUpdated, metadata=Base.metadata)

and adds `feedback.router()` to its routers, `feedback.handlers()` to its handlers, and listens to the others.
"""

from shared.feedback.items import State
from shared.feedback.kinds import KINDS, Kind
from shared.feedback.plug import Feedback

__all__ = ["KINDS", "Feedback", "Kind", "State"]
