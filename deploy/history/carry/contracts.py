"""What customer success is told of contracts. Changes are told as differences and said as the whole that comes of them;
one that leaves nothing ends the contract, and one after the end is a new contract."""

from collections.abc import Sequence
from typing import Any

from deploy.history.carry.case import Cannot, Case, Desk, NotYet, Step, Way, Ways, instant
from deploy.history.carry.customers import customer_of, known
from shared.clock import day_of
from shared.contracts import customer_success as told
from shared.contracts.base import DIMENSIONS
from shared.money import Money

TERMS = ("ends_on", "renewal_on", "term_months", "billing_starts_on", "plan", "seats", "trial", *DIMENSIONS)
ENDING = ("reason", "reason_kind", "recyclable", "revisit_on")
SERVICE = "customer_success"


async def _contracts(desk: Desk, case: Case) -> Any:
    """The customer and its contracts, each with the steps that hold."""
    customer = await customer_of(desk, case)
    if customer is None:
        return {"customer": None, "contracts": []}
    contracts = await desk.listed(SERVICE, "/v1/contracts", customer_id=customer["id"])
    for contract in contracts:
        history = await desk.find(SERVICE, f"/v1/contracts/{contract['id']}/history")
        contract["steps"] = [step for step in history["steps"] if step["superseded_at"] is None]
    return {"customer": customer, "contracts": contracts}


def _taken(case: Case, contracts: Sequence[Any], *kinds: str) -> bool:
    return any(
        step["kind"] in kinds and instant(step["at"]) == case.at for contract in contracts for step in contract["steps"]
    )


def _meant(case: Case, contracts: Sequence[Any]) -> Sequence[Any]:
    """Those the history speaks of: the one it names, else all."""
    named = [one for one in contracts if one["external_id"] and one["external_id"] == case.told.names.get("contract")]
    return named or contracts


def _running(case: Case, contracts: Sequence[Any]) -> list[Any]:
    return [one for one in _meant(case, contracts) if one["status"] == "active"]


def contract_started(case: Case, found: Any) -> Sequence[Step]:
    """A contract that a deal brought only gets its outside name, and the terms told here where they differ."""
    name, event = case.name("contract"), case.event
    if any(one["external_id"] == name for one in found["contracts"]):
        return ()
    whose = {"account_id": found["customer"]["id"]} if found["customer"] else {}
    body = {"external_id": name, "starts_on": event.starts_on.isoformat(), "mrr": event.mrr.model_dump(), **whose}
    body |= {"account_external_id": case.name("account"), **case.said(*TERMS)}
    whole = case.act(SERVICE, "/v1/contracts", body, dated=False)
    unnamed = [one for one in found["contracts"] if one["opportunity_id"] and not one["external_id"]]
    brought = next((one for one in unnamed if one["starts_on"] == body["starts_on"]), None)
    if brought is None:
        return [whole]
    path = f"/v1/contracts/{brought['id']}"
    naming = case.act(SERVICE, path, {"external_id": name}, method="PATCH", dated=False)
    return [naming] if brought["mrr"] == body["mrr"] else [naming, whole]


def subscription_changed(case: Case, found: Any) -> Sequence[Step]:
    """What changed in one moment is one change, in however many lines it is told."""
    known(case, found["customer"])
    delta, contracts = _delta(case), found["contracts"]
    if _taken(case, _meant(case, contracts), "changed", "ended") or any(
        one["external_id"] == _anew(case) for one in contracts
    ):
        return ()
    running = _running(case, contracts)
    if not running:
        return _again(case, found)
    if len(running) > 1:
        raise Cannot("several contracts of this customer run, and which of them changed is not told")
    before = running[0]["mrr"] or {"amount": 0, "currency": delta.currency}
    after = before["amount"] + delta.amount
    if after < 0 and before["currency"] == delta.currency:
        raise Cannot(f"it pays {before['amount']}, which cannot go down by {-delta.amount}")
    path = f"/v1/contracts/{running[0]['id']}"
    if after == 0:
        return [case.act(SERVICE, f"{path}/churn", _ending(case))]
    reason = case.event.reason or "other"
    changed = {"mrr": {"amount": after, "currency": delta.currency}, "reason": reason}
    return [case.act(SERVICE, f"{path}/change", changed)]


def _delta(case: Case) -> Money:
    return Money(amount=case.index.delta(case.told), currency=case.event.delta.currency)


def _ending(case: Case) -> dict[str, Any]:
    """Why the customer left, as the event of that moment says, else the change itself."""
    churned = case.index.churns.get((case.event.account_id, case.at))
    if churned:
        return churned.model_dump(mode="json", include={*ENDING} & churned.model_fields_set, exclude_none=True)
    return {"reason": case.event.reason or "unknown"}


def _again(case: Case, found: Any) -> Sequence[Step]:
    """No contract runs: more MRR is a customer who came back, less is a mistake."""
    if not found["contracts"]:
        raise NotYet(f"customer success has no contract of {case.name('account')}")
    if _delta(case).amount <= 0:
        raise Cannot("no contract of this customer runs that could go down")
    whose, since = found["customer"]["id"], day_of(case.at).isoformat()
    body = {"external_id": _anew(case), "account_id": whose, "starts_on": since, "mrr": _delta(case).model_dump()}
    return [case.act(SERVICE, "/v1/contracts", body, dated=False)]


def _anew(case: Case) -> str:
    """What the contract of a customer who came back is found again by."""
    return f"{case.name('account')}@{day_of(case.at).isoformat()}"


def contract_renewed(case: Case, found: Any) -> Sequence[Step]:
    known(case, found["customer"])
    if _taken(case, found["contracts"], "renewed"):
        return ()
    running = _running(case, found["contracts"])
    if len(running) != 1:
        raise Cannot(f"{len(running)} contracts of this customer run, and which was renewed is not told")
    return [case.act(SERVICE, f"/v1/contracts/{running[0]['id']}/renew", case.said("term_months"))]


def customer_churned(case: Case, found: Any) -> Sequence[Step]:
    """Every contract that still runs ends."""
    known(case, found["customer"])
    ending = case.said(*ENDING)
    return [case.act(SERVICE, f"/v1/contracts/{one['id']}/churn", ending) for one in _running(case, found["contracts"])]


WAYS: Ways = {
    told.ContractStarted: Way(_contracts, contract_started),
    told.SubscriptionChanged: Way(_contracts, subscription_changed),
    told.ContractRenewed: Way(_contracts, contract_renewed),
    told.CustomerChurned: Way(_contracts, customer_churned),
}
