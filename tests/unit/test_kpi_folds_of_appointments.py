"""The folds of appointments and of contracts' terms: what was known of each at every moment, whatever came first."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.kpi.projections.accounts import Account, fold_account
from services.kpi.projections.facts import Fact
from services.kpi.projections.identity import journeys
from services.kpi.projections.journeys import Journey, fold_journey
from services.kpi.projections.rows import Appointment, Term
from tests.support.facts import a_fact, an_id, day

L: dict[str, Any] = {"lead": "L", "cycle": 1}
D: dict[str, Any] = {**L, "opportunity": "D"}


def arranged(at: float, start: float, name: str = "M", **more: Any) -> Fact:
    values = {**D, "appointment_id": str(an_id(name)), "start_at": day(start).isoformat(), **more}
    return a_fact("appointment_set", at, **values)


def word(kind: str, at: float, name: str | None = None, start: float | None = None, **more: Any) -> Fact:
    """Of an appointment, or of the opportunity's without saying which."""
    values: dict[str, Any] = {"opportunity": "D"} | ({"appointment_id": str(an_id(name))} if name else {}) | more
    values |= {} if start is None else {"start_at": day(start).isoformat()}
    return a_fact(f"appointment_{kind}", at, **values)


def folded(*facts: Fact) -> list[Appointment]:
    (group,) = journeys(facts)
    return fold_journey(group).appointments


def known(rows: list[Appointment], moment: float) -> list[tuple[float, str, int]]:
    """When each was to be (in days), what had become of it, how often it was moved: as it was known at a moment."""
    at = day(moment)
    return [
        ((row.start_at - day(0)).total_seconds() / 86_400, _state(row), row.moves)
        for row in rows
        if row.at <= at and (row.until is None or row.until > at)
    ]


def _state(row: Appointment) -> str:
    return "+".join(name for name in ("held", "missed", "cancelled") if getattr(row, name))


MOVED_TWICE = [
    arranged(1, 5),
    word("rescheduled", 2, start=8),
    word("missed", 8),
    word("rescheduled", 9, start=12),
    word("held", 12),
]


@pytest.mark.parametrize("facts", [MOVED_TWICE, MOVED_TWICE[::-1], [*MOVED_TWICE[2:], *MOVED_TWICE]])
def test_a_meeting_moved_twice_is_known_at_every_moment_as_it_was(facts: list[Fact]) -> None:
    rows = folded(*facts)
    assert known(rows, 0.5) == []
    assert [known(rows, moment) for moment in (1, 3, 8, 10, 20)] == [
        [(5, "", 0)],
        [(8, "", 1)],
        [(8, "missed", 1)],
        [(12, "missed", 2)],
        [(12, "held", 2)],
    ]
    assert [(row.at, row.until) for row in rows] == [
        (day(one), day(next_) if next_ else None) for one, next_ in ((1, 2), (2, 8), (8, 9), (9, 12), (12, None))
    ]


def test_what_is_told_of_no_meeting_by_name_is_told_of_the_latest_until_then() -> None:
    first, second = arranged(1, 5), arranged(6, 9, "N")
    rows = folded(first, second, word("missed", 5), word("held", 9), word("cancelled", 10, "M"))
    assert known(rows, 20) == [(5, "missed+cancelled", 0), (9, "held", 0)]
    assert folded(word("held", 0), first)[0].held is False, "nothing had been set then"
    assert known(folded(word("held", 1), first), 1) == [(5, "held", 0)], "in the same moment it had"


def test_once_held_it_was_neither_missed_nor_cancelled() -> None:
    rows = folded(arranged(1, 5), word("missed", 5), word("held", 6), word("cancelled", 7), word("missed", 8))
    assert [known(rows, moment)[0][1] for moment in (5, 6, 7, 8)] == ["missed", "held", "held", "held"]


def test_a_word_by_name_may_come_before_it_was_set_and_the_first_setting_holds() -> None:
    again = arranged(3, 7)
    rows = folded(word("rescheduled", 0, "M", start=6), arranged(1, 5), again)
    assert (known(rows, 0.5), known(rows, 1), known(rows, 3)) == ([], [(6, "", 1)], [(6, "", 1)])
    assert len({row.appointment_id for row in rows}) == 1


def test_appointments_change_nothing_else_of_a_way() -> None:
    way = [
        a_fact("lead_created", 1, channel="ads", segment="SMB", **L),
        a_fact("sql_accepted", 4, **D),
        a_fact("opportunity_opened", 6, mrr=100, **D),
    ]
    meetings = [arranged(3, 5, segment="ENT", account="A"), word("held", 5, segment="MID", lead="L", cycle=1)]
    one, other = fold_journey(way), fold_journey([*way, *meetings])
    assert other.appointments
    assert Journey(one.passages, one.states, one.places) == Journey(other.passages, other.states, other.places)
    assert other.appointments[0].dimensions == {"segment": "ENT"}, "what its own event told"
    assert other.appointments[0].latest == {"channel": "ads", "segment": "SMB"}


def contract(at: float, **more: Any) -> Fact:
    values: dict[str, Any] = {"account": "A", "contract": "C", "opening_key": "own", "mrr": 100} | more
    return a_fact("contract_started", at, **values)


def renewed(at: float, **more: Any) -> Fact:
    return a_fact("contract_renewed", at, account="A", contract="C", **more)


def account(*facts: Fact) -> Account:
    return fold_account(an_id("A"), facts, (), UTC)


def told_terms(*facts: Fact) -> list[tuple[date, datetime, datetime | None, int | None]]:
    return sorted((term.due_on, term.at, term.until, term.term_months) for term in account(*facts).terms)


def test_each_term_falls_due_and_one_told_again_holds_as_last_told() -> None:
    facts = [
        contract(1, starts_on="2026-04-01", term_months=12),
        renewed(300, renewal_on="2028-04-01", term_months=12),
        contract(5, starts_on="2026-04-01", renewal_on="2027-04-01", term_months=1),
    ]
    wanted = [
        (date(2027, 4, 1), day(1), day(5), 12),
        (date(2027, 4, 1), day(5), None, 1),
        (date(2028, 4, 1), day(300), None, 12),
    ]
    assert told_terms(*facts) == told_terms(*facts[::-1], facts[0]) == wanted


@pytest.mark.parametrize(
    ("told", "due"),
    [
        ({"starts_on": "2024-01-31", "term_months": 1}, date(2024, 2, 29)),
        ({"starts_on": "2024-11-30", "term_months": 3}, date(2025, 2, 28)),
        ({"starts_on": "2024-12-01", "term_months": 12, "renewal_on": "2025-11-30"}, date(2025, 11, 30)),
        ({"starts_on": "2024-12-01"}, None),
        ({"starts_on": "2024-12-01", "term_months": 120_000}, None),
    ],
)
def test_when_a_term_ends(told: dict[str, Any], due: date | None) -> None:
    assert [row[0] for row in told_terms(contract(1, **told))] == ([due] if due else [])


def test_a_renewal_changes_nothing_else_of_a_customer() -> None:
    facts = [contract(1, starts_on="2026-04-01", segment="SMB"), a_fact("onboarding_completed", 9, account="A")]
    one, other = account(*facts), account(*facts, renewed(5, renewal_on="2027-04-01", segment="ENT", owner="x"))
    assert (one.movements, one.spans, one.passages) == (other.movements, other.spans, other.passages)
    (term,) = other.terms
    assert isinstance(term, Term)
    assert term.dimensions == {"segment": "ENT", "owner": "x"}
    assert term.latest == {"segment": "SMB", "owner": "x"}
