"""What can be said no to. Two families reach HTTP: NotFound is 404, Refused is 409 and names the rule.

Anything a rule of a department refuses is a subclass of Refused with its own `rule`, so that a caller can tell
refusals apart without reading sentences.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class Problem(Exception):
    """An answer in the form of RFC 9457. `rule` becomes the stable end of `type`."""

    status = 500
    rule = "internal"
    title = "Something went wrong"

    def __init__(self, detail: str = "", *, rule: str | None = None, **more: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.rule = rule or self.rule
        self.more: Mapping[str, Any] = more


class NotFound(Problem):
    """Not known here. `retry_after` seconds where the event that brings it may still be on its way."""

    status, rule, title = 404, "not_found", "Not known here"

    def __init__(self, detail: str = "", *, retry_after: int | None = None, **more: Any) -> None:
        super().__init__(detail, **more)
        self.retry_after = retry_after


class Refused(Problem):
    """The rule of the stage refuses. `missing` lists what would have to be there."""

    status, rule, title = 409, "refused", "The rule of this stage refuses"

    def __init__(self, detail: str = "", *, rule: str | None = None, missing: Sequence[str] = (), **more: Any) -> None:
        super().__init__(detail, rule=rule, **({"missing": list(missing)} if missing else {}), **more)


class Stale(Problem):
    status, rule, title = 412, "stale", "The resource has changed since you read it"


class Malformed(Problem):
    """Malformed input; `errors` names each field and the rule it breaks."""

    status, rule, title = 422, "invalid", "The request is malformed"

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__("; ".join(f"{e['field']}: {e['rule']}" for e in errors[:5]), errors=errors)


class Invalid(Problem):
    """Malformed input; `field` is the place, `detail` the rule it breaks."""

    status, rule, title = Malformed.status, Malformed.rule, Malformed.title

    def __init__(self, field: str, detail: str, *, rule: str | None = None) -> None:
        super().__init__(detail, rule=rule, errors=[{"field": field, "rule": detail}])


class Unauthorized(Problem):
    status, rule, title = 401, "unauthorized", "A valid bearer token is needed"


class Forbidden(Problem):
    status, rule, title = 403, "forbidden", "Your roles do not allow this"


class Overloaded(Problem):
    status, rule, title = 503, "overloaded", "Too busy to take this safely; try again"

    def __init__(self, detail: str = "", *, retry_after: int = 1, **more: Any) -> None:
        super().__init__(detail, **more)
        self.retry_after = retry_after
