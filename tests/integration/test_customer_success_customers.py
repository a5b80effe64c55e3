"""What is done with and noted of customers: onboarding, scores, promises, tickets, and who looks after them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.customer_success.app import SERVICE
from shared import clock
from shared.contracts.field_sales import Promise
from shared.ids import new_id
from tests.support.customer_success import Desk, days_ago
from tests.support.rig import MakeRig


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


def iso(minutes: int) -> str:
    """So many minutes ago."""
    return (clock.utc_now() - timedelta(minutes=minutes)).isoformat()


async def test_the_last_task_completes_the_onboarding(desk: Desk) -> None:
    deal = await desk.won(at=clock.utc_now() - timedelta(hours=2))
    path = f"customers/{deal.account}/onboarding"
    for task in ("kickoff", "first_value", "setup"):
        found = await desk.post(f"{path}/{task}/complete", {"note": "済"})
        assert found["completed_at"] is None
    assert await desk.told("onboarding_completed") == []
    done = await desk.post(f"{path}/training/complete", {"occurred_at": iso(30)})
    assert done["completed_at"] is not None
    (told,) = await desk.told("onboarding_completed")
    assert (told.key, told.data["lead_id"], told.data["cycle"]) == (str(deal.journey), str(deal.journey), 1)
    latest = max(task["completed_at"] for task in done["tasks"])
    assert done["completed_at"] == latest, "it is complete when the last of its tasks was"
    assert (await desk.get(f"customers/{deal.account}"))["status"] == "active"


async def test_a_task_done_again_changes_nothing(desk: Desk) -> None:
    deal = await desk.won()
    path = f"customers/{deal.account}/onboarding/kickoff/complete"
    first = await desk.post(path, {"note": "一回目"})
    again = await desk.post(path, {"note": "二回目"})
    assert again == first
    assert first["tasks"][0] | {"completed_by": "mori", "note": "一回目"} == first["tasks"][0]


async def test_what_cannot_be_completed_is_refused(desk: Desk) -> None:
    deal = await desk.won()
    path = f"customers/{deal.account}/onboarding"
    await desk.post(f"{path}/dance/complete", status=404)
    await desk.post(f"customers/{new_id()}/onboarding/kickoff/complete", status=404)
    assert await desk.refused(f"{path}/kickoff/complete", {"occurred_at": iso(60)}) == "before_previous_step"
    await desk.post(f"{path}/kickoff/complete", {"occurred_at": iso(-5)}, status=422)
    await desk.post(f"{path}/kickoff/complete", {"when": "now"}, status=422)
    await desk.post(f"contracts/{deal.contract}/churn", {"reason": "price"})
    assert await desk.refused(f"{path}/kickoff/complete") == "not_under_contract"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "nps", "score": 0}, 201),
        ({"kind": "nps", "score": 10, "respondent_role": "decision_maker"}, 201),
        ({"kind": "nps", "score": 11}, 422),
        ({"kind": "nps", "score": -1}, 422),
        ({"kind": "csat", "score": 1}, 201),
        ({"kind": "csat", "score": 5}, 201),
        ({"kind": "csat", "score": 0}, 422),
        ({"kind": "csat", "score": 6}, 422),
        ({"kind": "csm", "score": 6}, 422),
        ({"kind": "csm", "score": 3.5}, 422),
        ({"kind": "csm", "score": True}, 422),
        ({"kind": "mood", "score": 3}, 422),
        ({"kind": "nps", "score": 9, "respondent_role": "astronaut"}, 422),
        ({"kind": "nps"}, 422),
    ],
)
async def test_scores_stay_on_their_scale(desk: Desk, body: dict[str, Any], status: int) -> None:
    deal = await desk.won()
    await desk.post(f"customers/{deal.account}/pulse", body, status=status)
    told = await desk.told("pulse_recorded")
    assert len(told) == (status == 201)
    for event in told:
        assert {"kind": body["kind"], "score": body["score"]}.items() <= event.data.items()
        assert event.data.get("respondent_role") == body.get("respondent_role")


async def test_scores_are_listed_by_kind(desk: Desk) -> None:
    deal = await desk.won()
    for kind, score in (("nps", 9), ("csat", 4), ("nps", 7)):
        await desk.post(f"customers/{deal.account}/pulse", {"kind": kind, "score": score}, status=201)
    path = f"customers/{deal.account}/pulses"
    assert [item["score"] for item in (await desk.get(path, kind="nps"))["items"]] == [9, 7]
    first = await desk.get(path, limit=2)
    assert len((await desk.get(path, cursor=first["next_cursor"]))["items"]) == 1
    await desk.get(path, status=422, external_id="x")


async def test_a_promise_is_reviewed_and_reviewed_again(desk: Desk) -> None:
    deal = await desk.won(promises=(Promise(number=1, text="移行"), Promise(number=2, text="定例会")))
    path = f"customers/{deal.account}/promises"
    found = await desk.post(f"{path}/2/review", {"kept": "partly", "note": "遅れた"})
    assert (found["kept"], found["reviewed_by"], found["text"]) == ("partly", "mori", "定例会")
    await desk.post(f"{path}/2/review", {"kept": "yes"})
    await desk.post(f"{path}/2/review", {"kept": "yes", "note": "確認済み"})
    told = await desk.told("promise_reviewed")
    assert [(event.data["number"], event.data["kept"]) for event in told] == [(2, "partly"), (2, "yes")]
    assert told[0].data["opportunity_id"] == str(deal.opportunity)
    items = (await desk.get(path))["items"]
    assert [item["kept"] for item in items] == [None, "yes"]
    await desk.post(f"{path}/3/review", {"kept": "yes"}, status=404)
    await desk.post(f"{path}/1/review", {"kept": "maybe"}, status=422)
    early = {"kept": "no", "occurred_at": iso(600)}
    assert await desk.refused(f"{path}/1/review", early) == "before_previous_step"


async def test_a_ticket_is_opened_changed_and_closed(desk: Desk) -> None:
    deal = await desk.won()
    body = {
        "customer_id": str(deal.account),
        "contract_id": str(deal.contract),
        "external_id": "T-1",
        "kind": "complaint",
        "priority": "high",
        "subject": "約束と違う",
    }
    opened = await desk.post("tickets", body, status=201)
    assert (opened["status"], opened["contract_id"], opened["account_id"]) == (
        "open",
        str(deal.contract),
        str(deal.account),
    )
    again = await desk.post("tickets", body, status=200)
    assert again["id"] == opened["id"]
    changed = await desk.patch("tickets/ext:T-1", {"priority": "urgent", "owner": "mori", "subject": None})
    assert (changed["priority"], changed["owner"], changed["subject"]) == ("urgent", "mori", None)
    closed = await desk.post(f"tickets/{opened['id']}/close", {"satisfaction": 2})
    assert (closed["status"], closed["satisfaction"]) == ("closed", 2)
    assert await desk.refused(f"tickets/{opened['id']}/close") == "ticket_closed"
    (told,) = await desk.told("ticket_opened")
    assert (told.data["kind"], told.data["priority"], told.data["ticket_id"]) == ("complaint", "high", opened["id"])
    assert "subject" not in told.data
    (ended,) = await desk.told("ticket_closed")
    assert (ended.data["satisfaction"], ended.key) == (2, str(deal.journey))


async def test_what_a_ticket_must_say(desk: Desk) -> None:
    deal, other = await desk.won(), await desk.won()
    base = {"customer_id": str(deal.account)}
    await desk.post("tickets", {}, status=422)
    await desk.post("tickets", {"customer_id": str(new_id())}, status=404)
    for wrong in (
        {"kind": "poem"},
        {"priority": "whenever"},
        {"contract_id": str(other.contract)},
        {"opened_at": iso(-5)},
        {"satisfaction": 3},
        {"text": "\x00"},
    ):
        await desk.post("tickets", base | wrong, status=422)
    opened = await desk.post("tickets", base, status=201)
    for satisfaction in (0, 6, "5", 4.5):
        await desk.post(f"tickets/{opened['id']}/close", {"satisfaction": satisfaction}, status=422)
    early = {"occurred_at": iso(60)}
    assert await desk.refused(f"tickets/{opened['id']}/close", early) == "before_previous_step"
    await desk.patch(f"tickets/{opened['id']}", {"status": "closed"}, status=422)


async def test_tickets_are_listed_by_filters(desk: Desk) -> None:
    deal, other = await desk.won(), await desk.won(channel="event", segment="enterprise")
    lead = str(new_id())
    mine = {"customer_id": str(deal.account), "kind": "complaint", "priority": "high", "lead_id": lead}
    first = await desk.post("tickets", mine, status=201)
    await desk.post("tickets", {"contract_id": str(other.contract), "owner": "mori"}, status=201)
    await desk.post(f"tickets/{first['id']}/close")

    async def found(**query: Any) -> int:
        return len((await desk.get("tickets", **query))["items"])

    assert await found() == 2
    assert await found(channel="event", segment="enterprise", owner="mori") == 1
    assert await found(lead_id=lead, kind="complaint", priority="high") == 1
    assert await found(customer_id=str(deal.account)) == await found(account_id=str(deal.account)) == 1
    assert await found(contract_id=str(other.contract), waiting=False) == 1
    assert (await desk.mori.get("/v1/tickets?status=closed")).json()["items"][0]["id"] == first["id"]
    await desk.patch(f"tickets/{first['id']}", {"archived": True})
    assert (await found(), await found(archived=True)) == (1, 2)


async def test_a_customer_changes_hands_and_slices(desk: Desk) -> None:
    deal = await desk.won()
    path = f"customers/{deal.account}"
    changed = await desk.patch(path, {"owner": "mori", "segment": "enterprise", "region": None})
    assert (changed["owner"], changed["seller"], changed["segment"]) == ("mori", "seller-1", "enterprise")
    await desk.post(f"{path}/pulse", {"kind": "nps", "score": 9}, status=201)
    (told,) = await desk.told("pulse_recorded")
    assert (told.data["owner"], told.data["segment"]) == ("mori", "enterprise")
    await desk.patch(path, {"status": "churned"}, status=422)
    await desk.patch(path, {"external_id": "A-1"})
    assert (await desk.get("customers/ext:A-1"))["id"] == str(deal.account)
    other = await desk.won()
    answer = await desk.mori.patch(f"/v1/customers/{other.account}", json={"external_id": "A-1"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")


async def test_customers_are_listed_by_filters(desk: Desk) -> None:
    deal = await desk.won(region="kanto", product="suite")
    gone = await desk.won(channel="event", owner="seller-2")
    await desk.post(f"contracts/{gone.contract}/churn", {"reason": "price", "churned_on": days_ago(0).isoformat()})

    async def found(**query: Any) -> list[str]:
        answer = await desk.mori.get("/v1/customers", params=query)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    one, two = str(deal.account), str(gone.account)
    assert await found() == [one, two]
    assert await found(sort="-created_at") == [two, one]
    assert await found(status="churned") == await found(channel="event") == await found(owner="seller-2") == [two]
    assert await found(lead_id=str(deal.journey)) == await found(region="kanto", product="suite") == [one]
    assert await found(opportunity_id=str(deal.opportunity), segment="smb") == [one]
    assert await found(at_risk=True) == await found(band="healthy") == await found(external_id="A-9") == []
    assert await found(at_risk=False, band="unknown") == [one, two]
    assert await found(churned_at_from="2020-01-01T00:00:00Z") == [two]
    for wrong in ("limit=0", "colour=red", "status=asleep", "band=grey"):
        assert (await desk.mori.get(f"/v1/customers?{wrong}")).status_code == 422, wrong


async def test_only_customer_success_acts(desk: Desk) -> None:
    deal = await desk.won()
    path = f"/v1/customers/{deal.account}"
    acts: list[tuple[str, Any]] = [
        (f"{path}/pulse", {"kind": "nps", "score": 9}),
        (f"{path}/onboarding/kickoff/complete", {}),
        (f"{path}/signals", {"kind": "review_held"}),
        ("/v1/tickets", {"customer_id": str(deal.account)}),
        ("/v1/usage:batch", {"items": []}),
    ]
    for act, body in acts:
        assert (await desk.person("x", "field_sales").post(act, json=body)).status_code == 403
        assert (await desk.rig.client().post(act, json=body)).status_code == 401
    assert (await desk.person("x", "viewer").get(path)).status_code == 200


async def test_what_people_said_is_read_only_by_those_who_work_with_them(desk: Desk) -> None:
    deal = await desk.won(promises=(Promise(number=1, text="移行"),))
    path = f"/v1/customers/{deal.account}"
    await desk.post(f"customers/{deal.account}/pulse", {"kind": "nps", "score": 3, "note": "怒っている"}, status=201)
    await desk.post(f"customers/{deal.account}/promises/1/review", {"kept": "no", "note": "田中様"})
    await desk.post(f"customers/{deal.account}/onboarding/kickoff/complete", {"note": "田中様"})
    await desk.post("tickets", {"customer_id": str(deal.account), "subject": "田中様", "text": "怒"}, status=201)

    async def read(role: str) -> list[Any]:
        person = desk.person("x", role)
        (pulse,) = (await person.get(f"{path}/pulses")).json()["items"]
        (ticket,) = (await person.get("/v1/tickets")).json()["items"]
        customer = (await person.get(path)).json()
        promise, task = customer["promises"][0], customer["onboarding"]["tasks"][0]
        assert (pulse["score"], promise["text"], promise["kept"]) == (3, "移行", "no")
        return [pulse["note"], ticket["subject"], ticket["text"], promise["note"], task["note"]]

    for role in ("customer_success", "field_sales", "product", "admin"):
        assert await read(role) == ["怒っている", "田中様", "怒", "田中様", "田中様"]
    for role in ("viewer", "executive", "marketing"):
        assert await read(role) == [None] * 5


async def test_reasons_and_the_description_of_the_api_are_there(desk: Desk) -> None:
    found = await desk.get("reasons?for=churn")
    assert {"code": "price", "ja": "価格", "en": "Price", "recyclable": True} in found["churn"]
    assert set(await desk.get("reasons")) >= {"change", "churn", "ticket_kind", "ticket_priority", "signal"}
    await desk.get("reasons?for=poetry", status=422)
    page = (await desk.mori.get("/openapi.json")).json()
    paths = page["paths"]
    for path in (
        "/v1/customers/{customer_id}/onboarding/{task}/complete",
        "/v1/customers/{customer_id}/pulse",
        "/v1/customers/{customer_id}/promises/{number}/review",
        "/v1/customers/{customer_id}/health",
        "/v1/customers/{customer_id}/usage",
        "/v1/contracts/{contract_id}/change",
        "/v1/contracts/{contract_id}/renew",
        "/v1/contracts/{contract_id}/churn",
        "/v1/usage:batch",
        "/v1/tickets/{ticket_id}/close",
        "/v1/renewals",
        "/v1/rules/{name}",
        "/v1/imports",
        "/v1/feedback",
    ):
        assert path in paths, path
    assert page["components"]["schemas"]["ChurnIn"]["examples"]


async def test_tasks_done_at_the_same_time_complete_the_onboarding_once(desk: Desk) -> None:
    deal = await desk.won()
    path = f"/v1/customers/{deal.account}/onboarding"
    tasks = ("kickoff", "setup", "training", "first_value")
    answers = await asyncio.gather(*(desk.mori.post(f"{path}/{task}/complete") for task in tasks * 2))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await desk.told("onboarding_completed")) == 1
