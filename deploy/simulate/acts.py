"""The story as calls that people make over HTTP, in the order in which they made them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from deploy.simulate import company
from deploy.simulate.company import Person
from deploy.simulate.deals import FORECAST, Deal, Meeting, Outcome
from deploy.simulate.story import Cycle, Lead
from shared.clock import day_of, wire_time

CALLED = ("negotiation", "approval")  # phases in which a deal is called otherwise than pipeline
DEMAND = "資料請求のあと担当者から相談があった"
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """One call. Names in braces in path and body (`{opportunity2}`, that of the second cycle; `{contract}`) stand for
    ids that are known only then: `learns` says which of the answer's fields they come from.

    With `until` it changes nothing: the path is read until the answer has these values, since the department that
    acts next must have heard of the step before.
    """

    at: datetime
    who: Person
    service: str
    path: str
    body: Body
    method: str = "POST"
    until: Body | None = None
    learns: Mapping[str, str] | None = None


def jpy(amount: int) -> Body:
    return {"amount": amount, "currency": "JPY"}


def heard(at: datetime, service: str, path: str, **until: Any) -> Act:
    return Act(at, company.OPERATIONS, service, path, {}, "GET", until)


def cycle_acts(lead: Lead, cycle: Cycle, end: date) -> Iterator[Act]:
    """What follows the files: of a first cycle they told all that inside sales did but the drops and appointments.

    `end` is the day the history ends: a day to revisit is agreed on when it lies beyond, by those who have not come
    back before.
    """
    last = end if cycle is lead.cycles[-1] else None
    if cycle.number > 1:
        yield from _back_again(lead, cycle)
    prospect, field = f"/v1/prospects/ext:{lead.person.external_id}", Field(f"opportunity{cycle.number}")
    if cycle.dropped_at and cycle.reason:
        ending = {"reason": cycle.reason.code, **_revisit(cycle.dropped_at, 120, last)}
        yield Act(cycle.dropped_at, cycle.inside, "inside_sales", f"{prospect}/drop", ending)
    if cycle.sql_at and cycle.meeting:
        if cycle.number == 1:
            appointment = _appointment(cycle.meeting)
            yield Act(cycle.sql_at, cycle.inside, "inside_sales", f"{prospect}/appointment", appointment)
        else:
            path, learns = f"{prospect}/hand-over", {field.name: "opportunity_id"}
            body = _hand_over(lead, cycle, cycle.meeting)
            yield Act(cycle.sql_at, cycle.inside, "inside_sales", path, body, learns=learns)
        yield from field.meeting(cycle.meeting)
    if cycle.returned_at and cycle.meeting and cycle.reason:
        ending = {"reason": cycle.reason.code, **_revisit(cycle.returned_at, 90, last)}
        yield field.act(cycle.returned_at, cycle.meeting.rep, "/return", ending)
    if cycle.deal:
        terms = {"mrr": jpy(cycle.deal.mrr), "expected_close_date": cycle.deal.expected_close.isoformat()}
        terms |= {"forecast_category": "pipeline"}
        yield field.act(cycle.deal.opened_at, cycle.deal.rep, "/accept", terms)
        yield from field.run(cycle.deal, last)


def _back_again(lead: Lead, cycle: Cycle) -> Iterator[Act]:
    """A recycled lead shows interest again; marketing declares the MQL, inside sales takes it up by hand."""
    if cycle.mql_at is None:
        return
    name, number, at = lead.person.external_id, cycle.number, cycle.mql_at
    marketer, here, there = company.MARKETING[number % 2], f"/v1/leads/ext:{name}", f"/v1/prospects/ext:{name}"
    touch = {"kind": "email_click", "content": lead.content, "external_id": f"{name}-T{number}"}
    yield heard(at - timedelta(hours=3), "marketing", here, cycle=number, stage="nurturing")
    yield Act(at - timedelta(hours=3), marketer, "marketing", f"{here}/touches", touch)
    yield Act(at, marketer, "marketing", f"{here}/qualify", {"override_reason": DEMAND})
    yield heard(at, "inside_sales", there, cycle=number, status="waiting")
    if cycle.contacted_at:
        call = {"kind": "call", "outcome": "connected", "external_id": f"{name}-C{number}"}
        yield Act(cycle.contacted_at, cycle.inside, "inside_sales", f"{there}/activities", call)
    if cycle.rejected_at and cycle.reason:
        yield Act(cycle.rejected_at, cycle.inside, "inside_sales", f"{there}/reject", {"reason": cycle.reason.code})
    if cycle.accepted_at:
        yield Act(cycle.accepted_at, cycle.inside, "inside_sales", f"{there}/accept", {})


def _hand_over(lead: Lead, cycle: Cycle, meeting: Meeting) -> Body:
    more = {"product": lead.product.code, "comment": "再検討。前回の資料を共有済み。"}
    return {**cycle.answers, **more, "appointment": _appointment(meeting)}


def _appointment(meeting: Meeting) -> Body:
    return {"start_at": wire_time(meeting.start_at), "minutes": 60, "rep": meeting.rep.id, "place": meeting.place}


@dataclass(frozen=True, slots=True)
class Field:
    """What field sales does with one opportunity; `name` is what its id is known by."""

    name: str

    def act(self, at: datetime, rep: Person, path: str, body: Body, method: str = "POST") -> Act:
        learns = {"contract": "contract_id"} if path == "/win" else None
        return Act(at, rep, "field_sales", f"/v1/opportunities/{{{self.name}}}{path}", body, method, learns=learns)

    def meeting(self, meeting: Meeting) -> Iterator[Act]:
        rep, first = meeting.rep, meeting.start_at + timedelta(hours=1)
        if meeting.moved_to:
            yield self.act(first, rep, "/appointment/missed", {})
            moved = {"start_at": wire_time(meeting.moved_to)}
            yield self.act(first + timedelta(minutes=40), rep, "/appointment/reschedule", moved)
        match meeting.outcome:
            case Outcome.HELD:
                yield self.act(meeting.over_at, rep, "/appointment/held", {})
            case Outcome.MISSED:
                yield self.act(first, rep, "/appointment/missed", {})
            case Outcome.CANCELLED:
                called_off = meeting.start_at - timedelta(minutes=20)
                yield self.act(called_off, rep, "/appointment/cancel", {"reason": "customer_request"})

    def run(self, deal: Deal, end: date | None) -> Iterator[Act]:
        """From the opening to the end of a deal, however it was opened."""
        rep = deal.rep
        if deal.reviewed_at:
            reason = {"reason": deal.visit_reason.code} if deal.visit_reason else {}
            review = {**deal.found, "valid": deal.visit_reason is None, **reason}
            yield self.act(deal.reviewed_at, rep, "/first-visit", review)
        steps = [self.act(at, rep, "/phase", {"phase": phase}) for at, phase in deal.phases]
        steps += [
            self.act(at, rep, "", {"forecast_category": FORECAST[phase]}, "PATCH")
            for at, phase in deal.phases
            if phase in CALLED
        ]
        if deal.slipped:
            at, day = deal.slipped
            steps.append(self.act(at, rep, "", {"expected_close_date": day.isoformat()}, "PATCH"))
        yield from sorted(steps, key=lambda step: step.at)
        if deal.won:
            yield self.act(deal.closed_at, rep, "/win", _contract(deal))
        elif deal.reason:
            ending = {"reason": deal.reason.code, **_revisit(deal.closed_at, 180, end)}
            yield self.act(deal.closed_at, rep, "/lose", ending)


def _contract(deal: Deal) -> Body:
    """Signed and running from today on; what is billed begins with the next month."""
    signed = day_of(deal.closed_at)
    return {
        "mrr": jpy(deal.mrr),
        "one_off": jpy(round(deal.mrr * 1.5)),
        "won_on": signed.isoformat(),
        "starts_on": signed.isoformat(),
        "billing_starts_on": (signed.replace(day=1) + timedelta(days=32)).replace(day=1).isoformat(),
        "term_months": 12,
        "promises": list(deal.promises),
    }


def _revisit(at: datetime, wait: int, end: date | None) -> Body:
    day = day_of(at) + timedelta(days=wait)
    return {"revisit_on": day.isoformat()} if end and day > end else {}
