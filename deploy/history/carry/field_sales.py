"""What field sales is told: SQLs taken or sent back, what became of appointments, terms and phases, how deals ended."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from deploy.history.carry.case import Cannot, Case, Desk, NotYet, Row, Step, Way, Ways, instant, value_then
from deploy.simulate.files import Cells
from shared.clock import wire_time
from shared.contracts import field_sales as told
from shared.contracts.base import DIMENSIONS
from shared.money import Money, decimals

TERMS = ("mrr", "amount", "expected_close_date", "forecast_category")
SLICES = ("product", "owner", "region", "segment", "industry", "price_band")
ENDING = ("reason", "recyclable", "revisit_on")
CONTRACT = ("mrr", "one_off", "amount", "won_on", "starts_on", "billing_starts_on", "term_months")
UNTOLD = "Not recorded"
"""What stands for the words of a promise that was only counted."""


async def _offers(desk: Desk, case: Case) -> Any:
    """The opportunity by its name, all of its lead's cycle, and its company."""
    path, event = "/v1/opportunities", case.event
    named = await desk.find("field_sales", f"{path}/{case.ext('opportunity')}") if event.opportunity_id else None
    query = {"lead_external_id": case.name("lead"), "cycle": event.cycle}
    every = await desk.listed("field_sales", path, **query) if event.lead_id else []
    company = "account" in case.told.names and await desk.find("marketing", f"/v1/accounts/{case.ext('account')}")
    return {"named": named, "every": every, "company": company or None}


def opportunity_opened(case: Case, found: Any) -> Sequence[Step]:
    """Of an SQL that was handed over its acceptance; of one that nobody told of, a row; else one from outside."""
    if found["named"]:
        return ()
    name, event = case.name("opportunity"), case.event
    if event.origin != "sql":
        about = {"external_id": name, "origin": event.origin, **case.said("cycle", "phase", *TERMS, *DIMENSIONS)}
        lead = {"lead_external_id": case.name("lead")} if event.lead_id else {}
        return [case.act("field_sales", "/v1/opportunities", {**about, **lead, **_company(case, found)})]
    if event.lead_id and (case.name("lead"), event.cycle) in case.index.sqls:
        offered = [one for one in found["every"] if one["status"] == "offered" and one["external_id"] is None]
        if not offered:
            raise NotYet("field sales has not heard of the SQL")
        terms = {"external_id": name, **case.said("phase", *TERMS, *DIMENSIONS)}
        return [case.act("field_sales", f"/v1/opportunities/{offered[0]['id']}/accept", terms)]
    return [Row("field_sales", "opportunities", _cells(case))]


def _company(case: Case, found: Any) -> dict[str, Any]:
    if found["company"]:
        return {"account_id": found["company"]["id"]}
    return {"account_name": case.name("account")} if "account" in case.told.names else {}


def _cells(case: Case) -> Cells:
    event = case.event
    cells: Cells = {"external_id": case.name("opportunity"), "status": "open", "opened_at": case.at}
    cells |= {"lead_external_id": case.name("lead")} if event.lead_id else {}
    cells |= case.said("phase", "forecast_category", "expected_close_date", *SLICES)
    for name in ("mrr", "amount"):
        money: Money | None = getattr(event, name)
        if money:
            cells |= {name: f"{Decimal(money.amount).scaleb(-decimals(money.currency)):f}", "currency": money.currency}
    return cells


def sql_returned(case: Case, found: Any) -> Sequence[Step]:
    if any(one["status"] == "returned" for one in found["every"]):
        return ()
    offered = [one for one in found["every"] if one["status"] == "offered"]
    if not offered:
        raise NotYet("field sales has no SQL of this cycle on its desk")
    return [case.act("field_sales", f"/v1/opportunities/{offered[0]['id']}/return", case.said(*ENDING))]


async def _history(desk: Desk, case: Case) -> Any:
    path = f"/v1/opportunities/{case.ext('opportunity')}"
    found = await desk.find("field_sales", path)
    steps = (await desk.find("field_sales", f"{path}/history"))["steps"] if found else []
    return {"opportunity": found, "steps": steps}


def _known(case: Case, found: Any) -> Any:
    """The opportunity. Raises NotYet."""
    if found["opportunity"] is None:
        raise NotYet(f"field sales does not know the opportunity {case.name('opportunity')}")
    return found["opportunity"]


def _taken(case: Case, found: Any, *kinds: str) -> bool:
    """Is this step in its history? Raises NotYet."""
    _known(case, found)
    return any(step["kind"] in kinds and instant(step["at"]) == case.at for step in found["steps"])


def _on(case: Case, act: str, body: dict[str, Any] | None = None, **more: Any) -> Step:
    return case.act("field_sales", f"/v1/opportunities/{case.ext('opportunity')}{act}", body, **more)


def opportunity_updated(case: Case, found: Any) -> Sequence[Step]:
    """Terms and phase have calls of their own."""
    terms, phase = case.said(*TERMS, "next_step_on", *DIMENSIONS), case.said("phase")
    steps: list[Step] = []
    if not _said_then(case, found, terms):
        steps.append(_on(case, "", terms, method="PATCH"))
    if not _said_then(case, found, phase):
        steps.append(_on(case, "/phase", phase))
    return steps


def _said_then(case: Case, found: Any, said: dict[str, Any]) -> bool:
    opportunity = _known(case, found)
    return all(value_then(case, opportunity, found["steps"], name) == value for name, value in said.items())


async def _deal(desk: Desk, case: Case) -> Any:
    found = await _history(desk, case)
    account = found["opportunity"] and found["opportunity"]["account_id"]
    customer = await desk.find("customer_success", f"/v1/customers/{account}") if account else None
    return {**found, "customer": customer}


def deal_won(case: Case, found: Any) -> Sequence[Step]:
    """The customer goes by the outside id of its company; where none is told, by that of the lead it was."""
    steps: list[Step] = []
    name, customer = _customer(case), found["customer"]
    if not _taken(case, found, "won"):
        promises = [one.text for one in case.event.promises] or [UNTOLD] * case.index.promises.get(name, 0)
        steps.append(_on(case, "/win", {**case.said(*CONTRACT), "promises": promises}, learns={"won": "account_id"}))
    if name and not (customer and customer["external_id"]) and (steps or customer):
        path = "/v1/customers/{won}" if steps else f"/v1/customers/{customer['id']}"
        steps.append(case.act("customer_success", path, {"external_id": name}, method="PATCH", dated=False))
    return steps


def _customer(case: Case) -> str:
    return case.told.names.get("account") or case.told.names.get("lead", "")


def deal_lost(case: Case, found: Any) -> Sequence[Step]:
    return () if _taken(case, found, "lost") else [_on(case, "/lose", case.said(*ENDING))]


def deal_reopened(case: Case, found: Any) -> Sequence[Step]:
    return () if _taken(case, found, "reopened") else [_on(case, "/reopen")]


def first_visit_reviewed(case: Case, found: Any) -> Sequence[Step]:
    if _taken(case, found, "first_visit_reviewed"):
        return ()
    if case.event.compared:
        raise Cannot("field sales compares the codes of both sides itself, and this tells only what came of it")
    return [_on(case, "/first-visit", case.said("valid", "reason"))]


def _of_appointment(kind: str, act: str, *said: str) -> Callable[[Case, Any], Sequence[Step]]:
    def carry(case: Case, found: Any) -> Sequence[Step]:
        return () if _taken(case, found, kind) else [_on(case, f"/appointment/{act}", case.said(*said))]

    return carry


def rescheduled(case: Case, found: Any) -> Sequence[Step]:
    if _taken(case, found, "appointment_rescheduled"):
        return ()
    return [_on(case, "/appointment/reschedule", {"start_at": wire_time(case.event.start_at)})]


async def _link(desk: Desk, case: Case) -> Any:
    return {**await _history(desk, case), "lead": await desk.lead(case)}


def opportunity_linked(case: Case, found: Any) -> Sequence[Step]:
    if _taken(case, found, "linked"):
        return ()
    if found["lead"] is None:
        raise NotYet("marketing does not know this lead")
    return [_on(case, "/link", {"lead_id": found["lead"]["id"], **case.said("cycle")})]


async def _rep(desk: Desk, case: Case) -> Any:
    return await desk.find("field_sales", f"/v1/reps/{case.event.rep_id}")


def capacity_changed(case: Case, found: Any) -> Sequence[Step]:
    if found and found["slots_per_week"] in (case.event.slots_per_week, case.index.final(case.event)):
        return ()
    path = f"/v1/reps/{case.event.rep_id}/capacity"
    return [case.act("field_sales", path, case.said("slots_per_week"), method="PUT")]


WAYS: Ways = {
    told.OpportunityOpened: Way(_offers, opportunity_opened),
    told.OpportunityUpdated: Way(_history, opportunity_updated),
    told.OpportunityLinked: Way(_link, opportunity_linked),
    told.SqlReturned: Way(_offers, sql_returned),
    told.AppointmentHeld: Way(_history, _of_appointment("appointment_held", "held")),
    told.AppointmentMissed: Way(_history, _of_appointment("appointment_missed", "missed")),
    told.AppointmentCancelled: Way(_history, _of_appointment("appointment_cancelled", "cancel", "reason")),
    told.AppointmentRescheduled: Way(_history, rescheduled),
    told.FirstVisitReviewed: Way(_history, first_visit_reviewed),
    told.DealWon: Way(_deal, deal_won),
    told.DealLost: Way(_history, deal_lost),
    told.DealReopened: Way(_history, deal_reopened),
    told.CapacityChanged: Way(_rep, capacity_changed),
}
