"""The reverse flow: items given in the sender's service, moved on in the service of whoever did it."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from deploy.history.carry.case import Case, Desk, NotYet, Step, Way, Ways
from deploy.simulate.feedback import service_of
from shared.contracts import PUBLISHERS

SAID = ("kind", "reason", "text", "severity", "owner", "channel", "segment")
PLACES = {"lead": ("marketing", "leads"), "opportunity": ("field_sales", "opportunities")}
PLACES |= {"account": ("customer_success", "customers"), "contract": ("customer_success", "contracts")}
PLACES |= {"campaign": ("marketing", "campaigns")}
STEPS: Mapping[str, tuple[str, str]] = {
    "acknowledged": ("acknowledged_at", "acknowledge"),
    "accepted": ("decided_at", "decide"),
    "declined": ("decided_at", "decide"),
    "acted": ("acted_at", "act"),
    "closed": ("closed_at", "close"),
}
"""State → when it was reached, and the call that leads there."""
UNTOLD = "Not recorded"


def _path(case: Case) -> str:
    return f"/v1/feedback/{case.ext('feedback')}"


async def _item_and_things(desk: Desk, case: Case) -> Any:
    """The item, and our ids of what it speaks of: None for what is not known."""
    things = [await _thing(desk, case, ref.kind, ref.id) for ref in case.event.refs]
    return {"item": await desk.find(service_of(case.event.sender), _path(case)), "refs": things}


async def _thing(desk: Desk, case: Case, kind: str, told: str) -> Any:
    if kind not in PLACES:
        return {"kind": kind, "id": told}
    service, resource = PLACES[kind]
    found = await desk.find(service, f"/v1/{resource}/ext:{quote(case.index.outside(kind, told), safe='')}")
    return {"kind": kind, "id": found["id"]} if found else None


def given(case: Case, found: Any) -> Sequence[Step]:
    if found["item"]:
        return ()
    if None in found["refs"]:
        raise NotYet("what it speaks of is not known")
    event = case.event
    body = {"external_id": case.name("feedback"), "to": event.receiver, "sender": event.sender}
    body |= {**case.said(*SAID), "refs": found["refs"]}
    return [case.act(service_of(event.sender), "/v1/feedback", body)]


async def _item(desk: Desk, case: Case) -> Any:
    return await desk.find(service_of(case.event.by), _path(case))


def updated(case: Case, found: Any) -> Sequence[Step]:
    """What was acted upon without a decision told was accepted with it: an item goes through its steps."""
    event = case.event
    if found is None or found["given_at"] is None:
        raise NotYet("the item itself has not arrived")
    if event.state == "given":
        return ()
    reached, act = STEPS[event.state]
    if found[reached]:
        return ()
    if event.state == "closed" and found["state"] not in ("acted", "declined"):
        raise NotYet(f"an item is closed when something came of it, and this one is {found['state']}")
    accepted = {"accept": True}
    bodies: dict[str, dict[str, Any]] = {
        "acknowledged": {},
        "accepted": accepted,
        "declined": {"accept": False, "reason": event.decision_reason or UNTOLD},
        "acted": {"change": event.change or UNTOLD},
        "closed": case.said("useful"),
    }
    steps = [case.act(service_of(event.by), f"{_path(case)}/{act}", bodies[event.state])]
    if event.state == "acted" and not found["decided_at"]:
        return [case.act(service_of(event.by), f"{_path(case)}/decide", accepted), *steps]
    return steps


GIVEN, UPDATED = Way(_item_and_things, given), Way(_item, updated)
WAYS: Ways = {}
for _name, _module in PUBLISHERS.items():
    if _name != "kpi":
        WAYS |= {_module.FeedbackGiven: GIVEN, _module.FeedbackUpdated: UPDATED}
