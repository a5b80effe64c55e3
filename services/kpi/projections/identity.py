"""Who is who: facts that belong together, and entries that are the same person or company."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import TypeVar
from uuid import UUID

from services.kpi.projections import facts as told
from services.kpi.projections.facts import Fact, in_order
from services.kpi.projections.rows import Alias

T = TypeVar("T", bound=Hashable)
LEAD, ACCOUNT = "lead", "account"


class Union:
    """Disjoint sets of things that were said to belong together."""

    def __init__(self) -> None:
        self._parents: dict[Hashable, Hashable] = {}

    def find(self, thing: T) -> Hashable:
        root: Hashable = thing
        while (parent := self._parents.setdefault(root, root)) != root:
            root = parent
        step: Hashable = thing
        while step != root:
            self._parents[step], step = root, self._parents[step]
        return root

    def join(self, one: Hashable, other: Hashable) -> None:
        self._parents[self.find(one)] = self.find(other)


def journeys(facts: Iterable[Fact]) -> list[list[Fact]]:
    """Facts by the persons and opportunities they share: a person with their opportunities is one group."""
    union = Union()
    kept = [fact for fact in facts if fact.lead_id or fact.opportunity_id]
    for fact in kept:
        if fact.lead_id and fact.opportunity_id:
            union.join((LEAD, fact.lead_id), fact.opportunity_id)
    groups: defaultdict[Hashable, list[Fact]] = defaultdict(list)
    for fact in kept:
        groups[union.find((LEAD, fact.lead_id) if fact.lead_id else fact.opportunity_id)].append(fact)
    return list(groups.values())


def fold_aliases(merges: Iterable[Fact]) -> list[Alias]:
    """Who stands for whom, from every merge and un-merge told. What was told last of a pair holds."""
    survivors: dict[tuple[str, UUID], UUID | None] = {}
    for fact in in_order(merges):
        if (pair := _pair(fact)) is None:
            continue
        kind, merged, survivor = pair
        if fact.type != told.LEAD_UNMERGED:
            survivors[kind, merged] = survivor
        elif survivors.get((kind, merged)) == survivor:
            survivors[kind, merged] = None
    found = []
    for kind, merged in survivors:
        root = _root(survivors, kind, merged)
        if root != merged:
            found.append(Alias(kind, merged, root))
    return found


def _pair(fact: Fact) -> tuple[str, UUID, UUID] | None:
    """Kind, the one merged, and the one that stays; None where it was merged with itself."""
    kind = ACCOUNT if fact.type == told.ACCOUNT_MERGED else LEAD
    survivor = fact.account_id if kind == ACCOUNT else fact.lead_id
    merged = UUID(fact.data[f"merged_{kind}_id"])
    return None if survivor is None or survivor == merged else (kind, merged, survivor)


def _root(survivors: dict[tuple[str, UUID], UUID | None], kind: str, start: UUID) -> UUID:
    """The one that stays at the end of the chain; of a circle, its smallest id."""
    seen: list[UUID] = [start]
    while (following := survivors.get((kind, seen[-1]))) is not None:
        if following in seen:
            return min(seen[seen.index(following) :])
        seen.append(following)
    return seen[-1]
