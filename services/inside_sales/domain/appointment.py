"""What an appointment (アポ) may be refused for, and what the wire knows of its place."""

from shared.errors import Refused

PLACES = ("online", "visit", "phone")


class DoubleBooked(Refused):
    rule, title = "double_booked", "The rep has another appointment at that time"


class NoFreeSlot(Refused):
    rule, title = "no_free_slot", "The rep has no free slot in that week"


def place_code(place: str | None) -> str | None:
    """A place that is none of the codes is an address, which stays at home: they are visited there."""
    if place is None:
        return None
    return place if place in PLACES else "visit"
