"""What became of a lead downstream, and its way back, in whatever order the news comes."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from services.marketing.app import SERVICE
from shared import clock
from shared.contracts.customer_success import CustomerChurned, CustomerDormant
from shared.contracts.field_sales import DealWon, OpportunityLinked, OpportunityOpened
from shared.contracts.inside_sales import MqlAccepted, MqlRejected
from shared.ids import new_id
from tests.support.marketing import WORDS, Desk
from tests.support.rig import MakeRig

TODAY = clock.day_of(clock.utc_now())
LATER = TODAY + timedelta(days=30)


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def recycled(desk: Desk) -> list[dict[str, Any]]:
    return [event.data for event in await desk.told("lead_recycled")]


async def listed(desk: Desk, **query: str) -> dict[str, Any]:
    answer = await desk.api.get("/v1/recycling", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_stage_follows_the_departments(desk: Desk) -> None:
    lead = await desk.mql()
    opportunity = new_id()
    way: list[tuple[str, dict[str, Any], str]] = [
        ("contacted", {"owner": "is-1"}, "mql_waiting"),
        ("accepted", {"owner": "is-1"}, "mql_working"),
        ("sql", {"owner": "is-1", "opportunity_id": opportunity}, "sql"),
        ("opened", {"owner": "fs-1", "opportunity_id": opportunity}, "opportunity"),
        ("won", {"owner": "fs-1", "opportunity_id": opportunity}, "won"),
        ("reopened", {"opportunity_id": opportunity}, "opportunity"),
        ("lost", {"opportunity_id": opportunity, "reason": "price", "recyclable": False}, "lost"),
    ]
    for word, more, stage in way:
        await desk.hears(word, lead["id"], **more)
        assert (await desk.get(lead["id"]))["stage"] == stage
    found = await desk.get(lead["id"])
    assert (found["downstream_owner"], found["cycles"][0]["opportunity_id"]) == ("fs-1", str(opportunity))
    assert (await desk.api.get("/v1/leads?status=lost")).json()["items"][0]["id"] == lead["id"]
    assert (await desk.api.get("/v1/leads?stage=won")).json()["items"] == []
    assert await recycled(desk) == []


async def test_news_of_a_lead_comes_in_any_order_between_departments(desk: Desk) -> None:
    now, opportunity = clock.utc_now(), new_id()
    words: list[tuple[str, dict[str, Any]]] = [
        ("accepted", {}),
        ("sql", {"opportunity_id": opportunity}),
        ("returned", {"opportunity_id": opportunity, "reason": "no_budget"}),
    ]
    for order in permutations(range(3)):
        lead = await desk.mql()
        for place in order:
            word, more = words[place]
            at = now + timedelta(seconds=place)
            await desk.rig.deliver(
                WORDS[word](lead_id=lead["id"], cycle=1, **more),
                lead["id"],
                at=at,
                source=f"/load/{place}/{SOURCES[word]}",
            )
        found = await desk.get(lead["id"])
        assert [cycle["stage"] for cycle in found["cycles"]] == ["returned", "nurturing"], order
    assert {event["cycle_source"] for event in await recycled(desk)} == {"sql_returned"}
    assert len(await recycled(desk)) == 6


SOURCES = {"accepted": "inside_sales", "sql": "inside_sales", "returned": "field_sales"}


@pytest.mark.parametrize(
    ("word", "more", "source"),
    [
        ("rejected", {"reason": "bad_timing", "recyclable": True}, "mql_rejected"),
        ("rejected", {"reason": "bad_timing"}, None),
        ("rejected", {"reason": "not_icp", "recyclable": True}, None),
        ("dropped", {"reason": "no_opportunity"}, "no_opportunity"),
        ("dropped", {"reason": "unfollowed"}, "unfollowed"),
        ("dropped", {"reason": "not_icp"}, None),
        ("dropped", {"reason": "competitor", "recyclable": False}, None),
        ("returned", {"reason": "no_budget"}, "sql_returned"),
        ("lost", {"reason": "price"}, "deal_lost"),
        ("lost", {"reason": "price", "recyclable": False}, None),
        ("won", {}, None),
    ],
)
async def test_an_ended_cycle_comes_back_at_once_if_its_end_says_so(
    desk: Desk, word: str, more: dict[str, Any], source: str | None
) -> None:
    lead = await desk.mql(channel="ads")
    if word in ("returned", "lost", "won"):
        more = {"opportunity_id": new_id()} | more
    await desk.hears(word, lead["id"], **more)
    found, told = await desk.get(lead["id"]), await recycled(desk)
    assert found["cycle"] == (2 if source else 1)
    assert [event["cycle_source"] for event in told] == ([source] if source else [])
    if source:
        place = f"opportunity/{more['opportunity_id']}" if "opportunity_id" in more else f"lead/{lead['id']}/1"
        assert {"cycle": 2, "previous_ref": place, "channel": "ads"}.items() <= told[0].items()
        assert (found["stage"], found["mql_at"]) == ("nurturing", None)
        assert found["cycles"][1]["cycle_source"] == source


async def test_a_disqualified_lead_is_never_recycled(desk: Desk) -> None:
    lead = await desk.mql()
    await desk.hears("rejected", lead["id"], reason="not_icp", recyclable=True)
    assert (await desk.get(lead["id"]))["stage"] == "disqualified"
    refused = await desk.refused(f"/v1/leads/{lead['id']}/recycle", 409, cycle_source="mql_rejected")
    assert refused["type"] == "/problems/disqualified"
    assert await recycled(desk) == []


async def test_an_open_cycle_is_not_recycled(desk: Desk) -> None:
    lead = await desk.lead()
    for prepare in ("", "mql", "accepted"):
        if prepare == "mql":
            await desk.act(lead["id"], "qualify", override_reason="x")
        elif prepare:
            await desk.hears(prepare, lead["id"])
        refused = await desk.refused(f"/v1/leads/{lead['id']}/recycle", 409)
        assert refused["type"] == "/problems/cycle_open"


async def test_what_waits_comes_back_on_its_day(desk: Desk) -> None:
    lead = await desk.mql()
    await desk.hears("lost", lead["id"], opportunity_id=new_id(), reason="price", revisit_on=LATER)
    found = await desk.get(lead["id"])
    assert (found["cycle"], found["stage"], found["revisit_on"]) == (1, "lost", str(LATER))
    waiting = await listed(desk, status="waiting")
    assert waiting["items"][0]["revisit_on"] == str(LATER)
    assert {name: waiting["counts"][name] for name in ("due", "waiting", "done")} == {"due": 0, "waiting": 1, "done": 0}
    assert await desk.rig.run_rule("recycle due leads") == 0
    day = clock.start_of_day(LATER)
    assert await desk.rig.run_rule("recycle due leads", day - timedelta(seconds=1)) == 0
    assert await desk.rig.run_rule("recycle due leads", day) == 1
    assert await desk.rig.run_rule("recycle due leads", day) == 0
    event = (await desk.told("lead_recycled"))[0]
    assert (event.time, event.data["cycle"], event.data["revisit_on"]) == (day, 2, str(LATER))
    found = await desk.get(lead["id"])
    assert (found["cycle"], found["stage"], found["revisit_on"]) == (2, "nurturing", None)
    done = (await listed(desk, status="done"))["items"]
    assert [(item["cycle"], item["next_cycle"], item["reason"]) for item in done] == [(1, 2, "price")]
    assert (await listed(desk))["counts"]["by_source"] == {
        "deal_lost": {"due": 0, "waiting": 0, "done": 1, "cancelled": 0}
    }


async def test_a_past_revisit_date_told_late_is_due(desk: Desk) -> None:
    lead = await desk.mql(occurred_at="2026-01-01T00:00:00Z")
    await desk.hears(
        "lost",
        lead["id"],
        at=datetime(2026, 2, 1, tzinfo=UTC),
        opportunity_id=new_id(),
        reason="price",
        revisit_on=date(2026, 3, 1),
    )
    assert (await listed(desk, status="due"))["counts"]["due"] == 1
    await desk.rig.run_rule("recycle due leads")
    assert len(await recycled(desk)) == 1


async def test_a_reopened_deal_cancels_what_waits_and_losing_it_again_lets_it_wait_anew(desk: Desk) -> None:
    lead, opportunity = await desk.mql(), new_id()
    now = clock.utc_now()
    lost: dict[str, Any] = {"opportunity_id": opportunity, "reason": "price", "revisit_on": LATER}
    await desk.hears("lost", lead["id"], at=now, **lost)
    await desk.hears("reopened", lead["id"], at=now + timedelta(seconds=1), opportunity_id=opportunity)
    found = await desk.get(lead["id"])
    assert (found["stage"], found["revisit_on"]) == ("opportunity", None)
    assert (await listed(desk))["counts"]["cancelled"] == 1
    assert await desk.rig.run_rule("recycle due leads", clock.start_of_day(LATER)) == 0
    await desk.hears("lost", lead["id"], at=now + timedelta(seconds=2), **lost)
    assert (await listed(desk))["counts"]["waiting"] == 1
    await desk.rig.run_rule("recycle due leads", clock.start_of_day(LATER))
    assert [event["cycle"] for event in await recycled(desk)] == [2]


async def test_while_a_deal_is_reopened_its_next_cycle_is_no_work(desk: Desk) -> None:
    lead, opportunity = await desk.mql(), new_id()
    now = clock.utc_now()
    await desk.hears("lost", lead["id"], at=now, opportunity_id=opportunity, reason="price")
    assert len(await recycled(desk)) == 1
    await desk.hears("reopened", lead["id"], at=now + timedelta(seconds=1), opportunity_id=opportunity)
    found = await desk.get(lead["id"])
    assert (found["cycle"], found["stage"]) == (2, "opportunity")
    refused = await desk.refused(f"/v1/leads/{lead['id']}/qualify", 409, override_reason="x")
    assert refused["type"] == "/problems/in_work_elsewhere"
    await desk.hears("lost", lead["id"], at=now + timedelta(seconds=2), opportunity_id=opportunity, reason="price")
    assert len(await recycled(desk)) == 1  # the cycle that was opened is the one that goes on
    assert (await desk.act(lead["id"], "qualify", override_reason="x"))["stage"] == "mql_waiting"
    assert [event.data["cycle"] for event in await desk.told("mql_created")] == [1, 2]


async def test_a_person_recycles_by_hand(desk: Desk) -> None:
    lead = await desk.mql()
    await desk.hears("rejected", lead["id"], reason="bad_timing")
    early = (clock.utc_now() - timedelta(days=1)).isoformat()
    refused = await desk.refused(f"/v1/leads/{lead['id']}/recycle", 409, occurred_at=early)
    assert refused["type"] == "/problems/before_previous_step"
    waits = await desk.act(lead["id"], "recycle", revisit_on=str(LATER), note="四月に電話")
    assert (waits["cycle"], waits["revisit_on"]) == (1, str(LATER))
    assert (await listed(desk))["items"][0]["note"] == "四月に電話"
    viewer = await desk.rig.client("viewer").get("/v1/recycling")
    assert viewer.json()["items"][0]["note"] is None
    opened = await desk.act(lead["id"], "recycle", cycle_source="mql_rejected")
    assert (opened["cycle"], opened["stage"], opened["revisit_on"]) == (2, "nurturing", None)
    assert (await listed(desk))["counts"]["done"] == 1
    assert (await recycled(desk))[0]["cycle_source"] == "mql_rejected"
    await desk.refused(f"/v1/leads/{lead['id']}/recycle", 422, cycle_source="boredom")


async def test_a_reason_may_go_straight_to_inside_sales_or_wait_by_rule(desk: Desk) -> None:
    await desk.set_rule("recycling", sources={"unfollowed": {"hand_over": True}, "no_opportunity": {"wait_days": 30}})
    lead = await desk.mql()
    await desk.hears("dropped", lead["id"], reason="unfollowed")
    assert (await desk.get(lead["id"]))["stage"] == "mql_waiting"
    assert [event.data["cycle"] for event in await desk.told("mql_created")] == [1, 2]
    other = await desk.mql()
    await desk.hears("dropped", other["id"], reason="no_budget")
    assert (await desk.get(other["id"]))["revisit_on"] == str(LATER)


async def test_a_new_cycle_is_scored_by_new_interest(desk: Desk) -> None:
    lead = await desk.lead(phone="03-1234-5678")
    touch = await desk.act(lead["id"], "touches", kind="demo_request")
    assert touch["mql"]
    await desk.hears("rejected", lead["id"], reason="bad_timing", recyclable=True)
    assert (await desk.get(lead["id"]))["score"] == 10
    again = await desk.act(lead["id"], "touches", kind="webinar")
    assert (again["score"], again["mql"], again["cycle"]) == (30, False, 2)


async def test_customers_who_leave_or_fall_asleep_come_back(desk: Desk) -> None:
    for event in (CustomerChurned, CustomerDormant):
        lead, account = await desk.mql(company=f"会社 {event.__name__}"), None
        account = lead["account_id"]
        await desk.hears("won", lead["id"], opportunity_id=new_id(), account_id=account)
        more = {"reason": "price"} if event is CustomerChurned else {}
        await desk.rig.deliver(event(account_id=account, **more), lead["id"])
        found = await desk.get(lead["id"])
        assert (found["cycle"], found["cycles"][1]["cycle_source"]) == (2, "dormant_customer")
    for known in (True, False):
        lead = await desk.mql()
        away = CustomerChurned(
            account_id=new_id(),
            lead_id=lead["id"] if known else None,
            cycle=1 if known else None,
            reason="x",
            recyclable=False,
        )
        await desk.rig.deliver(away, lead["id"])
        assert (await desk.get(lead["id"]))["cycle"] == 1


async def test_a_churn_told_before_the_win_still_brings_them_back_once(desk: Desk) -> None:
    lead = await desk.mql()
    now = clock.utc_now()
    await desk.rig.deliver(
        CustomerChurned(account_id=new_id(), lead_id=lead["id"], cycle=1, reason="price"), lead["id"], at=now
    )
    await desk.hears("won", lead["id"], at=now - timedelta(days=90), opportunity_id=new_id())
    found = await desk.get(lead["id"])
    assert [cycle["stage"] for cycle in found["cycles"]] == ["churned", "nurturing"]
    assert len(await recycled(desk)) == 1


async def test_an_opportunity_meets_its_lead_later(desk: Desk) -> None:
    lead, opportunity = await desk.mql(), new_id()
    now = clock.utc_now()
    for offset, event in enumerate(
        (OpportunityOpened(opportunity_id=opportunity), DealWon(opportunity_id=opportunity))
    ):
        await desk.rig.deliver(event, opportunity, at=now + timedelta(seconds=offset))
    assert (await desk.get(lead["id"]))["stage"] == "mql_waiting"
    await desk.rig.deliver(OpportunityLinked(opportunity_id=opportunity, lead_id=lead["id"], cycle=1), opportunity)
    found = await desk.get(lead["id"])
    assert (found["stage"], found["cycles"][0]["opportunity_id"]) == ("won", str(opportunity))


async def test_news_from_before_our_rules_is_judged_by_the_first_of_them(desk: Desk) -> None:
    lead = await desk.mql()
    long_ago = datetime(1850, 1, 1, tzinfo=UTC)
    await desk.hears("rejected", lead["id"], at=long_ago, reason="bad_timing", recyclable=True)
    assert (await desk.get(lead["id"]))["cycle"] == 2


async def test_news_of_strangers_is_kept_and_harms_nobody(desk: Desk) -> None:
    stranger = new_id()
    await desk.rig.deliver(MqlAccepted(lead_id=stranger, cycle=3), stranger)
    await desk.rig.deliver(MqlRejected(lead_id=stranger, cycle=3, reason="x", recyclable=True), stranger)
    assert (await desk.api.get(f"/v1/leads/{stranger}")).status_code == 404
    assert await desk.rig.told() == []


async def test_archived_leads_do_not_come_back_and_are_no_mqls(desk: Desk) -> None:
    lead = await desk.mql()
    now = clock.utc_now().isoformat()
    await desk.hears("lost", lead["id"], opportunity_id=new_id(), reason="price", revisit_on=LATER)
    path = f"/v1/leads/{lead['id']}"
    assert (await desk.api.patch(path, json={"archived_at": now})).status_code == 200
    await desk.rig.run_rule("recycle due leads", clock.start_of_day(LATER))
    assert (await recycled(desk), (await listed(desk))["counts"]["cancelled"]) == ([], 1)
    for act in ("recycle", "qualify", "touches"):
        body = {"kind": "webinar"} if act == "touches" else {}
        assert (await desk.refused(f"{path}/{act}", 409, **body))["type"] == "/problems/archived"
    assert (await desk.api.get("/v1/leads")).json()["items"] == []
    assert len((await desk.api.get("/v1/leads?archived=true")).json()["items"]) == 1
    again = await desk.api.post("/v1/leads", json={"email": lead["email"]})
    assert (again.status_code, again.json()["archived_at"]) == (200, None)
