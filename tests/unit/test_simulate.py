"""The invented company: the same for a seed, in order, and told in the columns of the importers."""

import csv
import io
from datetime import date, datetime

import pytest

from deploy.local.ports import SERVICES
from deploy.simulate import company, plan
from deploy.simulate.acts import Act
from deploy.simulate.chance import Chance, Code, Codes
from deploy.simulate.chronicle import Chronicle, tell
from deploy.simulate.files import AFTER, BEFORE, File
from deploy.simulate.story import Cycle
from services.customer_success.commands.import_activity import TICKETS, USAGE
from services.customer_success.commands.import_contracts import CONTRACTS
from services.field_sales.commands.import_reps import REPS
from services.inside_sales.commands.import_prospects import PROSPECTS
from services.marketing.commands.import_accounts import ACCOUNTS
from services.marketing.commands.import_days import SPEND, VISITS
from services.marketing.commands.import_leads import LEADS
from shared.clock import start_of_day
from shared.imports.resource import Resource

END = date(2026, 11, 22)
RESOURCES: dict[str, Resource] = {
    found.name: found for found in (REPS, ACCOUNTS, VISITS, SPEND, LEADS, PROSPECTS, CONTRACTS, TICKETS, USAGE)
}
CODES: Codes = {
    **{name: (Code("first", True), Code("second", False)) for name in ("reject", "drop", "lose", "first_visit")},
    "return": (Code("no_show", True), Code("no_need", True)),
    **{name: (Code("good"), Code("bad", passes=False)) for name in ("budget", "authority", "need", "timing", "size")},
    **{name: (Code("one"), Code("two")) for name in ("churn", "ticket_kind", "onboarding")},
}
CODES = {**CODES, "drop": (*CODES["drop"], Code("unfollowed", True))}


@pytest.fixture(scope="module")
def told() -> Chronicle:
    return tell(7, 12, END, CODES)


def _cycles(told: Chronicle) -> list[Cycle]:
    return [cycle for lead in told.leads for cycle in lead.cycles]


def _rows(file: File, told: Chronicle) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.content(told).decode())))


def test_the_same_seed_tells_the_same_story_and_another_seed_another(told: Chronicle) -> None:
    again, other = tell(7, 12, END, CODES), tell(8, 12, END, CODES)
    for file in (*BEFORE, *AFTER):
        assert file.content(again) == file.content(told)
    assert again.threads == told.threads
    assert other.threads != told.threads
    assert not {lead.person.external_id for lead in other.leads} & {lead.person.external_id for lead in told.leads}


def test_every_step_comes_after_the_one_before(told: Chronicle) -> None:
    for lead in told.leads:
        assert lead.cycles[0].began_at == lead.created_at
        for cycle in lead.cycles:
            end = cycle.dropped_at or cycle.rejected_at or cycle.sql_at
            steps = [cycle.began_at, cycle.mql_at, cycle.contacted_at, cycle.accepted_at, end]
            if cycle.meeting:
                steps += [cycle.meeting.start_at, cycle.meeting.over_at, cycle.returned_at]
            if cycle.deal:
                slip = [cycle.deal.slipped[0]] if cycle.deal.slipped else []
                steps += [cycle.deal.opened_at, cycle.deal.reviewed_at, *(at for at, _ in cycle.deal.phases[:1])]
                steps += [*slip, cycle.deal.closed_at]
            known = [step for step in steps if step is not None]
            assert known == sorted(known)
        for before, after in zip(lead.cycles, lead.cycles[1:], strict=False):
            assert before.ended_at == after.began_at
            assert before.may_return


def _about(act: Act) -> str:
    """What an act is done to: acts on different things of a thread need no common order."""
    kind, _, rest = act.path.removeprefix("/v1/").partition("/")
    return (
        "feedback " + str(act.body.get("external_id") or rest.split("/")[0].removeprefix("ext:"))
        if (kind == "feedback")
        else "everything else"
    )


def test_acts_are_ordered_and_none_is_of_the_future(told: Chronicle) -> None:
    end = start_of_day(END)
    for thread in told.threads:
        lines: dict[str, list[datetime]] = {}
        for act in thread.acts:
            assert act.at < end
            lines.setdefault(_about(act), []).append(act.at)
        for times in lines.values():
            assert times == sorted(times), thread.acts


def test_nobody_is_in_two_places_or_has_more_appointments_than_slots(told: Chronicle) -> None:
    starts: dict[str, list[datetime]] = {}
    for meeting in (cycle.meeting for cycle in _cycles(told) if cycle.meeting):
        starts.setdefault(meeting.rep.id, []).append(meeting.start_at)
        if meeting.moved_to:
            starts[meeting.rep.id].append(meeting.moved_to)
    for rep in company.FIELD_SALES:
        assert len(set(starts[rep.id])) == len(starts[rep.id])
        weeks = [start.isocalendar()[:2] for start in starts[rep.id]]
        assert max(weeks.count(week) for week in set(weeks)) <= rep.slots


@pytest.mark.parametrize("file", [*BEFORE, *AFTER], ids=lambda file: file.resource)
def test_files_have_the_columns_the_importers_know(file: File, told: Chronicle) -> None:
    resource, rows = RESOURCES[file.resource], _rows(file, told)
    assert rows
    assert set(rows[0]) <= set(resource.names)
    for row in rows:
        assert all(row[column.name] for column in resource.columns if column.required)


def test_files_tell_nothing_of_the_future(told: Chronicle) -> None:
    end = start_of_day(END).strftime("%Y-%m-%dT%H:%M:%S")
    for file in (*BEFORE, *AFTER):
        for row in _rows(file, told):
            instants = [value for name, value in row.items() if name.endswith("_at") and value]
            assert all(instant < end for instant in instants), row
            assert row.get("date", "") < END.isoformat()


def test_the_company_is_believable(told: Chronicle) -> None:
    """Channels differ, slow answers cost SQLs, appointments fail, deals are lost, leads come back, customers leave."""
    cycles = _cycles(told)
    won = {channel.code: [0, 0] for channel in company.CHANNELS}
    for lead in told.leads:
        won[lead.channel.code][1] += 1
        won[lead.channel.code][0] += any(cycle.deal is not None and cycle.deal.won for cycle in lead.cycles)
    rates = {channel: good / every for channel, (good, every) in won.items()}
    assert rates["partner"] > 2 * rates["ads"]
    assert {"held", "missed", "cancelled"} == {cycle.meeting.outcome for cycle in cycles if cycle.meeting}
    assert any(cycle.meeting and cycle.meeting.moved_to for cycle in cycles)
    assert any(cycle.deal and cycle.deal.reason for cycle in cycles)
    assert sum(cycle.number == 2 for cycle in cycles) > 20
    assert any(customer.left_on for customer in told.customers)
    assert any(act.body.get("reason") == "seats_added" for customer in told.customers for act in customer.acts)


def test_an_answer_after_hours_makes_fewer_sqls() -> None:
    """Over many leads, since a single one is chance."""
    made: dict[bool, list[bool]] = {True: [], False: []}
    for cycle in _cycles(tell(1, 36, END, CODES)):
        if cycle.accepted_at and cycle.mql_at and cycle.contacted_at:
            slow = (cycle.contacted_at - cycle.mql_at).total_seconds() > 6 * 3600
            made[slow].append(cycle.sql_at is not None)
    rates = {slow: sum(found) / len(found) for slow, found in made.items()}
    assert rates[False] > rates[True] + 0.05


def test_feedback_flows_between_all_departments(told: Chronicle) -> None:
    given = [act.body for thread in told.threads for act in thread.acts if act.path == "/v1/feedback"]
    pairs = {(body["sender"], body["to"]) for body in given}
    assert {sender for sender, _ in pairs} == {*SERVICES[:4], "product"}
    assert {("field_sales", "inside_sales"), ("customer_success", "product"), ("inside_sales", "marketing")} <= pairs
    last = {act.path.rpartition("/")[2] for thread in told.threads for act in thread.acts}
    assert {"acknowledge", "decide", "act", "close"} <= last


def test_targets_stand_for_every_stage_of_every_month(told: Chronicle) -> None:
    targets = list(plan.targets(told))
    months = {month for month, _ in targets}
    assert {"2026-11", "2026-06"} <= months
    assert len(targets) == 4 * len(months)
    assert all(0 < body["goal"] <= body["base"] for _, body in targets)


def test_phones_and_addresses_lead_nowhere(told: Chronicle) -> None:
    people = [lead.person for lead in told.leads]
    assert all(person.phone.startswith("03-0") for person in people)
    assert all(person.email.endswith(".example.jp") for person in people)
    assert len({person.email for person in people}) == len({person.phone for person in people}) == len(people)


def test_chance_prefers_what_stands_first() -> None:
    chance, codes = Chance("codes"), [Code("often"), Code("sometimes"), Code("seldom")]
    drawn = [chance.code(codes).code for _ in range(3000)]
    assert drawn.count("often") > drawn.count("sometimes") > drawn.count("seldom") > 0
