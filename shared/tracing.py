"""W3C trace context: one traceparent per request, handed on in the header of every event it causes."""

import os
import re
from contextvars import ContextVar

TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")
current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def continue_from(received: str | None) -> str:
    """A new span below the one received, or a new trace where nothing usable was received. Becomes current."""
    if received and TRACEPARENT.match(received):
        trace, flags = received[3:35], received[53:55]
    else:
        trace, flags = os.urandom(16).hex(), "01"
    here = f"00-{trace}-{os.urandom(8).hex()}-{flags}"
    current.set(here)
    return here


def trace_id() -> str | None:
    here = current.get()
    return here[3:35] if here else None
