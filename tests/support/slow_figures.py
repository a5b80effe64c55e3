"""Every main metric of one cell (a span, one value of a dimension), worked out slowly: see slow_book."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from tests.support.slow_book import Entry, SlowBook, Span
from tests.support.slow_customers import TOKYO, Course, SlowCustomers
from tests.support.slow_stories import UNSET, kind, said
from tests.support.slow_times import aalen_johansen, kaplan_meier_median, middle

WEB = ("ads", "event")
SLA_MINUTES, WINDOW_DAYS = 60, 90


@dataclass(frozen=True)
class Cell:
    book: SlowBook
    customers: SlowCustomers
    span: Span
    by: str | None = None
    group: str | None = None
    unit: str = "cycle"

    def mine(self, entry: Entry) -> bool:
        return self.group is None or self.by is None or self.book.value(entry, self.by) == self.group

    def of(self, *names: str, outside: bool | None = None) -> list[Entry]:
        return [
            one
            for name in names
            for one in self.book.of(name, self.span, self.mine)
            if outside is None or one.outside == outside
        ]

    def number(self, entries: Sequence[Entry]) -> int:
        return self.book.count(entries, self.unit)

    @property
    def end(self) -> datetime:
        return min(self.span[1], self.book.as_of)

    def courses(self) -> list[Course]:
        found = self.customers.courses(self.span)
        return [
            course
            for company, course in found.items()
            if self.by is None or self.group is None or self.customers.value(company, self.by) == self.group
        ]


Figure = dict[str, Any]


Slow = Callable[[Cell], Figure]


def share(above: int, below: int) -> Figure:
    return {"numerator": above, "denominator": below, "value": above / below if below else None}


def count(*names: str, outside: bool | None = None) -> Slow:
    return lambda cell: {"value": cell.number(cell.of(*names, outside=outside))}


def flow(over: str, *under: str, outside: bool | None = None) -> Slow:
    """`outside` says which of `over` count, above and where the same stand below."""

    def slow(cell: Cell) -> Figure:
        above = cell.number(cell.of(over, outside=outside))
        return share(above, sum(above if name == over else cell.number(cell.of(name)) for name in under))

    return slow


def cohort(base: str, goal: str) -> Slow:
    def slow(cell: Cell) -> Figure:
        found = cell.of(base)
        return share(cell.number([one for one in found if cell.book.went_on(one, goal)]), cell.number(found))

    return slow


def worths(cell: Cell, *names: str) -> list[Fraction]:
    found = [cell.book.worth(one.deal, one.at) for one in cell.of(*names) if one.deal]
    return [worth for worth in found if worth is not None]


def won_median(cell: Cell) -> Figure:
    return {"value": middle(worths(cell, "won"))}


def won_average(cell: Cell) -> Figure:
    found = worths(cell, "won")
    return {"value": sum(found) / len(found) if found else None}


def win_value(cell: Cell) -> Figure:
    won, whole = sum(worths(cell, "won")), sum(worths(cell, "won", "lost"))
    return {"value": float(won / whole) if whole else None}


def days(*names: str) -> Slow:
    def slow(cell: Cell) -> Figure:
        found = [found for one in cell.of(*names) if (found := cell.book.days(one)) is not None]
        return {"value": middle(found)}

    return slow


def lead_time(cell: Cell) -> Figure:
    """Of deals whose cycle is known, from its entry."""
    began = {one.way: one.at for one in cell.book.entries if one.name == "lead"}
    won = [one for one in cell.of("won") if one.way in began]
    return {"value": middle([(one.at - began[one.way]).total_seconds() / 86_400 for one in won])}


def win_cohort(cell: Cell) -> Figure:
    times = []
    for one in cell.of("opportunity"):
        won, lost = (cell.book.went_on(one, name) for name in ("won", "lost"))
        end = won or lost
        until = end.at if end else cell.book.as_of
        times.append(((until - one.at).total_seconds() / 86_400, "goal" if won else "end" if lost else "open"))
    return {"value": aalen_johansen(times, WINDOW_DAYS) if times else None}


def _waits(cell: Cell) -> list[tuple[float, bool]]:
    """Minutes of each MQL until its contact, or until it ended or now."""
    found = []
    for one in cell.of("mql"):
        contact = cell.book.went_on(one, "contacted")
        ends = [end.at for name in ("mql_rejected", "dropped") if (end := cell.book.went_on(one, name))]
        until = contact.at if contact else min([*ends, cell.book.as_of])
        found.append(((until - one.at).total_seconds() / 60, contact is not None))
    return found


def first_response(cell: Cell) -> Figure:
    return {"value": kaplan_meier_median(_waits(cell))}


def within_sla(cell: Cell) -> Figure:
    judged = [(minutes, done) for minutes, done in _waits(cell) if done or minutes > SLA_MINUTES]
    return share(sum(done and minutes <= SLA_MINUTES for minutes, done in judged), len(judged))


def open_deals(cell: Cell) -> Figure:
    return {"value": cell.number([one for one in cell.book.open_at(cell.end) if cell.mine(one)])}


def pipeline(cell: Cell) -> Figure:
    found = [cell.book.worth(one.deal, cell.end) for one in cell.book.open_at(cell.end) if cell.mine(one) and one.deal]
    return {"value": sum(worth for worth in found if worth is not None)}


def occupancy(cell: Cell) -> Figure:
    found = [one.name for one in cell.book.places(cell.end) if cell.mine(one)]
    places = {name: found.count(name) for name in found}
    return {"value": sum(places.values()), "more": {"places": places}}


def recycle_rate(cell: Cell) -> Figure:
    went = [one for one in cell.of("mql_rejected", "sql_returned", "lost")]
    went += [one for one in cell.of("dropped") if said(one.told, "recyclable")]
    return share(len(cell.of("lead", outside=True)), len(went) + _gone(cell))


def _gone(cell: Cell) -> int:
    """Companies that left or went quiet; of what that is told with nothing is sliced."""
    left = [one for one in cell.book.told if kind(one) in ("customer_churned", "customer_dormant")]
    mine = [one for one in left if cell.span[0] <= one.at < cell.end and said(one, "recyclable")]
    own = [one for one in mine if cell.group is None or (said(one, str(cell.by)) or UNSET) == cell.group]
    return len({cell.book.same(said(one, "account_id")) for one in own})


def recycled_to_opp(cell: Cell) -> Figure:
    again = cell.of("lead", outside=True)
    return share(cell.number([one for one in again if cell.book.went_on(one, "opportunity")]), cell.number(again))


def recycled_won(cell: Cell) -> Figure:
    return share(cell.number([one for one in cell.of("won") if (one.way[1] or 1) > 1]), cell.number(cell.of("won")))


def visitors(cell: Cell) -> int:
    if cell.group is not None and cell.by != "channel":
        return cell.book.visitors(_days(cell.span)) if cell.group == UNSET else 0
    return cell.book.visitors(_days(cell.span), cell.group)


def _days(span: Span) -> Any:
    return tuple(at.astimezone(TOKYO).date() for at in span)


def v2l(cell: Cell) -> Figure:
    web = [one for one in cell.of("lead", outside=False) if cell.book.value(one, "channel") in WEB]
    return {"numerator": cell.number(web), "denominator": visitors(cell)}


def _moved(courses: Sequence[Course], *names: str) -> Fraction:
    return sum((abs(course.moved[name]) for course in courses for name in names), Fraction(0))


def _start(courses: Sequence[Course]) -> Fraction:
    return sum((course.start for course in courses), Fraction(0))


def _by(value: Fraction, base: Fraction) -> Figure:
    return {"value": float(value / base) if base else None}


def mrr(name: str) -> Slow:
    return lambda cell: _recurring(name, cell.courses())


def _recurring(name: str, found: Sequence[Course]) -> Figure:
    before, after = ([each for each in found if getattr(each, side) > 0] for side in ("start", "end"))
    start, end = (sum((getattr(each, side) for each in found), Fraction(0)) for side in ("start", "end"))
    lost, gained = _moved(found, "churn", "contraction"), _moved(found, "expansion", "reactivation")
    match name:
        case "mrr_mv" | "new_mrr" | "arr" as amount:
            return {"value": {"mrr_mv": end - start, "new_mrr": _moved(found, "new"), "arr": 12 * end}[amount]}
        case "nrr":
            return _by(sum((each.end for each in before), Fraction(0)), start)
        case "grr":
            return _by(sum((min(each.start, each.end) for each in before), Fraction(0)), start)
        case "logo_churn":
            return share(sum(each.end <= 0 for each in before), len(before))
        case "upsell":
            return share(sum("expansion" in each.names for each in after), len(after))
        case "gross_churn" | "net_churn":
            return _by(lost - (gained if name == "net_churn" else 0), start)
        case "quick":
            return _by(_moved(found, "new") + gained, lost)
        case "arpa":
            return {"value": end / len(after) if after else None}
    return {"value": len(after)}  # customers


MILESTONES = ("mql", "mql_accepted", "mql_rejected", "sql", "sql_returned", "opportunity", "won", "lost")
COUNTED: dict[str, Slow] = {
    "lead_new": count("lead", outside=False),
    "lead_rec": count("lead", outside=True),
    "lead_cycles": count("lead"),
    **{name: count(name) for name in MILESTONES},
    "l2m": flow("mql", "lead"),
    "mql_acc": flow("mql_accepted", "mql_accepted", "mql_rejected"),
    "sql_rate": flow("sql", "mql"),
    "sql_per_lead": flow("sql", "lead"),
    "sql_acc": flow("opportunity", "opportunity", "sql_returned", outside=False),
    "eff_sql": flow("opportunity", "mql", outside=False),
    "opp_to_won": flow("won", "opportunity"),
    "lead_to_won": flow("won", "lead"),
    "win_closed": flow("won", "won", "lost"),
    "open_deals": open_deals,
    "recycled_to_opp": recycled_to_opp,
    "recycled_won": recycled_won,
    "v2l": v2l,
}
"""By ways, people and companies."""

FOLLOWED: dict[str, Slow] = {
    "l2m": cohort("lead", "mql"),
    "sql_rate": cohort("mql", "sql"),
    "sql_per_lead": cohort("lead", "sql"),
    "sql_per_contact": cohort("contacted", "sql"),
    "eff_sql": cohort("mql", "opportunity"),
    "opp_to_won": cohort("opportunity", "won"),
    "lead_to_won": cohort("lead", "won"),
}
"""The same, those that entered being followed."""

OTHERS: dict[str, Slow] = {
    "won_value": lambda cell: {"value": sum(worths(cell, "won"))},
    "won_average": won_average,
    "won_median": won_median,
    "win_value": win_value,
    "cycle_days": days("won"),
    "cycle_days_lost": days("lost"),
    "cycle_days_all": days("won", "lost"),
    "leadtime": lead_time,
    "win_cohort": win_cohort,
    "frt": first_response,
    "sla60": within_sla,
    "pipeline": pipeline,
    "occupancy": occupancy,
    "recycle_rate": recycle_rate,
    "visitors": lambda cell: {"value": visitors(cell)},
}
RECURRING: dict[str, Slow] = {
    name: mrr(name)
    for name in ("mrr_mv", "new_mrr", "arr", "nrr", "grr", "customers", "logo_churn", "upsell", "gross_churn")
}
RECURRING |= {name: mrr(name) for name in ("net_churn", "quick", "arpa")}
"""On the basis of the book's customers."""
