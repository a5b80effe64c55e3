"""Which touches a deal is credited to, in seven models (metrics.md 1a). Every model gives away the whole deal.

A touch may play several roles and is then credited for each. What a model holds for a role that no touch plays, or for
middle touches where there are none, goes to the others in proportion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import fsum

FIRST, LEAD, OPPORTUNITY, CLOSE, LAST = "first", "lead", "opportunity", "close", "last"
MIDDLE = "middle"
HALF_LIFE_DAYS = 7.0
DAY = 86_400.0

SHARES: Mapping[str, Mapping[str, float]] = {
    "first": {FIRST: 1.0},
    "last": {LAST: 1.0},
    "u_shaped": {FIRST: 0.4, LEAD: 0.4, MIDDLE: 0.2},
    "w_shaped": {FIRST: 0.3, LEAD: 0.3, OPPORTUNITY: 0.3, MIDDLE: 0.1},
    "full_path": {FIRST: 0.225, LEAD: 0.225, OPPORTUNITY: 0.225, CLOSE: 0.225, MIDDLE: 0.1},
}
LINEAR, TIME_DECAY = "linear", "time_decay"
MODELS = ("first", "last", LINEAR, "u_shaped", "w_shaped", "full_path", TIME_DECAY)


@dataclass(frozen=True)
class Path:
    """The touches before a deal was won, in their order, and the moments that give them their roles.

    `lead_at` is the entry of the cycle the deal came of, `opened_at` when it became an opportunity.
    """

    touches: Sequence[datetime]
    lead_at: datetime | None
    opened_at: datetime | None
    won_at: datetime

    def roles(self) -> list[frozenset[str]]:
        """Of each touch. The one of a moment is the last until then."""
        found: list[set[str]] = [set() for _ in self.touches]
        if not found:
            return []
        found[0].add(FIRST)
        found[-1].add(LAST)
        for role, moment in ((LEAD, self.lead_at), (OPPORTUNITY, self.opened_at), (CLOSE, self.won_at)):
            until = [place for place, at in enumerate(self.touches) if moment is not None and at <= moment]
            if until:
                found[until[-1]].add(role)
        return [frozenset(roles) for roles in found]


def weights(model: str, path: Path, half_life: float = HALF_LIFE_DAYS) -> list[float]:
    """The share of each touch; they add up to 1. Empty where nothing touched."""
    if not path.touches:
        return []
    if model == LINEAR:
        return [1 / len(path.touches)] * len(path.touches)
    if model == TIME_DECAY:
        ages = [(path.won_at - at).total_seconds() / DAY for at in path.touches]
        return _whole([2.0 ** (-(age - min(ages)) / half_life) for age in ages])
    shares, roles = SHARES[model], path.roles()
    played = [{role for role in each if role in shares} for each in roles]
    middle = [place for place, each in enumerate(played) if not each]
    found = []
    for place, each in enumerate(played):
        own = fsum(shares[role] for role in each)
        found.append(own + (shares.get(MIDDLE, 0.0) / len(middle) if place in middle else 0.0))
    return _whole(found)


def _whole(parts: Sequence[float]) -> list[float]:
    total = fsum(parts)
    return [part / total for part in parts]


def exact(weight: float, amount: Decimal) -> float:
    """What a touch is credited, to a hundredth of the major unit: for reading; allocated amounts add up."""
    return round(float(Decimal(str(weight)) * amount), 2)
