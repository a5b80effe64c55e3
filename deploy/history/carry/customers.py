"""What customer success is told of customers: onboarding, scores, tickets, promises."""

from collections.abc import Sequence
from typing import Any

from deploy.history.carry.case import Cannot, Case, Desk, NotYet, Step, Way, Ways, instant
from shared.contracts import customer_success as told
from shared.ids import told_id


async def customer_of(desk: Desk, case: Case) -> Any:
    """The customer by its name, by the id it has where field sales knew it by name alone, or as the lead it was."""
    name = case.name("account")
    for word in (case.ext("account"), str(told_id("account", name))):
        if found := await desk.find("customer_success", f"/v1/customers/{word}"):
            return found
    lead = await desk.find("marketing", f"/v1/leads/{case.ext('account')}") if case.index.is_lead(name) else None
    bought = await desk.listed("customer_success", "/v1/customers", lead_id=lead["id"]) if lead else []
    return await desk.find("customer_success", f"/v1/customers/{bought[0]['id']}") if bought else None


def known(case: Case, customer: Any) -> Any:
    """The customer. Raises NotYet."""
    if customer is None:
        raise NotYet(f"customer success does not know the customer {case.name('account')}")
    return customer


def on(case: Case, customer: Any, act: str, body: dict[str, Any] | None = None) -> Step:
    return case.act("customer_success", f"/v1/customers/{customer['id']}{act}", body)


def onboarding_completed(case: Case, found: Any) -> Sequence[Step]:
    """All that is left of the plan is done at this moment: the history tells no single tasks."""
    if known(case, found)["onboarded_at"]:
        return ()
    left = [task["key"] for task in found["onboarding"]["tasks"] if not task["completed_at"]]
    if not left:
        raise Cannot("this customer has no onboarding plan: only a deal that was won brings one")
    return [on(case, found, f"/onboarding/{key}/complete") for key in left]


async def _pulses(desk: Desk, case: Case) -> Any:
    customer = await customer_of(desk, case)
    path = f"/v1/customers/{customer['id']}/pulses" if customer else ""
    pulses = await desk.listed("customer_success", path, kind=case.event.kind) if customer else []
    return {"customer": customer, "pulses": pulses}


def pulse_recorded(case: Case, found: Any) -> Sequence[Step]:
    customer = known(case, found["customer"])
    if any(instant(one["at"]) == case.at and one["score"] == case.event.score for one in found["pulses"]):
        return ()
    return [on(case, customer, "/pulse", case.said("kind", "score", "respondent_role"))]


async def _ticket(desk: Desk, case: Case) -> Any:
    ticket = await desk.find("customer_success", f"/v1/tickets/ext:{case.event.ticket_id}")
    return {"ticket": ticket, "customer": await customer_of(desk, case)}


def ticket_opened(case: Case, found: Any) -> Sequence[Step]:
    if found["ticket"]:
        return ()
    customer = known(case, found["customer"])
    body = {"external_id": str(case.event.ticket_id), "customer_id": customer["id"], **case.said("priority", "kind")}
    return [case.act("customer_success", "/v1/tickets", body)]


def ticket_closed(case: Case, found: Any) -> Sequence[Step]:
    if found["ticket"] is None:
        raise NotYet("customer success does not know this ticket")
    if found["ticket"]["closed_at"]:
        return ()
    path = f"/v1/tickets/{found['ticket']['id']}/close"
    return [case.act("customer_success", path, case.said("satisfaction"))]


def promise_reviewed(case: Case, found: Any) -> Sequence[Step]:
    number, kept = case.event.number, case.event.kept
    made = {one["number"]: one for one in known(case, found)["promises"]}
    if number in made and made[number]["kept"] in (kept, case.index.final(case.event)):
        return ()
    return [on(case, found, f"/promises/{number}/review", {"kept": kept})]


WAYS: Ways = {
    told.OnboardingCompleted: Way(customer_of, onboarding_completed),
    told.PulseRecorded: Way(_pulses, pulse_recorded),
    told.TicketOpened: Way(_ticket, ticket_opened),
    told.TicketClosed: Way(_ticket, ticket_closed),
    told.PromiseReviewed: Way(customer_of, promise_reviewed),
}
