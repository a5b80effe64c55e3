"""What holds for a while: from what opens it to what takes it back, or to the next that is known of the same."""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from services.kpi.projections.facts import Fact


class Lasting(Protocol):
    """A row that holds from `at` until `until`."""

    at: datetime
    until: datetime | None


Row = TypeVar("Row", bound=Lasting)


def follow(found: list[Row], row: Row) -> None:
    """`row` ends the one before it; of several at one moment the last holds."""
    if found and found[-1].at == row.at:
        found.pop()
    if found:
        found[-1].until = row.at
    found.append(row)


class Spell(NamedTuple):
    """`name` held from `fact` on, until `until` (None: it still does)."""

    name: str
    fact: Fact
    until: datetime | None


def spells(facts: Iterable[Fact], opens: Mapping[str, str], closes: Mapping[str, Set[str]]) -> list[Spell]:
    """Facts in order; `opens` says what a type begins, which ends what went before; `closes` what else ends a name.

    Beginning again what holds already changes nothing: the earliest told counts.
    """
    found: list[Spell] = []
    for fact in facts:
        current = found[-1] if found and found[-1].until is None else None
        name = opens.get(fact.type)
        if name is not None and (current is None or current.name != name):
            if current is not None:
                found[-1] = current._replace(until=fact.occurred_at)
            found.append(Spell(name, fact, None))
        elif name is None and current is not None and fact.type in closes.get(current.name, ()):
            found[-1] = current._replace(until=fact.occurred_at)
    return [spell for spell in found if spell.until != spell.fact.occurred_at]
