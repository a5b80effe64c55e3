"""What a thing is sliced by: values carried from what was told before to the moment of an entry."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

CHANNEL, OWNER = "channel", "owner"


class Telling(NamedTuple):
    """Dimension values one publisher told at a moment."""

    at: datetime
    publisher: str
    values: Mapping[str, str]


class Carried:
    """The values known at any moment, from tellings in their order.

    A later telling replaces an earlier one, with two exceptions. The channel stays the first one told: a recycled
    lead keeps its origin. The owner is credited as the event says, and carried only within one department.
    """

    def __init__(self, tellings: Iterable[Telling]) -> None:
        self._times: list[datetime] = []
        self._known: list[tuple[dict[str, str], dict[str, str]]] = []
        self.latest: dict[str, str] = {}
        values: dict[str, str] = {}
        owners: dict[str, str] = {}
        for at, publisher, told in tellings:
            if not told:
                continue
            self.latest.update(told)
            for name, value in told.items():
                if name == OWNER:
                    owners[publisher] = value
                elif name != CHANNEL or name not in values:
                    values[name] = value
            if self._times and self._times[-1] == at:
                del self._times[-1], self._known[-1]
            self._times.append(at)
            self._known.append((dict(values), dict(owners)))

    def at(self, moment: datetime, publisher: str, told: Mapping[str, str]) -> dict[str, str]:
        """What an entry at `moment` is sliced by, given what its own event told."""
        place = bisect_right(self._times, moment)
        values, owners = self._known[place - 1] if place else ({}, {})
        found = {**values, **told}
        if CHANNEL in values:
            found[CHANNEL] = values[CHANNEL]
        if OWNER not in told and publisher in owners:
            found[OWNER] = owners[publisher]
        return found
