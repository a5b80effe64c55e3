"""The wire, and nothing but the wire: one module per publisher, one class per event."""

import inspect
from types import ModuleType

from shared.contracts import customer_success, field_sales, inside_sales, kpi, marketing
from shared.contracts.base import DIMENSIONS, Dimensions, Event, LeadEvent

PUBLISHERS: dict[str, ModuleType] = {
    "marketing": marketing,
    "inside_sales": inside_sales,
    "field_sales": field_sales,
    "customer_success": customer_success,
    "kpi": kpi,
}


def events_of(publisher: str) -> list[type[Event]]:
    """Every event class a publisher tells, in the order it stands in the module."""
    module = PUBLISHERS[publisher]
    classes = [found for found in vars(module).values() if inspect.isclass(found) and issubclass(found, Event)]
    return [found for found in classes if found.__module__ == module.__name__ and "type" in vars(found)]


EVENTS: dict[str, type[Event]] = {event.type: event for name in PUBLISHERS for event in events_of(name)}
"""Every type on the wire and its class."""

__all__ = ["DIMENSIONS", "EVENTS", "PUBLISHERS", "Dimensions", "Event", "LeadEvent", "events_of"]
