"""Reps, capacity, free slots, rules and coded lists over HTTP."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.field_sales.app import SERVICE
from shared import clock
from tests.support.field_sales import DAY, HANDED_OVER, Seller, Sql, offer, wire
from tests.support.rig import MakeRig, Rig

TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
def seller(rig: Rig) -> Seller:
    return Seller(rig.client("field_sales", user="sato"))


REP = {
    "name": "佐藤 花子",
    "email": "sato@example.co.jp",
    "team": "東日本",
    "manager": "kato",
    "region": "kanto",
    "started_on": "2025-04-01",
}


async def test_a_rep_is_put_read_and_put_again(seller: Seller) -> None:
    await seller.get("/reps/sato", 404)
    found = await seller.call("PUT", "/reps/sato", REP, 201)
    assert {name: found[name] for name in REP} == REP
    assert (found["id"], found["slots_per_week"]) == ("sato", None)
    tag = seller.last.headers["etag"]
    again = await seller.call("PUT", "/reps/sato", {"name": "佐藤 花子", "archived": True})
    assert (again["team"], again["archived_at"] is not None) == (None, True)
    assert seller.last.headers["etag"] != tag
    await seller.call("PUT", "/reps/sato", REP, 412, headers={"If-Match": tag})
    assert (await seller.get("/reps"))["items"] == []
    await seller.call("PUT", "/reps/sato", REP)
    assert [one["id"] for one in (await seller.get("/reps?team=東日本"))["items"]] == ["sato"]
    assert (await seller.get("/reps?team=西日本"))["items"] == []


async def test_capacity_is_told_when_it_changes(rig: Rig, seller: Seller) -> None:
    await seller.call("PUT", "/reps/sato", REP, 201)
    assert (await seller.call("PUT", "/reps/sato/capacity", {"slots_per_week": 5}))["slots_per_week"] == 5
    await seller.call("PUT", "/reps/sato/capacity", {"slots_per_week": 5})
    (event,) = await rig.told()
    assert (event.type, event.key) == ("field_sales.capacity_changed.v1", "sato")
    assert event.data == {"rep_id": "sato", "slots_per_week": 5, "team": "東日本", "region": "kanto"}
    await seller.call("PUT", "/reps/sato/capacity", {"slots_per_week": -1}, 422)
    early = {"slots_per_week": 3, "occurred_at": wire(HANDED_OVER)}
    problem = await seller.call("PUT", "/reps/sato/capacity", early, 409)
    assert problem["type"] == "/problems/before_previous_step"


async def test_a_team_or_region_that_changes_is_told_with_the_slots(rig: Rig, seller: Seller) -> None:
    await seller.call("PUT", "/reps/sato", REP, 201)
    await seller.call("PUT", "/reps/sato/capacity", {"slots_per_week": 5})
    await seller.call("PUT", "/reps/sato", {**REP, "name": "佐藤 華子", "manager": "ito"})
    assert len(await rig.told()) == 1, "neither is told of anybody"
    await seller.call("PUT", "/reps/sato", {**REP, "team": "西日本"})
    await seller.call("PUT", "/reps/sato", {**REP, "team": "西日本", "region": None})
    await seller.call("PUT", "/reps/sato", {**REP, "team": "西日本", "region": None})
    slots = {"rep_id": "sato", "slots_per_week": 5}
    told = [event.data for event in await rig.told()]
    assert told[1:] == [{**slots, "team": "西日本", "region": "kanto"}, {**slots, "team": "西日本"}]


async def test_the_capacity_of_a_rep_nobody_named_yet_makes_them_known(rig: Rig, seller: Seller) -> None:
    found = await seller.call("PUT", "/reps/new-one/capacity", {"slots_per_week": 2})
    assert (found["id"], found["name"], found["slots_per_week"]) == ("new-one", "new-one", 2)
    assert (await rig.told())[0].data["rep_id"] == "new-one"


async def test_leaders_and_sellers_keep_reps(rig: Rig) -> None:
    for role in ("inside_sales", "viewer"):
        other = Seller(rig.client(role))
        await other.call("PUT", "/reps/sato", REP, 403)
        await other.call("PUT", "/reps/sato/capacity", {"slots_per_week": 1}, 403)
        await other.get("/reps")
    await Seller(rig.client("ops_lead")).call("PUT", "/reps/sato", REP, 201)


def tokyo(day: int, hour: int) -> datetime:
    return datetime(2035, 4, day, hour, tzinfo=TOKYO)


async def slots(seller: Seller, given: str) -> list[datetime]:
    found = await seller.get(f"/reps/sato/slots?{given}")
    assert (found["rep"], found["timezone"], found["minutes"]) == ("sato", "Asia/Tokyo", 60)
    return [datetime.fromisoformat(one["start_at"]).astimezone(TOKYO) for one in found["items"]]


async def test_free_slots_are_business_hours_minus_appointments(rig: Rig, seller: Seller) -> None:
    await seller.call("PUT", "/reps/sato", REP, 201)
    monday = "from=2035-04-02&to=2035-04-03"
    assert [start.hour for start in await slots(seller, monday)] == [9, 10, 11, 13, 14, 15, 16, 17]
    sql = await offer(rig)
    by_name = sql.appointment(start_at=tokyo(2, 10), minutes=30, rep="佐藤 花子")
    late = Sql()
    await rig.deliver(by_name, sql.lead_id)
    await rig.deliver(late.appointment(start_at=tokyo(2, 16), minutes=90), late.lead_id)
    other = Sql()
    await rig.deliver(other.appointment(start_at=tokyo(2, 9), rep="kato"), other.lead_id)
    assert [start.hour for start in await slots(seller, monday)] == [9, 11, 13, 14, 15]
    await seller.act(sql.opportunity_id, "appointment/cancel")
    assert [start.hour for start in await slots(seller, monday)] == [9, 10, 11, 13, 14, 15]


async def test_slots_begin_today_and_have_a_longest_stretch(seller: Seller) -> None:
    await seller.call("PUT", "/reps/sato", REP, 201)
    found = await slots(seller, "")
    assert all(start >= clock.utc_now().astimezone(TOKYO) - DAY for start in found)
    assert (found[-1] - found[0]).days <= 14
    for given in ("from=2035-04-02&to=2035-04-02", "from=2035-01-01&to=2036-01-01", "from=tomorrow"):
        await seller.get(f"/reps/sato/slots?{given}", 422)
    await seller.get("/reps/nobody/slots", 404)


async def test_a_day_off_is_data(seller: Seller) -> None:
    await seller.call("PUT", "/reps/sato", REP, 201)
    rule = (await seller.get("/rules/business_hours"))["rule"]
    await seller.call("PUT", "/rules/business_hours", {"rule": {**rule, "holidays": ["2035-04-02"]}})
    assert {start.day for start in await slots(seller, "from=2035-04-02&to=2035-04-04")} == {3}


async def test_a_new_version_of_the_phases_judges_what_comes_after_it(seller: Seller) -> None:
    opened = await seller.opened(expected_close_date="2026-06-30", occurred_at=wire(HANDED_OVER))
    rule = await seller.get("/rules/phases")
    assert rule["version"] == 1
    content = rule["rule"]
    content["phases"][0]["required"] = ["next_step_on"]
    content["to_win"] = ["first_visit"]
    newer = await seller.call("PUT", "/rules/phases", {"rule": content, "valid_from": wire(HANDED_OVER + 9 * DAY)})
    assert (newer["version"], newer["by"]) == (2, "sato")
    problem = await seller.act(opened, "phase", {"phase": "proposal"}, 409)
    assert problem["missing"] == ["next_step_on"]
    early = {"phase": "proposal", "occurred_at": wire(HANDED_OVER + 8 * DAY)}
    assert (await seller.act(opened, "phase", early))["phase"] == "proposal"
    problem = await seller.act(opened, "win", {}, 409)
    assert (problem["type"], problem["missing"]) == ("/problems/exit_criteria", ["first_visit"])
    await seller.act(opened, "first-visit", {"need": "latent"})
    await seller.act(opened, "win")


async def test_an_appointment_held_can_be_a_criterion(rig: Rig, seller: Seller) -> None:
    content = (await seller.get("/rules/phases"))["rule"]
    content["phases"][0]["required"] = ["appointment_held"]
    await seller.call("PUT", "/rules/phases", {"rule": content})
    sql = await offer(rig, appointment=True)
    await seller.act(sql.opportunity_id, "accept")
    problem = await seller.act(sql.opportunity_id, "phase", {"phase": "proposal"}, 409)
    assert problem["missing"] == ["appointment_held"]
    await seller.act(sql.opportunity_id, "appointment/held")
    await seller.act(sql.opportunity_id, "phase", {"phase": "proposal"})


def phase(**fields: Any) -> dict[str, Any]:
    return {"code": "one", "ja": "一", "en": "One", "probability": 0.5, **fields}


@pytest.mark.parametrize(
    ("name", "content", "field"),
    [
        ("phases", {"phases": []}, "rule.phases"),
        ("phases", {"phases": [phase(), phase()]}, "rule"),
        ("phases", {"phases": [phase(probability=1.5)]}, "rule.phases.0.probability"),
        ("phases", {"phases": [phase(required=["luck"])]}, "rule.phases.0.required.0"),
        ("phases", {"phases": [phase(required=["mrr|luck"])]}, "rule.phases.0.required.0"),
        ("phases", {"phases": [phase(code="Not A Code")]}, "rule.phases.0.code"),
        ("discovery", {"luck": []}, "rule.luck"),
        ("business_hours", {"weekdays": [8], "hours": [{"opens": "09:00", "closes": "18:00"}]}, "rule.weekdays.0"),
        ("business_hours", {"weekdays": [1], "hours": [{"opens": "18:00", "closes": "09:00"}]}, "rule.hours.0"),
        ("business_hours", {"weekdays": [1], "hours": [], "timezone": "Mars/Base"}, "rule.timezone"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(
    seller: Seller, name: str, content: dict[str, Any], field: str
) -> None:
    problem = await seller.call("PUT", f"/rules/{name}", {"rule": content}, 422)
    assert problem["errors"][0]["field"] == field


async def test_coded_lists_have_words_in_both_languages(seller: Seller) -> None:
    lists = await seller.get("/reasons")
    assert {"return", "lose", "cancel", "first_visit", "phase", "forecast_category", "budget", "size"} <= set(lists)
    for found in lists.values():
        assert all(one["ja"] and one["en"] and one["code"] for one in found)
        assert len({one["code"] for one in found}) == len(found)
    assert list(await seller.get("/reasons?for=lose")) == ["lose"]
    await seller.get("/reasons?for=luck", 422)
    (not_icp,) = [one for one in lists["lose"] if one["code"] == "not_icp"]
    assert not_icp["recyclable"] is False


async def test_phases_in_the_coded_lists_are_those_in_force(seller: Seller) -> None:
    await seller.call("PUT", "/rules/phases", {"rule": {"phases": [phase()]}})
    assert (await seller.get("/reasons?for=phase"))["phase"] == [
        {"code": "one", "ja": "一", "en": "One", "recyclable": None}
    ]


async def test_rules_hold_from_the_beginning_of_time(seller: Seller) -> None:
    long_ago = datetime(1999, 4, 1, tzinfo=UTC)
    opened = await seller.opened(occurred_at=wire(long_ago))
    assert (await seller.get(f"/opportunities/{opened}"))["phase"] == "discovery"
