"""The reverse flow between two services: one item, two copies, told by events."""

from pathlib import Path
from uuid import UUID

import httpx
import pytest

from shared.contracts import EVENTS, customer_success, inside_sales, marketing
from shared.feedback import Feedback
from shared.ids import new_id
from shared.migrate import drift
from tests.support.feedback_services import CUSTOMER_SUCCESS, MARKETING, METADATA, tiny_service
from tests.support.rig import MakeRig, Rig

Pair = tuple[Rig, Rig]
LEAD = UUID("0199aaaa-0000-7000-8000-000000000001")


@pytest.fixture
async def pair(make_rig: MakeRig, tmp_path: Path) -> Pair:
    """Marketing and customer success."""
    return (
        await make_rig(tiny_service("marketing", MARKETING, tmp_path)),
        await make_rig(tiny_service("customer_success", CUSTOMER_SUCCESS, tmp_path)),
    )


async def exchange(told_by: Rig, read_by: Rig) -> None:
    """Everything one service announced reaches the other."""
    for told in await told_by.told():
        event = EVENTS[told.type].model_validate(told.data)
        await read_by.deliver(event, told.key, at=told.time, sequence=told.sequence)


async def given(client: httpx.AsyncClient, **more: object) -> dict[str, object]:
    body = {"to": "customer_success", "kind": "gap", "text": "the case study was old", **more}
    answer = await client.post("/v1/feedback", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_the_table_is_what_the_migrations_make(pair: Pair) -> None:
    assert await drift(pair[0].database.url, METADATA) == []


async def test_an_item_goes_its_whole_way_and_both_copies_agree(pair: Pair) -> None:
    marketing_rig, success_rig = pair
    sender, receiver = marketing_rig.client("marketing"), success_rig.client("customer_success")
    item = await given(sender, refs=[{"kind": "lead", "id": str(LEAD)}], severity="high", owner="rep-1", channel="web")
    assert (item["state"], item["sender"], item["lead_id"]) == ("given", "marketing", str(LEAD))
    path = f"/v1/feedback/{item['id']}"
    await exchange(marketing_rig, success_rig)

    assert (await receiver.post(f"{path}/acknowledge", json={})).json()["state"] == "acknowledged"
    assert (await receiver.post(f"{path}/decide", json={"accept": True, "reason": "yes"})).json()["state"] == "accepted"
    acted = await receiver.post(f"{path}/act", json={"change": "wrote a new one"})
    assert acted.json()["state"] == "acted"
    await exchange(success_rig, marketing_rig)
    closed = await sender.post(f"{path}/close", json={"useful": True})
    assert closed.json()["state"] == "closed"
    last = (await marketing_rig.told())[-1]
    await success_rig.deliver(EVENTS[last.type].model_validate(last.data), last.key, at=last.time)

    local = {"version", "created_at", "updated_at"}
    copies = [(await client.get(path)).json() for client in (sender, receiver)]
    ours, theirs = ({name: value for name, value in copy.items() if name not in local} for copy in copies)
    assert ours == theirs
    assert (ours["change"], ours["decision"], ours["decision_reason"], ours["useful"]) == (
        "wrote a new one",
        "accepted",
        "yes",
        True,
    )


async def test_what_is_told_and_on_which_stream(pair: Pair) -> None:
    marketing_rig, success_rig = pair
    item = await given(marketing_rig.client("marketing"))
    await exchange(marketing_rig, success_rig)
    client = success_rig.client("customer_success")
    assert (await client.post(f"/v1/feedback/{item['id']}/decide", json={"accept": True})).status_code == 200
    first = (await marketing_rig.told())[0]
    assert (first.type, first.key, first.sequence) == ("marketing.feedback_given.v1", item["id"], 1)
    assert first.data["sender"] == "marketing"
    told = await success_rig.told("customer_success.feedback_updated.v1")
    assert [(t.data["state"], t.data["by"], t.key) for t in told] == [
        ("acknowledged", "customer_success", item["id"]),
        ("accepted", "customer_success", item["id"]),
    ]
    assert told[0].time == told[1].time


async def test_each_side_has_its_own_acts(pair: Pair) -> None:
    marketing_rig, success_rig = pair
    sender, receiver = marketing_rig.client("marketing"), success_rig.client("customer_success")
    item = await given(sender)
    await exchange(marketing_rig, success_rig)
    path = f"/v1/feedback/{item['id']}"
    for client, act, body, status, rule in [
        (sender, "acknowledge", {}, 409, "feedback_not_yours"),
        (receiver, "close", {"useful": True}, 409, "feedback_not_yours"),
        (receiver, "act", {"change": "x"}, 409, "feedback_state"),
        (sender, "close", {"useful": True}, 409, "feedback_state"),
        (receiver, "decide", {"accept": False}, 409, "reason_needed"),
        (receiver, "decide", {}, 422, "invalid"),
        (receiver, "acknowledge", {"occurred_at": "2020-01-01T00:00:00Z"}, 409, "before_previous_step"),
        (success_rig.client("product"), "acknowledge", {}, 403, "forbidden"),
        (success_rig.client("marketing"), "acknowledge", {}, 403, "forbidden"),
        (success_rig.client("viewer"), "acknowledge", {}, 403, "forbidden"),
    ]:
        answer = await client.post(f"{path}/{act}", json=body)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{rule}"), (act, answer.text)
    assert (await receiver.get(path)).json()["state"] == "given"
    declined = await receiver.post(f"{path}/decide", json={"accept": False, "reason": "not now"})
    assert declined.json()["state"] == "declined"
    assert declined.headers["etag"] == f'"{declined.json()["version"]}"'
    stale = await receiver.post(f"{path}/act", json={"change": "x"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412


async def test_nobody_gives_feedback_to_themselves_or_for_others(pair: Pair) -> None:
    marketing_rig, success_rig = pair
    own = await marketing_rig.client("marketing").post("/v1/feedback", json={"to": "marketing", "kind": "voice"})
    assert (own.status_code, own.json()["type"]) == (409, "/problems/feedback_to_itself")
    other = {"to": "inside_sales", "kind": "voice", "sender": "field_sales"}
    assert (await marketing_rig.client("marketing").post("/v1/feedback", json=other)).status_code == 403
    unknown = {"to": "marketing", "kind": "rumour"}
    assert (await success_rig.client("customer_success").post("/v1/feedback", json=unknown)).status_code == 422


async def test_the_product_team_has_its_box_at_customer_success(pair: Pair) -> None:
    marketing_rig, success_rig = pair
    product, success = success_rig.client("product"), success_rig.client("customer_success")
    wish = {"to": "product", "kind": "product", "text": "export to CSV"}
    item = (await success.post("/v1/feedback", json=wish)).json()
    assert item["sender"] == "customer_success"
    path = f"/v1/feedback/{item['id']}"
    assert (await success.post(f"{path}/acknowledge", json={})).status_code == 403
    assert (await product.post(f"{path}/decide", json={"accept": True})).json()["state"] == "accepted"
    box = (await product.get("/v1/feedback", params={"box": "in", "receiver": "product"})).json()["items"]
    assert [found["id"] for found in box] == [item["id"]]

    answer = await product.post("/v1/feedback", json={"to": "marketing", "kind": "praise"})
    assert answer.json()["sender"] == "product"
    told = (await success_rig.told("customer_success.feedback_given.v1"))[-1]
    await marketing_rig.deliver(customer_success.FeedbackGiven.model_validate(told.data), told.key, at=told.time)
    inbox = (await marketing_rig.client("marketing").get("/v1/feedback?box=in")).json()["items"]
    assert [found["sender"] for found in inbox] == ["product"]


async def test_a_step_told_before_the_item_waits_on_a_placeholder(pair: Pair) -> None:
    _, success_rig = pair
    feedback_id = new_id()
    parties = {"sender": "marketing", "receiver": "customer_success"}
    step = {"feedback_id": feedback_id, "state": "acknowledged", "at": "2026-04-02T00:00:00Z", "by": "customer_success"}
    await success_rig.deliver(inside_sales.FeedbackUpdated.model_validate({**step, **parties}), "another stream")
    client = success_rig.client("customer_success")
    waiting = await client.get(f"/v1/feedback/{feedback_id}")
    assert (waiting.status_code, waiting.headers["retry-after"]) == (404, "1")
    assert (await client.post(f"/v1/feedback/{feedback_id}/acknowledge", json={})).status_code == 404
    assert (await client.get("/v1/feedback")).json()["items"] == []
    item = marketing.FeedbackGiven.model_validate({"feedback_id": feedback_id, "kind": "voice", **parties})
    await success_rig.deliver(item, feedback_id)
    known = (await client.get(f"/v1/feedback/{feedback_id}")).json()
    assert (known["state"], known["acknowledged_at"]) == ("acknowledged", "2026-04-02T00:00:00Z")


async def test_items_between_two_others_are_not_kept(pair: Pair) -> None:
    marketing_rig, _ = pair
    feedback_id = new_id()
    step = {"feedback_id": feedback_id, "state": "acknowledged", "at": "2026-04-02T00:00:00Z", "by": "inside_sales"}
    told = {"feedback_id": feedback_id, "kind": "gap", "sender": "customer_success", "receiver": "inside_sales"}
    await marketing_rig.deliver(inside_sales.FeedbackUpdated.model_validate(step), feedback_id)
    await marketing_rig.deliver(customer_success.FeedbackGiven.model_validate(told), feedback_id)
    client = marketing_rig.client("marketing")
    assert (await client.get(f"/v1/feedback/{feedback_id}")).status_code == 404
    assert (await client.get("/v1/feedback")).json()["items"] == []


async def test_lists_are_filtered_and_external_ids_name_items(pair: Pair) -> None:
    client = pair[0].client("marketing")
    first = await given(client, external_id="F1", kind="voice", owner="rep-1", segment="smb", severity="urgent")
    second = await given(client, refs=[{"kind": "lead", "id": str(LEAD)}])
    again = await client.post("/v1/feedback", json={"to": "product", "kind": "gap", "external_id": "F1"})
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert (await client.get("/v1/feedback/ext:F1")).json()["id"] == first["id"]
    assert (await client.get("/v1/feedback/ext:F2")).status_code == 404
    for query, expected in [
        ("box=out", [first, second]),
        ("box=in", []),
        ("kind=voice", [first]),
        ("state=given&sort=-created_at", [second, first]),
        ("status=closed", []),
        ("owner=rep-1", [first]),
        ("segment=smb&severity=urgent", [first]),
        ("receiver=product", []),
        (f"lead_id={LEAD}", [second]),
        ("external_id=F1", [first]),
        ("created_at_from=2100-01-01T00:00:00Z", []),
    ]:
        found = (await client.get(f"/v1/feedback?{query}")).json()["items"]
        assert [item["id"] for item in found] == [item["id"] for item in expected], query
    assert (await client.get("/v1/feedback?mood=good")).status_code == 422
    one = (await client.get("/v1/feedback?limit=1")).json()
    rest = (await client.get("/v1/feedback", params={"limit": 1, "cursor": one["next_cursor"]})).json()
    assert [item["id"] for item in rest["items"]] == [second["id"]]
    assert rest["next_cursor"] is None


async def test_the_kinds_are_data_with_words(pair: Pair) -> None:
    found = (await pair[0].client("viewer").get("/v1/feedback/kinds")).json()
    assert {"code": "praise", "ja": "感謝", "en": "Praise", "recyclable": None} in found
    assert len(found) == 11


def test_each_service_listens_to_the_other_three() -> None:
    assert MARKETING.others == ("inside_sales", "field_sales", "customer_success")
    kinds = {event.type for event in Feedback.handlers(MARKETING)}
    assert kinds == {f"{name}.feedback_{what}.v1" for name in MARKETING.others for what in ("given", "updated")}
