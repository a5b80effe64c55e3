"""Where a cycle stands, what may be done to it, and which ended cycles come back."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest

from services.marketing.domain.campaigns import MOVES, CampaignStatus, IllegalStatus, move
from services.marketing.domain.company_work import CompanyRules, Work, WorkKind, joined
from services.marketing.domain.lifecycle import Act, Fact, IllegalMove, Milestone, Stage, check, stand
from services.marketing.domain.recycling import RecyclingRules, Return, SourceRule, way_back

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NEVER = ("not_icp",)
M = Milestone


def facts(*kinds: Milestone) -> list[Fact]:
    """One a day, in this order."""
    return [Fact(kind, NOW + timedelta(days=place)) for place, kind in enumerate(kinds)]


STANDS = [
    ((), Stage.NURTURING),
    ((M.MQL,), Stage.MQL_WAITING),
    ((M.MQL, M.CONTACTED), Stage.MQL_WAITING),
    ((M.MQL, M.ACCEPTED), Stage.MQL_WORKING),
    ((M.MQL, M.REJECTED), Stage.REJECTED),
    ((M.MQL, M.REJECTED, M.ACCEPTED), Stage.MQL_WORKING),
    ((M.MQL, M.ACCEPTED, M.DROPPED), Stage.DROPPED),
    ((M.MQL, M.ACCEPTED, M.SQL), Stage.SQL),
    ((M.MQL, M.ACCEPTED, M.SQL, M.RETURNED), Stage.RETURNED),
    ((M.MQL, M.ACCEPTED, M.SQL, M.RETURNED, M.SQL), Stage.SQL),
    ((M.MQL, M.ACCEPTED, M.SQL, M.RETURNED, M.DROPPED), Stage.DROPPED),
    ((M.SQL, M.OPPORTUNITY), Stage.OPPORTUNITY),
    ((M.SQL, M.OPPORTUNITY, M.CONTACTED), Stage.OPPORTUNITY),
    ((M.OPPORTUNITY, M.LOST), Stage.LOST),
    ((M.OPPORTUNITY, M.LOST, M.REOPENED), Stage.OPPORTUNITY),
    ((M.OPPORTUNITY, M.LOST, M.REOPENED, M.WON), Stage.WON),
    ((M.OPPORTUNITY, M.WON, M.REOPENED), Stage.OPPORTUNITY),
    ((M.OPPORTUNITY, M.WON, M.REOPENED, M.LOST), Stage.LOST),
    ((M.WON,), Stage.WON),  # what was never told is not invented
    ((M.WON, M.DORMANT), Stage.DORMANT),
    ((M.WON, M.DORMANT, M.CHURNED), Stage.CHURNED),
    ((M.CHURNED,), Stage.CHURNED),
]


@pytest.mark.parametrize(("told", "stage"), STANDS, ids=["-".join(case[0]) or "nothing" for case in STANDS])
def test_a_cycle_stands_where_the_departments_say_in_any_order(told: tuple[Milestone, ...], stage: Stage) -> None:
    for order in permutations(facts(*told)):
        assert stand(order, NEVER).stage is stage


def test_whom_nobody_wants_is_disqualified() -> None:
    told = [Fact(M.MQL, NOW), Fact(M.REJECTED, NOW, reason="not_icp")]
    assert stand(told, NEVER).stage is Stage.DISQUALIFIED
    assert stand(told, ()).stage is Stage.REJECTED


def test_the_last_told_owner_and_opportunity_are_kept() -> None:
    told = [Fact(M.ACCEPTED, NOW, owner="is-1"), Fact(M.SQL, NOW + timedelta(1), owner="fs-1", opportunity="o-1")]
    found = stand([*reversed(told), Fact(M.CONTACTED, NOW + timedelta(2))], NEVER)
    assert (found.owner, found.opportunity, found.end) == ("fs-1", "o-1", None)


QUALIFIABLE = {Stage.NURTURING: None}
RULES = {
    Act.QUALIFY: QUALIFIABLE
    | dict.fromkeys((Stage.MQL_WAITING, Stage.MQL_WORKING, Stage.SQL, Stage.OPPORTUNITY), "already_mql")
    | dict.fromkeys((Stage.REJECTED, Stage.DROPPED, Stage.RETURNED, Stage.LOST), "cycle_ended")
    | dict.fromkeys((Stage.WON, Stage.DORMANT, Stage.CHURNED), "cycle_ended")
    | {Stage.DISQUALIFIED: "disqualified"},
    Act.RECYCLE: dict.fromkeys((Stage.REJECTED, Stage.DROPPED, Stage.RETURNED, Stage.LOST), None)
    | dict.fromkeys((Stage.WON, Stage.DORMANT, Stage.CHURNED), None)
    | dict.fromkeys((Stage.NURTURING, Stage.MQL_WAITING, Stage.MQL_WORKING, Stage.SQL, Stage.OPPORTUNITY), "cycle_open")
    | {Stage.DISQUALIFIED: "disqualified"},
}
TABLE = [(act, stage, RULES[act][stage]) for act in Act for stage in Stage]


@pytest.mark.parametrize(("act", "stage", "rule"), TABLE)
def test_every_act_in_every_stage(act: Act, stage: Stage, rule: str | None) -> None:
    if rule is None:
        check(act, stage)
        return
    with pytest.raises(IllegalMove) as refused:
        check(act, stage)
    assert refused.value.rule == rule


ENDED_ON = date(2026, 11, 21)
LATER = date(2027, 2, 1)
WAYS = [
    (Fact(M.REJECTED, NOW, reason="bad_timing", recyclable=True), Return("mql_rejected", None, False)),
    (Fact(M.REJECTED, NOW, reason="bad_timing", recyclable=False), None),
    (Fact(M.REJECTED, NOW, reason="not_icp", recyclable=True), None),
    (Fact(M.DROPPED, NOW, reason="no_budget", recyclable=True), Return("no_opportunity", None, False)),
    (Fact(M.DROPPED, NOW, reason="unfollowed", recyclable=True), Return("unfollowed", None, True)),
    (Fact(M.RETURNED, NOW, reason="no_budget", recyclable=True), Return("sql_returned", None, False)),
    (Fact(M.LOST, NOW, reason="price", recyclable=True), Return("deal_lost", date(2027, 2, 19), False)),
    (Fact(M.LOST, NOW, reason="price", recyclable=True, revisit_on=LATER), Return("deal_lost", LATER, False)),
    (Fact(M.LOST, NOW, reason="price", recyclable=False, revisit_on=LATER), None),
    (Fact(M.WON, NOW, recyclable=True), None),
    (Fact(M.DORMANT, NOW, recyclable=True), None),
    (Fact(M.CHURNED, NOW, reason="price", recyclable=True), None),
]


@pytest.mark.parametrize(("end", "expected"), WAYS)
def test_the_way_back_of_every_end(end: Fact, expected: Return | None) -> None:
    rules = RecyclingRules(
        {
            "unfollowed": SourceRule(hand_over=True),
            "deal_lost": SourceRule(wait_days=90),
            "dormant_customer": SourceRule(recycle=False),
        }
    )
    assert way_back(end, ENDED_ON, rules) == expected


def test_a_customer_who_left_comes_back_as_dormant() -> None:
    for kind in (M.DORMANT, M.CHURNED):
        found = way_back(Fact(kind, NOW, recyclable=True), ENDED_ON, RecyclingRules())
        assert found == Return("dormant_customer", None, False)


def test_a_lead_joins_work_by_the_order_of_the_rule_then_the_newest() -> None:
    def work(kind: WorkKind, ref: str, days: int) -> Work:
        return Work(kind, ref, UUID(int=1), None, None, NOW + timedelta(days))

    old, new = work(WorkKind.OPPORTUNITY, "old", 0), work(WorkKind.OPPORTUNITY, "new", 1)
    claim = work(WorkKind.CLAIMED_LEAD, "claim", 2)
    assert joined([claim, old, new], CompanyRules()) == new
    assert joined([claim, old], CompanyRules((WorkKind.CLAIMED_LEAD, WorkKind.OPPORTUNITY))) == claim
    assert joined([old], CompanyRules((WorkKind.CONTRACT,))) is None
    assert joined([], CompanyRules()) is None


@pytest.mark.parametrize("now", CampaignStatus)
@pytest.mark.parametrize("to", CampaignStatus)
def test_a_campaign_moves_as_its_life_allows(now: CampaignStatus, to: CampaignStatus) -> None:
    if to == now or to in MOVES[now]:
        assert move(now, to) is to
    else:
        with pytest.raises(IllegalStatus, match=f"From {now}"):
            move(now, to)


def test_a_cancelled_campaign_is_over_and_a_planned_one_cannot_be_paused() -> None:
    for now, to in [("cancelled", "active"), ("planned", "paused"), ("planned", "completed"), ("completed", "paused")]:
        with pytest.raises(IllegalStatus):
            move(CampaignStatus(now), CampaignStatus(to))
