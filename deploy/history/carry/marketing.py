"""What marketing is told: companies, people, their interest, MQLs, and the cycles it opened again."""

from collections.abc import Sequence
from typing import Any

from deploy.history.carry.case import Cannot, Case, Desk, NotYet, Step, Way, Ways, value_then
from shared.contracts import marketing as told
from shared.contracts.base import DIMENSIONS

COMPANY = ("corporate_number", "domain", "industry", "segment", "employees", "prefecture")
WORKED_ON = frozenset({"nurturing", "mql_waiting", "mql_working", "sql", "opportunity"})
"""Stages of a cycle that has not ended, as far as marketing has heard."""


def _company(case: Case) -> Step:
    """A company by its outside id, which is also its name where the history tells none."""
    name = case.name("account")
    body = {"external_id": name, "name": case.index.companies.get(name, name)}
    return case.act("marketing", "/v1/accounts", body)


async def _account(desk: Desk, case: Case) -> Any:
    return await desk.find("marketing", f"/v1/accounts/{case.ext('account')}")


def account_created(case: Case, found: Any) -> Sequence[Step]:
    if found:
        return ()
    company = case.said(*COMPANY)
    name = case.name("account")
    body = {"external_id": name, "name": case.event.account_name or name, **company}
    return [case.act("marketing", "/v1/accounts", body)]


def lead_created(case: Case, found: Any) -> Sequence[Step]:
    """No e-mail and no name is told, so the outside id alone says who it is."""
    if found:
        return ()
    body = {"external_id": case.name("lead"), **case.said(*DIMENSIONS)}
    if "account" not in case.told.names:
        return [case.act("marketing", "/v1/leads", body)]
    return [_company(case), case.act("marketing", "/v1/leads", {**body, "account": f"ext:{case.name('account')}"})]


def known(found: Any) -> Any:
    """The lead. Raises NotYet."""
    if found is None:
        raise NotYet("marketing does not know this lead")
    return found


async def _lead_and_changes(desk: Desk, case: Case) -> Any:
    lead = await desk.lead(case)
    changes = await desk.find("marketing", f"/v1/leads/{lead['id']}/changes?limit=500") if lead else []
    return {"lead": lead, "changes": changes}


def lead_updated(case: Case, found: Any) -> Sequence[Step]:
    lead = known(found["lead"])
    changes = [{"at": one["at"], "changes": one["fields"]} for one in reversed(found["changes"])]
    said = case.said(*DIMENSIONS)
    if all(value_then(case, lead, changes, name) == value for name, value in said.items()):
        return ()
    return [case.act("marketing", f"/v1/leads/{case.ext('lead')}", said, method="PATCH")]


async def _touches(desk: Desk, case: Case) -> Any:
    lead = await desk.lead(case)
    path = f"/v1/leads/{lead['id']}/touches" if lead else ""
    return {"lead": lead, "touches": await desk.listed("marketing", path, external_id=_touch(case)) if lead else []}


def _touch(case: Case) -> str:
    """The touch's own id in marketing, so that it is told once."""
    return str(case.event.touch_id)


def touch_recorded(case: Case, found: Any) -> Sequence[Step]:
    known(found["lead"])
    if found["touches"]:
        return ()
    body = {"external_id": _touch(case), **case.said("kind", "content", "channel", "campaign")}
    return [case.act("marketing", f"/v1/leads/{case.ext('lead')}/touches", body)]


def mql_created(case: Case, found: Any) -> Sequence[Step]:
    """Declared, since the criteria of today never judged it."""
    cycle = case.event.cycle
    mine = next((one for one in known(found)["cycles"] if one["cycle"] == cycle), None)
    if mine and mine["mql_at"]:
        return ()
    if found["cycle"] > cycle:
        raise Cannot(f"the lead is in cycle {found['cycle']} already, and only the newest becomes an MQL")
    if found["cycle"] < cycle:
        raise NotYet(f"marketing never opened cycle {cycle}: it is in cycle {found['cycle']}")
    why = {"override_reason": "Told by a loaded history"}
    return [case.act("marketing", f"/v1/leads/{case.ext('lead')}/qualify", why)]


def lead_recycled(case: Case, found: Any) -> Sequence[Step]:
    cycle = case.event.cycle
    if known(found)["cycle"] >= cycle:
        return ()
    if found["stage"] in WORKED_ON:
        raise NotYet(f"cycle {found['cycle']} has not ended: it is in the stage {found['stage']}")
    body = case.said("cycle_source")
    return [case.act("marketing", f"/v1/leads/{case.ext('lead')}/recycle", body)]


def lead_erased(case: Case, found: Any) -> Sequence[Step]:
    if known(found)["erased_at"]:
        return ()
    return [case.act("marketing", f"/v1/leads/{case.ext('lead')}/erase")]


async def _merged(desk: Desk, case: Case) -> Any:
    name = case.index.name("lead", case.event.merged_lead_id)
    return {"lead": await desk.lead(case), "merged": await desk.find("marketing", f"/v1/leads/ext:{name}")}


def lead_merged(case: Case, found: Any) -> Sequence[Step]:
    merged = known(known(found["lead"]) and found["merged"])
    if merged["merged_into"]:
        return ()
    body = {"merged_lead_id": merged["id"]}
    return [case.act("marketing", f"/v1/leads/{case.ext('lead')}/merge", body)]


def lead_unmerged(case: Case, found: Any) -> Sequence[Step]:
    merged = known(known(found["lead"]) and found["merged"])
    if not merged["merged_into"]:
        return ()
    body = {"merged_lead_id": merged["id"]}
    return [case.act("marketing", f"/v1/leads/{case.ext('lead')}/unmerge", body)]


async def _visits(desk: Desk, case: Case) -> Any:
    return await _days(desk, case, "visits")


async def _spend(desk: Desk, case: Case) -> Any:
    return await _days(desk, case, "spend")


async def _days(desk: Desk, case: Case, resource: str) -> Any:
    day = {"date": case.event.date.isoformat(), "channel": case.event.channel}
    rows = await desk.listed("marketing", f"/v1/{resource}", **day)
    return next((row for row in rows if row["campaign"] == case.event.campaign), None)


def visits_recorded(case: Case, found: Any) -> Sequence[Step]:
    if found and found["visitors"] in (case.event.visitors, case.index.final(case.event)):
        return ()
    return [case.act("marketing", "/v1/visits", case.said("date", "channel", "campaign", "visitors"))]


def spend_recorded(case: Case, found: Any) -> Sequence[Step]:
    amount = case.event.spend.model_dump()
    if found and found["amount"] in (amount, case.index.final(case.event)):
        return ()
    return [case.act("marketing", "/v1/spend", {**case.said("date", "channel", "campaign"), "amount": amount})]


WAYS: Ways = {
    told.AccountCreated: Way(_account, account_created),
    told.LeadCreated: Way(Desk.lead, lead_created),
    told.LeadUpdated: Way(_lead_and_changes, lead_updated),
    told.TouchRecorded: Way(_touches, touch_recorded),
    told.MqlCreated: Way(Desk.lead, mql_created),
    told.LeadRecycled: Way(Desk.lead, lead_recycled),
    told.LeadErased: Way(Desk.lead, lead_erased),
    told.LeadMerged: Way(_merged, lead_merged),
    told.LeadUnmerged: Way(_merged, lead_unmerged),
    told.VisitsRecorded: Way(_visits, visits_recorded),
    told.SpendRecorded: Way(_spend, spend_recorded),
}
