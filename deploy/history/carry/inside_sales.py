"""What inside sales is told. Its own calls make the caller the owner, ask what kind of contact it was and judge by the
criteria of today: what history leaves open. So contacts, judgements and hand-overs go in as rows of a file."""

from collections.abc import Sequence
from typing import Any

from deploy.history.carry.case import Cannot, Case, Desk, NotYet, Row, Step, Way, Ways
from shared.clock import wire_time
from shared.contracts import inside_sales as told

CODES = ("budget", "authority", "need", "timing")


async def _prospect(desk: Desk, case: Case) -> Any:
    return await desk.find("inside_sales", f"/v1/prospects/{case.ext('lead')}")


def _cycle(case: Case, found: Any) -> Any:
    """The lead's cycle as inside sales has it; nothing where no MQL was told of it. Raises NotYet, Cannot."""
    cycle = case.event.cycle
    told_mql = (case.name("lead"), cycle) in case.index.mqls
    if found is None or found["cycle"] < cycle:
        if told_mql or cycle > 1:
            raise NotYet(f"inside sales has not heard of the MQL of cycle {cycle}")
        return {}
    mine = next((one for one in (found, *found["cycles"]) if one["cycle"] == cycle), None)
    if mine is None:
        raise Cannot(f"inside sales never had cycle {cycle} of this lead")
    if told_mql and mine["mql_at"] is None:
        raise NotYet(f"inside sales has not heard of the MQL of cycle {cycle}")
    return mine


def _row(case: Case, found: Any, **cells: Any) -> Sequence[Step]:
    if found and found["cycle"] > case.event.cycle:
        raise Cannot(f"the lead is in cycle {found['cycle']} already, and files tell of the newest")
    return [Row("inside_sales", "prospects", {"lead_external_id": case.name("lead"), **case.said("owner"), **cells})]


def first_contact_made(case: Case, found: Any) -> Sequence[Step]:
    if _cycle(case, found).get("first_contact_at"):
        return ()
    return _row(case, found, first_contact_at=case.at)


def mql_accepted(case: Case, found: Any) -> Sequence[Step]:
    if _cycle(case, found).get("accepted_at"):
        return ()
    return _row(case, found, accepted_at=case.at)


def mql_rejected(case: Case, found: Any) -> Sequence[Step]:
    if _cycle(case, found).get("ended_at"):
        return ()
    return _row(case, found, rejected_at=case.at, **case.said("reason"))


def sql_accepted(case: Case, found: Any) -> Sequence[Step]:
    if _cycle(case, found).get("sql_at"):
        return ()
    rows = _row(case, found, sql_at=case.at, **case.said(*CODES))
    noted = case.said("size", "product", "expected_mrr")
    if noted and found:  # a file has no columns for these
        path = f"/v1/prospects/{case.ext('lead')}"
        return [case.act("inside_sales", path, noted, method="PATCH", dated=False), *rows]
    return rows


def lead_dropped(case: Case, found: Any) -> Sequence[Step]:
    mine = _cycle(case, found)
    if not mine:
        raise NotYet("inside sales does not know this lead")
    if mine["ended_at"]:
        return ()
    who = mine.get("claimed_by") or case.event.owner
    body = case.said("reason", "recyclable", "revisit_on")
    return [case.act("inside_sales", f"/v1/prospects/{case.ext('lead')}/drop", body, who=who)]


async def _appointment(desk: Desk, case: Case) -> Any:
    name = str(case.event.appointment_id)
    booked = await desk.listed("inside_sales", "/v1/appointments", external_id=name)
    return {"prospect": await _prospect(desk, case), "booked": booked}


def appointment_set(case: Case, found: Any) -> Sequence[Step]:
    if found["booked"]:
        return ()
    if not _cycle(case, found["prospect"]).get("sql_at"):
        raise NotYet("inside sales has not handed this lead over")
    when = wire_time(case.event.start_at)
    body = {"external_id": str(case.event.appointment_id), "start_at": when, **case.said("minutes", "rep", "place")}
    return [case.act("inside_sales", f"/v1/prospects/{case.ext('lead')}/appointment", body)]


WAYS: Ways = {
    told.FirstContactMade: Way(_prospect, first_contact_made),
    told.MqlAccepted: Way(_prospect, mql_accepted),
    told.MqlRejected: Way(_prospect, mql_rejected),
    told.SqlAccepted: Way(_prospect, sql_accepted),
    told.LeadDropped: Way(_prospect, lead_dropped),
    told.AppointmentSet: Way(_appointment, appointment_set),
}
