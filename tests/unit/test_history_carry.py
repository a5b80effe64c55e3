"""A told history as calls and rows: what is told of each event beside what a department holds already."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.history.carry.carrier import journeys_of
from deploy.history.carry.case import Cannot, Case, NotYet, Row, Step
from deploy.history.carry.report import Report
from deploy.history.carry.rules import _in_force, _Version, _without
from deploy.history.carry.ways import CONCLUSIONS, WAYS
from deploy.history.telling import Telling, read
from deploy.local.commands.load_events import Where, load_events
from deploy.local.errors import CommandError
from shared.contracts import EVENTS
from shared.ids import told_id
from tests.support.told import everything

AT = "2026-05-01T01:00:00Z"
SERVICE, REF = "customer_success", "00000000-0000-7000-8000-000000000001"
LEAD = {"lead": "L 1", "cycle": 1}
DEAL = {**LEAD, "opportunity": "D1"}


def line(kind: str, data: Mapping[str, Any], *, at: str = AT, recorded: str | None = None) -> str:
    told = {"id": f"{kind}{at}{sorted(data.items())}", "type": f"{kind}.v1", "occurred_at": at, "data": data}
    return json.dumps(told | ({"recorded_at": recorded} if recorded else {}))


def cases(*lines: str) -> list[Case]:
    return [case for journey in journeys_of(read(lines, "JPY")) for case in journey.cases]


def steps(kind: str, data: Mapping[str, Any], found: Any, *beside: str) -> list[Step]:
    """What is still to be told of one event; `beside` are other lines of the history."""
    case = next(
        one for one in cases(line(kind, data), *beside) if one.event.type == f"{kind}.v1" and one.told.place == "line 1"
    )
    return list(WAYS[type(case.event)].carry(case, found))


def said(step: Step) -> tuple[str, str, str, dict[str, Any]]:
    assert not isinstance(step, Row)
    return step.method, step.service, step.path, dict(step.body)


def row(step: Step) -> tuple[str, str, dict[str, Any]]:
    assert isinstance(step, Row)
    return step.service, step.resource, dict(step.cells)


def lead(**more: Any) -> dict[str, Any]:
    return {"id": REF, "cycle": 1, "stage": "nurturing", "cycles": [{"cycle": 1, "mql_at": None}], **more}


def deal(*kinds: str, **more: Any) -> dict[str, Any]:
    return {"opportunity": more, "steps": [{"kind": kind, "at": AT} for kind in kinds], "customer": None}


def contract(amount: int, status: str = "active", **more: Any) -> dict[str, Any]:
    told = {"id": REF, "external_id": "K1", "opportunity_id": None, "mrr": {"amount": amount, "currency": "JPY"}}
    return {**told, "status": status, "steps": [], **more}


def test_every_event_has_a_way_or_is_a_conclusion() -> None:
    departments = {event for name, event in EVENTS.items() if not name.startswith("kpi.")}
    assert departments == WAYS.keys() | CONCLUSIONS.keys()
    assert not WAYS.keys() & CONCLUSIONS.keys()


def test_the_history_of_everything_has_every_kind_but_the_rarest() -> None:
    """What is carried in a running product."""
    told = {type(one.event) for one in read(everything(), "JPY")}
    rare = {"lead_unmerged", "lead_erased", "opportunity_linked", "sql_returned", "deal_reopened", "mql_rejected"}
    rare |= {"appointment_missed", "appointment_cancelled", "appointment_rescheduled"}
    missing = {event.type.split(".")[1] for event in WAYS.keys() - told if "feedback" not in event.type}
    assert missing == rare


def test_a_lead_goes_by_its_outside_id_and_is_told_once() -> None:
    data = {**LEAD, "channel": "ads", "segment": "SMB"}
    (call,) = steps("marketing.lead_created", data, None)
    body = {"occurred_at": AT, "external_id": "L 1", "channel": "ads", "segment": "SMB"}
    assert said(call) == ("POST", "marketing", "/v1/leads", body)
    assert steps("marketing.lead_created", data, lead()) == []


def test_the_company_of_a_lead_is_told_before_it() -> None:
    company, person = steps("marketing.lead_created", {**LEAD, "account": "A1"}, None)
    assert said(company)[2:] == ("/v1/accounts", {"occurred_at": AT, "external_id": "A1", "name": "A1"})
    assert said(person)[3]["account"] == "ext:A1"


def test_an_mql_is_declared_in_its_own_cycle_alone() -> None:
    kind = "marketing.mql_created"
    method, _, path, body = said(steps(kind, LEAD, lead())[0])
    assert (method, path, body["occurred_at"]) == ("POST", "/v1/leads/ext:L%201/qualify", AT)
    assert body["override_reason"]
    assert steps(kind, LEAD, lead(cycles=[{"cycle": 1, "mql_at": AT}])) == []
    with pytest.raises(NotYet, match="never opened cycle 2"):
        steps(kind, {**LEAD, "cycle": 2}, lead())
    with pytest.raises(Cannot, match="in cycle 2 already"):
        steps(kind, LEAD, lead(cycle=2))


def test_a_cycle_opens_when_marketing_has_heard_of_the_end() -> None:
    data = {**LEAD, "cycle": 2, "cycle_source": "deal_lost"}
    with pytest.raises(NotYet, match="opportunity"):
        steps("marketing.lead_recycled", data, lead(stage="opportunity"))
    (call,) = steps("marketing.lead_recycled", data, lead(stage="lost"))
    assert said(call)[2:] == ("/v1/leads/ext:L%201/recycle", {"occurred_at": AT, "cycle_source": "deal_lost"})
    assert steps("marketing.lead_recycled", data, lead(cycle=2)) == []


def test_inside_sales_takes_history_as_rows() -> None:
    prospect = {"cycle": 1, "mql_at": AT, "cycles": [], "first_contact_at": None, "sql_at": None, "ended_at": None}
    contact, *_ = steps("inside_sales.first_contact_made", LEAD, prospect)
    assert row(contact)[:2] == ("inside_sales", "prospects")
    assert row(contact)[2]["first_contact_at"].isoformat() == "2026-05-01T01:00:00+00:00"
    (end,) = steps("inside_sales.mql_rejected", {**LEAD, "reason": "timing"}, prospect)
    assert row(end)[2]["reason"] == "timing"
    known = {**prospect, "first_contact_at": AT}
    assert steps("inside_sales.first_contact_made", LEAD, known) == []


def test_what_a_file_has_no_column_for_is_noted_before_the_hand_over() -> None:
    prospect = {"cycle": 1, "mql_at": AT, "cycles": [], "sql_at": None}
    data = {**LEAD, "budget": "planned", "expected_mrr": 5000}
    noted, handed_over = steps("inside_sales.sql_accepted", data, prospect)
    money = {"amount": 5000, "currency": "JPY"}
    assert said(noted) == ("PATCH", "inside_sales", "/v1/prospects/ext:L%201", {"expected_mrr": money})
    assert row(handed_over)[2]["budget"] == "planned"


def test_a_prospect_is_waited_for_only_where_its_mql_is_told() -> None:
    mql = line("marketing.mql_created", LEAD, at="2026-04-30T01:00:00Z")
    with pytest.raises(NotYet, match="the MQL of cycle 1"):
        steps("inside_sales.mql_accepted", LEAD, None, mql)
    assert row(steps("inside_sales.mql_accepted", LEAD, None)[0])[1] == "prospects"


def test_an_sql_is_accepted_under_the_outside_id_of_its_opportunity() -> None:
    kind, data = "field_sales.opportunity_opened", {**DEAL, "mrr": 2000, "currency": "USD"}
    sql = line("inside_sales.sql_accepted", LEAD, at="2026-04-30T01:00:00Z")
    nothing: dict[str, Any] = {"named": None, "every": [], "company": None}
    with pytest.raises(NotYet, match="SQL"):
        steps(kind, data, nothing, sql)
    offered = {**nothing, "every": [{"id": REF, "status": "offered", "external_id": None}]}
    (call,) = steps(kind, data, offered, sql)
    body = {"occurred_at": AT, "external_id": "D1", "mrr": {"amount": 200_000, "currency": "USD"}}
    assert said(call) == ("POST", "field_sales", f"/v1/opportunities/{REF}/accept", body)
    assert steps(kind, data, {**nothing, "named": {"id": REF}}, sql) == []
    (unpreceded,) = steps(kind, data, nothing)
    cells = row(unpreceded)[2]
    assert (cells["external_id"], cells["lead_external_id"], cells["mrr"]) == ("D1", "L 1", "2000.00")
    (outside,) = steps(kind, {**data, "origin": "partner"}, nothing)
    assert said(outside)[2] == "/v1/opportunities"
    assert said(outside)[3]["origin"] == "partner"


def test_terms_and_phase_are_two_calls_each_told_once() -> None:
    kind, data = "field_sales.opportunity_updated", {**DEAL, "phase": "proposal", "forecast_category": "commit"}
    path = "/v1/opportunities/ext:D1"
    now = {"phase": "discovery", "forecast_category": "pipeline"}
    assert [said(step)[2] for step in steps(kind, data, deal(**now))] == [path, f"{path}/phase"]
    now["forecast_category"] = "commit"
    assert [said(step)[2] for step in steps(kind, data, deal(**now))] == [f"{path}/phase"]
    with pytest.raises(NotYet, match="D1"):
        steps(kind, data, {"opportunity": None, "steps": []})


def test_what_was_told_then_is_known_though_it_is_otherwise_now() -> None:
    data = {**DEAL, "forecast_category": "commit"}
    found = deal(forecast_category="omitted")
    later = {"kind": "updated", "at": "2026-05-09T01:00:00Z"}
    found["steps"] = [later | {"changes": {"forecast_category": ["commit", "omitted"]}}]
    assert steps("field_sales.opportunity_updated", data, found) == []
    found["steps"] = [later | {"changes": {"forecast_category": ["pipeline", "omitted"]}}]
    assert len(steps("field_sales.opportunity_updated", data, found)) == 1, (
        "field sales is asked, and refuses late news"
    )


def test_what_is_replaced_later_is_known_by_what_it_became() -> None:
    day = {"date": "2026-05-01", "channel": "ads"}
    later = line("marketing.visits_recorded", {**day, "visitors": 7}, at="2026-05-03T01:00:00Z")
    first = ("marketing.visits_recorded", {**day, "visitors": 5})
    assert said(steps(*first, None, later)[0])[3]["visitors"] == 5
    assert steps(*first, {"visitors": 7}, later) == []
    assert len(steps(*first, {"visitors": 6}, later)) == 1


def test_a_won_deal_brings_the_promises_spoken_of_and_names_its_customer() -> None:
    review = {"account": "L 1", "number": 2, "kept": "yes"}
    later = line("customer_success.promise_reviewed", review, at="2026-06-01T01:00:00Z")
    win, name = steps("field_sales.deal_won", DEAL, deal(status="open"), later)
    assert len(said(win)[3]["promises"]) == 2
    assert said(name) == ("PATCH", SERVICE, "/v1/customers/{won}", {"external_id": "L 1"})
    known = deal("won", status="won") | {"customer": {"id": REF, "external_id": "L 1"}}
    assert steps("field_sales.deal_won", DEAL, known) == []
    unnamed = known | {"customer": {"id": REF, "external_id": None}}
    assert [said(step)[2] for step in steps("field_sales.deal_won", DEAL, unnamed)] == [f"/v1/customers/{REF}"]


def change(delta: int, *contracts: dict[str, Any], **more: Any) -> list[Step]:
    found = {"customer": {"id": REF}, "contracts": list(contracts)}
    return steps("customer_success.subscription_changed", {"account": "C1", "delta": delta, **more}, found)


def test_a_difference_is_said_as_the_whole_that_comes_of_it() -> None:
    assert said(change(500, contract(1000))[0])[3]["mrr"] == {"amount": 1500, "currency": "JPY"}
    (end,) = change(-1000, contract(1000), reason="price")
    assert said(end)[2:] == (f"/v1/contracts/{REF}/churn", {"occurred_at": AT, "reason": "price"})
    (anew,) = change(700, contract(0, "ended"))
    assert said(anew)[3]["external_id"] == "C1@2026-05-01"
    assert change(700, contract(0, "ended"), contract(700, external_id="C1@2026-05-01")) == []
    assert change(500, contract(1500, steps=[{"kind": "changed", "at": AT}])) == []
    with pytest.raises(Cannot, match="go down"):
        change(-2000, contract(1000))
    with pytest.raises(Cannot, match="several"):
        change(500, contract(1000), contract(2000))


def test_what_changes_in_one_moment_is_one_change() -> None:
    kind, one, other = (
        "customer_success.subscription_changed",
        {"account": "C1", "delta": 500},
        {"account": "C1", "delta": 200},
    )
    found = {"customer": {"id": REF}, "contracts": [contract(1000)]}
    (call,) = steps(kind, one, found, line(kind, other))
    assert said(call)[3]["mrr"]["amount"] == 1700


def test_feedback_is_acted_upon_after_it_was_accepted() -> None:
    data = {"feedback_id": REF, "state": "acted", "at": AT, "by": "inside_sales"}
    item = {"given_at": AT, "state": "acknowledged", "decided_at": None, "acted_at": None}
    kind = "inside_sales.feedback_updated"
    assert [said(step)[2].rpartition("/")[2] for step in steps(kind, data, item)] == ["decide", "act"]
    assert steps(kind, data, {**item, "acted_at": AT}) == []
    with pytest.raises(NotYet):
        steps(kind, data, None)


def test_journeys_follow_the_order_of_recording() -> None:
    late = line("field_sales.deal_won", DEAL, at="2026-05-10T01:00:00Z", recorded="2026-06-03T01:00:00Z")
    update = line("field_sales.opportunity_updated", {**DEAL, "phase": "approval"}, at="2026-05-20T01:00:00Z")
    customers = line("customer_success.onboarding_completed", {"account": "L 1"}, at="2026-06-04T01:00:00Z")
    other = line("marketing.lead_created", {"lead": "L2", "cycle": 1})
    journeys = journeys_of(read([late, update, customers, other], "JPY"))
    order = [[case.told.place for case in journey.cases] for journey in journeys]
    assert order == [["line 4"], ["line 2", "line 1", "line 3"]]


def test_the_report_stands_in_the_order_of_the_file() -> None:
    report, (told,) = Report(), read([line("customer_success.customer_dormant", {"account": "C1"})], "JPY")
    later = Telling(told.event, told_id("event", "x"), told.key, told.at, told.recorded, "line 12")
    report.refuse(later, "not_known", "nobody knows it")
    report.conclude(told, "found by its use")
    assert [text.partition(":")[0] for text in report.lines()] == ["line 1", "line 12"]
    assert report.as_dict()["refused"][0]["rule"] == "not_known"


def test_recycling_is_put_aside_for_the_time_of_the_history_only() -> None:
    rule = {"sources": {"deal_lost": {"recycle": True, "wait_days": 3}}, "never": ["not_icp"]}
    first = _Version({"rule": rule, "version": 1, "valid_from": "2026-06-01T00:00:00Z"})
    aside = _Version({"rule": _without(rule), "version": 2, "valid_from": "2026-06-02T00:00:00Z"})
    assert (first.is_aside, aside.is_aside) == (False, True)
    assert aside.rule["sources"]["deal_lost"] == {"recycle": False, "wait_days": 3}
    assert aside.rule["sources"]["unfollowed"] == {"recycle": False}
    assert _in_force([first, aside], first.since.replace(year=2020)) is first
    assert _in_force([first, aside], aside.since) is aside


@pytest.mark.parametrize("more", [{"shuffle": 7}, {"duplicate": 3}])
def test_an_order_of_chance_is_for_topics(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=f"--{next(iter(more))}"):
        load_events(tmp_path / "events.jsonl", to=Where.SERVICES, **more)
