"""Spells: from a fact that opens something to the one that takes it back."""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import NamedTuple

from services.kpi.projections.facts import Fact


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
