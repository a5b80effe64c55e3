"""From MQL to SQL: what each act stores, announces and refuses."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from services.inside_sales.app import SERVICE
from shared import clock, instruments
from shared.contracts.marketing import AccountCreated, AccountMerged, LeadRecycled, LeadUpdated
from shared.ids import new_id
from shared.migrate import drift
from tests.support.inside_sales import BANT, Desk, wire
from tests.support.rig import MakeRig


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def test_migrations_and_models_agree(desk: Desk) -> None:
    assert await drift(desk.rig.database.url, desk.rig.service.metadata) == []


async def test_an_mql_becomes_a_waiting_prospect(desk: Desk) -> None:
    account = new_id()
    await desk.rig.deliver(AccountCreated(account_id=account, account_name="株式会社青空"), account)
    lead = await desk.mql(
        account_id=account, external_id="L-1", channel="web", segment="smb", region="kanto", score=72, fit=40
    )
    found = await desk.prospect(lead)
    expected = {"id": str(lead), "lead_id": str(lead), "cycle": 1, "status": "waiting", "score": 72, "sla": "running"}
    assert expected.items() <= found.items()
    assert found["company"] == {"account_id": str(account), "name": "株式会社青空"}
    assert found["sla_due_at"] > found["mql_at"]
    assert (await desk.sato.get("/v1/prospects/ext:L-1")).json()["id"] == str(lead)
    assert await desk.rig.told() == []


async def test_a_merged_company_goes_by_the_survivors_name(desk: Desk) -> None:
    old, new = new_id(), new_id()
    await desk.rig.deliver(AccountCreated(account_id=new, account_name="青空ホールディングス"), new)
    await desk.rig.deliver(AccountCreated(account_id=old, account_name="青空"), old)
    lead = await desk.mql(account_id=old)
    await desk.rig.deliver(AccountMerged(account_id=new, merged_account_id=old), old)
    late = await desk.mql(account_id=old)
    assert (await desk.prospect(lead))["company"] == {"account_id": str(new), "name": "青空ホールディングス"}
    assert (await desk.prospect(late))["company"]["name"] == "青空ホールディングス"


@pytest.mark.parametrize("act", ["claim", "release", "accept"])
async def test_what_marketing_has_not_handed_over_is_404_until_known(desk: Desk, act: str) -> None:
    lead = new_id()
    for path in (f"/v1/prospects/{lead}/{act}", f"/v1/prospects/ext:{lead}/{act}"):
        answer = await desk.sato.post(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (404, "1")
    answer = await desk.sato.get(f"/v1/prospects/{lead}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (404, "1")
    assert (await desk.sato.post(f"/v1/prospects/nonsense/{act}")).status_code == 422


async def test_only_inside_sales_acts(desk: Desk) -> None:
    lead = await desk.mql()
    for role in ("viewer", "marketing", "ops_lead"):
        assert (await desk.person("x", role).post(f"/v1/prospects/{lead}/accept")).status_code == 403
    assert (await desk.rig.client().get(f"/v1/prospects/{lead}")).status_code == 401
    assert (await desk.person("x", "admin").post(f"/v1/prospects/{lead}/accept")).status_code == 200


def entries() -> float:
    return instruments.registry.get_sample_value("themodel_funnel_entries_total", {"stage": "inside_sales"}) or 0


async def test_accepting_is_no_contact_and_the_first_human_one_stops_the_clock(desk: Desk) -> None:
    lead = await desk.mql(owner="marketer")
    before = entries()
    found = await desk.act(lead, "accept")
    assert (found["status"], found["owner"], found["claimed_by"], found["sla"]) == (
        "accepted",
        "sato",
        "sato",
        "running",
    )
    assert entries() == before + 1

    async def activity(**body: object) -> object:
        return (await desk.act(lead, "activities", {"kind": "email", **body}, status=201))["first_contact_at"]

    assert await activity(kind="note", note="調査した") is None
    assert await activity(automatic=True) is None
    first = await activity(kind="call", outcome="connected")
    assert first is not None
    assert await activity(kind="meeting", outcome="held") == first
    assert [event.type for event in await desk.rig.told()] == [
        "inside_sales.mql_accepted.v1",
        "inside_sales.first_contact_made.v1",
    ]
    assert (await desk.prospect(lead))["sla"] == "met"
    listed = (await desk.sato.get(f"/v1/prospects/{lead}/activities")).json()["items"]
    assert [item["kind"] for item in listed] == ["note", "email", "call", "meeting"]
    assert [
        item["kind"] for item in (await desk.sato.get(f"/v1/prospects/{lead}/activities?kind=call")).json()["items"]
    ] == ["call"]


async def test_an_earlier_contact_told_late_is_the_first(desk: Desk) -> None:
    handed = clock.utc_now() - timedelta(days=1)
    lead = await desk.mql(at=handed)
    await desk.act(lead, "activities", {"kind": "call"}, status=201)
    earlier = handed + timedelta(minutes=5)
    told = await desk.act(lead, "activities", {"kind": "call", "at": wire(earlier)}, status=201)
    assert told["first_contact_at"] == earlier.isoformat().replace("+00:00", "Z")
    assert [event.time for event in await desk.rig.told("inside_sales.first_contact_made.v1")][1] == earlier
    too_early = {"kind": "call", "at": wire(handed - timedelta(minutes=1))}
    assert await desk.refused(lead, "activities", too_early) == "before_previous_step"


async def test_the_same_activity_told_twice_is_one(desk: Desk) -> None:
    lead = await desk.mql()
    body = {"kind": "call", "external_id": "cti-7"}
    first = await desk.act(lead, "activities", body, status=201)
    assert (await desk.act(lead, "activities", body, status=200))["id"] == first["id"]
    assert len((await desk.sato.get(f"/v1/prospects/{lead}/activities")).json()["items"]) == 1
    assert await desk.refused(await desk.mql(), "activities", body) == "conflict"


@pytest.mark.parametrize(
    ("act", "body", "field"),
    [
        ("activities", {"kind": "smoke_signal"}, "kind"),
        ("activities", {"kind": "call", "outcome": "love"}, "outcome"),
        ("activities", {"kind": "call", "at": "2126-01-01T00:00:00Z"}, "at"),
        ("activities", {"kind": "call", "at": "2026-01-01T00:00:00Z", "occurred_at": "2026-01-02T00:00:00Z"}, "body"),
        ("reject", {}, "reason"),
        ("reject", {"reason": "bored"}, "reason"),
        ("reject", {"reason": "no_need", "mood": "bad"}, "mood"),
        ("drop", {"reason": "bored"}, "reason"),
        ("hand-over", {"budget": "plenty"}, "budget"),
        ("hand-over", {"expected_mrr": -5}, "expected_mrr"),
        ("hand-over", {"expected_mrr": 0.5, "currency": "JPY"}, "body"),
        ("hand-over", {"appointment": {"minutes": 30}}, "appointment.start_at"),
        ("hand-over", {"appointment": {"start_at": "9999-12-31T23:59:59Z"}}, "appointment.start_at"),
        ("claim", {"owner": ""}, "owner"),
        ("accept", {"occurred_at": "yesterday"}, "occurred_at"),
    ],
)
async def test_malformed_bodies_name_their_field(desk: Desk, act: str, body: object, field: str) -> None:
    lead = await desk.mql()
    answer = await desk.sato.post(f"/v1/prospects/{lead}/{act}", json=body)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_rejecting_ends_the_cycle_with_reason_and_return(desk: Desk) -> None:
    lead = await desk.mql(channel="web", external_id="L-9")
    body = {"reason": "timing", "note": "来期", "revisit_on": "2027-04-01"}
    found = await desk.act(lead, "reject", body)
    assert (found["status"], found["recyclable"], found["note"]) == ("rejected", True, "来期")
    (told,) = await desk.rig.told()
    assert told.type == "inside_sales.mql_rejected.v1"
    assert told.data == {
        "lead_id": str(lead),
        "external_id": "L-9",
        "cycle": 1,
        "channel": "web",
        "owner": "sato",
        "reason": "timing",
        "recyclable": True,
        "revisit_on": "2027-04-01",
    }
    assert told.key == str(lead)
    assert await desk.refused(lead, "accept") == "cycle_ended"


@pytest.mark.parametrize(
    ("body", "recyclable"),
    [
        ({"reason": "no_need"}, True),
        ({"reason": "no_need", "recyclable": False}, False),
        ({"reason": "duplicate"}, False),
        ({"reason": "duplicate", "recyclable": True}, True),
        ({"reason": "not_icp"}, False),
        ({"reason": "not_icp", "recyclable": True}, False),
    ],
)
async def test_a_reason_says_whether_the_lead_comes_back(desk: Desk, body: object, recyclable: bool) -> None:
    for act, start in (("reject", desk.mql), ("drop", desk.accepted)):
        assert (await desk.act(await start(), act, body))["recyclable"] is recyclable


async def test_dropping_tells_marketing(desk: Desk) -> None:
    lead = await desk.accepted()
    found = await desk.act(lead, "drop", {"reason": "no_opportunity", "revisit_on": "2027-01-15"})
    assert (found["status"], found["reason"], found["revisit_on"]) == ("dropped", "no_opportunity", "2027-01-15")
    (told,) = await desk.rig.told("inside_sales.lead_dropped.v1")
    assert {"reason": "no_opportunity", "recyclable": True, "revisit_on": "2027-01-15"}.items() <= told.data.items()


async def test_steps_keep_their_order(desk: Desk) -> None:
    handed = clock.utc_now() - timedelta(days=3)
    lead = await desk.mql(at=handed)
    assert (
        await desk.refused(lead, "accept", {"occurred_at": wire(handed - timedelta(hours=1))}) == "before_previous_step"
    )
    yesterday = clock.utc_now() - timedelta(days=1)
    accepted = await desk.act(lead, "accept", {"occurred_at": wire(yesterday)})
    assert accepted["accepted_at"] == yesterday.isoformat().replace("+00:00", "Z")
    assert (await desk.rig.told())[-1].time == yesterday
    early = {**BANT, "occurred_at": wire(yesterday - timedelta(hours=1))}
    assert await desk.refused(lead, "hand-over", early) == "before_previous_step"
    assert (
        await desk.refused(lead, "drop", {"reason": "no_need", "occurred_at": wire(handed)}) == "before_previous_step"
    )


async def test_one_of_two_who_claim_at_once_wins(desk: Desk) -> None:
    lead = await desk.mql()
    people = [desk.person(name) for name in ("sato", "suzuki", "tanaka")]
    answers = await asyncio.gather(*(person.post(f"/v1/prospects/{lead}/claim") for person in people))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    winner = next(answer for answer in answers if answer.status_code == 200).json()["claimed_by"]
    losers = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(loser["type"], loser["owner"]) for loser in losers} == {("/problems/held_by_other", winner)}


async def test_work_belongs_to_whoever_claimed_it(desk: Desk) -> None:
    lead = await desk.mql()
    assert await desk.refused(lead, "release") == "not_claimed"
    found = await desk.act(lead, "claim")
    assert (found["status"], found["owner"], found["claimed_by"]) == ("claimed", "sato", "sato")
    await desk.act(lead, "claim")
    for act, body in (
        ("claim", None),
        ("release", None),
        ("accept", None),
        ("reject", {"reason": "no_need"}),
        ("drop", {"reason": "no_need"}),
    ):
        assert await desk.refused(lead, act, body, by="suzuki") == "held_by_other"
    found = await desk.act(lead, "release")
    assert (found["status"], found["owner"], found["claimed_by"]) == ("waiting", None, None)
    await desk.act(lead, "accept", by="suzuki")
    assert await desk.refused(lead, "hand-over", BANT) == "held_by_other"
    await desk.act(lead, "release", by="suzuki")
    assert (await desk.act(lead, "hand-over", BANT))["owner"] == "sato"


async def test_ops_lead_gives_work_to_others(desk: Desk) -> None:
    lead = await desk.mql()
    await desk.act(lead, "claim")
    assert (await desk.sato.post(f"/v1/prospects/{lead}/claim", json={"owner": "suzuki"})).status_code == 403
    lead_of_all = desk.person("boss", "ops_lead")
    found = (await lead_of_all.post(f"/v1/prospects/{lead}/claim", json={"owner": "suzuki"})).json()
    assert (found["claimed_by"], found["owner"]) == ("suzuki", "suzuki")
    assert (await lead_of_all.post(f"/v1/prospects/{lead}/claim")).json()["type"] == "/problems/held_by_other"


async def test_a_stale_reader_is_told_so(desk: Desk) -> None:
    lead = await desk.mql()
    tag = (await desk.sato.get(f"/v1/prospects/{lead}")).headers["ETag"]
    answer = await desk.sato.post(f"/v1/prospects/{lead}/claim", headers={"If-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag
    assert (await desk.sato.post(f"/v1/prospects/{lead}/accept", headers={"If-Match": tag})).status_code == 412


async def test_an_idempotent_accept_is_answered_again(desk: Desk) -> None:
    lead = await desk.mql()
    key = {"Idempotency-Key": "k-1"}
    first = await desk.sato.post(f"/v1/prospects/{lead}/accept", headers=key)
    again = await desk.sato.post(f"/v1/prospects/{lead}/accept", headers=key)
    assert (again.status_code, again.content) == (200, first.content)
    assert len(await desk.rig.told("inside_sales.mql_accepted.v1")) == 1


async def test_a_recycled_lead_is_no_work_before_it_is_an_mql_again(desk: Desk) -> None:
    lead = await desk.mql(channel="web")
    await desk.act(lead, "reject", {"reason": "timing", "note": "来期"})
    recycled = LeadRecycled(
        lead_id=lead, cycle=2, cycle_source="mql_rejected", previous_ref=f"lead/{lead}/1", channel="web"
    )
    await desk.rig.deliver(recycled, lead)
    found = await desk.prospect(lead)
    assert (found["cycle"], found["status"], found["cycle_source"], found["reason"]) == (
        2,
        "nurturing",
        "mql_rejected",
        None,
    )
    assert [(cycle["cycle"], cycle["status"], cycle["note"]) for cycle in found["cycles"]] == [(1, "rejected", "来期")]
    answer = await desk.sato.post(f"/v1/prospects/{lead}/accept")
    assert (answer.status_code, answer.json()["type"], answer.headers["Retry-After"]) == (
        409,
        "/problems/not_handed_over",
        "1",
    )
    assert (await desk.sato.get("/v1/queue")).json()["items"] == []
    await desk.mql(lead, cycle=2)
    found = await desk.prospect(lead)
    assert (found["cycle"], found["status"], found["cycle_source"]) == (2, "waiting", "mql_rejected")
    await desk.act(lead, "accept")
    assert (await desk.rig.told())[-1].data["cycle"] == 2


async def test_late_news_of_an_earlier_cycle_goes_into_history(desk: Desk) -> None:
    lead = await desk.mql(cycle=2)
    await desk.mql(lead, cycle=1, score=11)
    found = await desk.prospect(lead)
    assert (found["cycle"], found["score"]) == (2, 60)
    assert [(cycle["cycle"], cycle["score"], cycle["status"]) for cycle in found["cycles"]] == [(1, 11, "waiting")]


async def test_marketings_updates_never_touch_the_owner(desk: Desk) -> None:
    lead = await desk.mql(region="kanto", owner="marketer")
    await desk.rig.deliver(LeadUpdated(lead_id=lead, cycle=1, region="kansai", owner="other"), lead)
    found = await desk.prospect(lead)
    assert (found["region"], found["owner"]) == ("kansai", "other")
    await desk.act(lead, "claim")
    await desk.rig.deliver(LeadUpdated(lead_id=lead, cycle=1, segment="smb", owner="marketer"), lead)
    found = await desk.prospect(lead)
    assert (found["region"], found["segment"], found["owner"]) == ("kansai", "smb", "sato")


async def test_lists_filter_page_and_refuse_what_they_do_not_know(desk: Desk) -> None:
    leads = [
        await desk.mql(segment="smb" if n % 2 else "enterprise", channel="web", external_id=f"L-{n}") for n in range(5)
    ]
    await desk.act(leads[0], "accept")

    async def ids(query: str) -> list[UUID]:
        found, cursor = [], ""
        while True:
            page = (await desk.sato.get(f"/v1/prospects?limit=2&{query}{cursor}")).json()
            found += [UUID(item["id"]) for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    assert await ids("") == leads
    assert await ids("sort=-created_at") == leads[::-1]
    assert await ids("status=accepted") == await ids("owner=sato") == await ids("claimed_by=sato") == leads[:1]
    assert await ids("segment=smb&channel=web") == leads[1::2]
    assert await ids("external_id=L-3") == await ids(f"lead_id={leads[3]}") == leads[3:4]
    assert await ids("created_at_from=2199-01-01T00:00:00Z") == []
    for wrong in ("limit=501", "colour=red", "status=happy", "cursor=x"):
        assert (await desk.sato.get(f"/v1/prospects?{wrong}")).status_code == 422, wrong


async def test_texts_about_people_are_for_those_who_work_with_them(desk: Desk) -> None:
    lead = await desk.mql()
    await desk.act(lead, "activities", {"kind": "note", "note": "娘さんの話"}, status=201)
    await desk.act(lead, "reject", {"reason": "no_need", "note": "怒っていた"})
    for role, readable in (("marketing", True), ("field_sales", True), ("viewer", False), ("executive", False)):
        person = desk.person("x", role)
        prospect = (await person.get(f"/v1/prospects/{lead}")).json()
        (activity,) = (await person.get(f"/v1/prospects/{lead}/activities")).json()["items"]
        (listed,) = (await person.get("/v1/prospects")).json()["items"]
        assert [found["note"] is not None for found in (prospect, activity, listed)] == [readable] * 3, role


async def test_the_reasons_are_listed_with_words_in_two_languages(desk: Desk) -> None:
    for purpose in ("reject", "drop", "return", "budget", "authority", "need", "timing", "size", "outcome"):
        (codes,) = (await desk.sato.get(f"/v1/reasons?for={purpose}")).json().values()
        assert all(code["ja"] and code["en"] and code["code"] for code in codes)
    openapi = (await desk.sato.get("/openapi.json")).json()["components"]["schemas"]
    listed = openapi["HandOverIn"]["properties"]["budget"]["anyOf"][0]["enum"]
    assert listed == [code["code"] for code in (await desk.sato.get("/v1/reasons?for=budget")).json()["budget"]]
