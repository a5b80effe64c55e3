"""How new the figures are: up to which moment kpi knows everything each department told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Freshness:
    """`complete_to` by department, None where one has never said; `bound` is how old news may be unremarked."""

    complete_to: Mapping[str, datetime | None] = field(default_factory=dict)
    bound: timedelta = timedelta(seconds=60)

    @property
    def fresh_to(self) -> datetime | None:
        """The moment up to which everything is known of everybody."""
        found = [moment for moment in self.complete_to.values() if moment is not None]
        return min(found) if found and len(found) == len(self.complete_to) else None

    def late(self, as_of: datetime) -> list[str]:
        """The departments of which something may be missing in a figure of that moment."""
        needed = as_of - self.bound
        return [name for name, moment in self.complete_to.items() if moment is None or moment < needed]
