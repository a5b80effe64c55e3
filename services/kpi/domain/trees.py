"""The goals of the whole company as trees of what drives them (KGI and their KPIs)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class Node:
    """A metric of the catalogue and those that drive it."""

    metric: str
    drivers: tuple["Node", ...] = ()

    def all(self) -> Iterator["Node"]:
        yield self
        for driver in self.drivers:
            yield from driver.all()


def _leaves(*metrics: str) -> tuple[Node, ...]:
    return tuple(map(Node, metrics))


_LEADS = Node("lead_cycles", (*_leaves("lead_new", "lead_rec"), Node("visitors"), Node("v2l")))
_MQL = Node("mql", (_LEADS, Node("l2m")))
_OPPORTUNITY = Node("opportunity", (_MQL, Node("eff_sql", _leaves("sla60", "sql_rate", "sql_acc"))))
_WON = Node("won", (_OPPORTUNITY, Node("opp_to_won", _leaves("win_closed", "cycle_days"))))
_KEPT = Node("grr", (Node("onb"), Node("renew"), Node("logo_churn", _leaves("expectation_fit", "obligations"))))

TREES: Mapping[str, Node] = {
    "new_mrr": Node("new_mrr", (_WON, Node("won_average"))),
    "nrr": Node("nrr", (_KEPT, Node("upsell"))),
    "arr": Node(
        "arr",
        (
            Node("customers", (_WON, Node("logo_churn"))),
            Node("arpa", _leaves("upsell")),
            Node("nrr", (_KEPT,)),
        ),
    ),
}
LOWER_IS_BETTER = frozenset({"logo_churn", "gross_churn", "net_churn", "cycle_days", "cpl", "cac", "note_gap", "frt"})


class Status(StrEnum):
    """Against what should have been reached by now: all of it, nine tenths, less; or there is no target or figure."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    BEHIND = "behind"
    UNKNOWN = "unknown"


def pace(target: float, elapsed: float, *, additive: bool) -> float:
    """What of a target should be there by now: sums grow with the time, rates and states hold all the time."""
    return target * elapsed if additive else target


def status(metric: str, actual: float | None, wanted: float | None) -> Status:
    if actual is None or wanted is None:
        return Status.UNKNOWN
    if metric in LOWER_IS_BETTER:
        if actual <= wanted:
            return Status.ON_TRACK
        return Status.AT_RISK if actual * NEARLY <= wanted else Status.BEHIND
    if actual >= wanted:
        return Status.ON_TRACK
    return Status.AT_RISK if actual >= wanted * NEARLY else Status.BEHIND


def landing(actual: float | None, elapsed: float, *, additive: bool) -> float | None:
    """Where it ends at the pace so far; an estimate, and for rates and states what they are now."""
    if actual is None or not additive:
        return actual
    return actual / elapsed if elapsed > 0 else None
