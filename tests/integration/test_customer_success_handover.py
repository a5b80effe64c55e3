"""Deals become customers: what appears, what is told, what a reopened deal takes back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.customer_success.app import SERVICE
from shared import clock, instruments
from shared.contracts.field_sales import DealWon, OpportunityLinked, OpportunityUpdated, Promise
from shared.contracts.marketing import AccountCreated, AccountMerged, LeadErased, LeadMerged, LeadUnmerged
from shared.ids import new_id, told_id
from shared.migrate import drift
from tests.support.customer_success import Deal, Desk, days_ago, wire, yen
from tests.support.rig import MakeRig

PROMISES = (Promise(number=1, text="4月中に移行を終える"), Promise(number=2, text="月1回の定例会"))


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


def entries() -> float:
    value: float = instruments.entries.labels("customer_success")._value.get()
    return value


async def test_migrations_and_models_agree(desk: Desk) -> None:
    assert await drift(desk.rig.database.url, desk.rig.service.metadata) == []


async def test_a_won_deal_becomes_a_customer_with_everything_it_needs(desk: Desk) -> None:
    before, starts_on = entries(), days_ago(-10)
    at = clock.utc_now() - timedelta(hours=1)
    deal = await desk.won(at=at, starts_on=starts_on, promises=PROMISES, external_id="L-1", one_off=yen(500_000))
    found = await desk.get(f"customers/{deal.account}")
    assert (found["id"], found["account_id"], found["name"]) == (str(deal.account), str(deal.account), "株式会社青空")
    assert (found["status"], found["mrr"], found["contracts"]) == ("onboarding", [wire(100_000)], 1)
    assert (found["lead_id"], found["cycle"], found["channel"], found["segment"]) == (
        str(deal.journey),
        1,
        "web",
        "smb",
    )
    assert (found["owner"], found["seller"]) == ("seller-1", "seller-1")
    assert [promise["text"] for promise in found["promises"]] == [promise.text for promise in PROMISES]
    tasks = found["onboarding"]["tasks"]
    assert [task["key"] for task in tasks] == ["kickoff", "setup", "training", "first_value"]
    assert tasks[0]["due_on"] == (starts_on + timedelta(days=5)).isoformat()
    contract = await desk.get(f"contracts/{deal.contract}")
    assert (contract["status"], contract["mrr"], contract["one_off"]) == ("active", wire(100_000), wire(500_000))
    assert contract["renewal_on"] == found["renewal_on"]
    assert contract["renewal_on"] == starts_on.replace(year=starts_on.year + 1).isoformat()
    assert found["contract_ids"] == [str(deal.contract)]
    accepted, started = await desk.rig.told()
    assert (accepted.type, started.type) == (
        "customer_success.customer_accepted.v1",
        "customer_success.contract_started.v1",
    )
    assert accepted.key == started.key == str(deal.journey)
    assert accepted.time == started.time == at
    assert accepted.data["opportunity_id"] == str(deal.opportunity)
    for event in (accepted, started):
        assert event.data["account_id"] == str(deal.account)
        assert (event.data["lead_id"], event.data["external_id"], event.data["cycle"]) == (str(deal.journey), "L-1", 1)
        assert (event.data["channel"], event.data["segment"], event.data["owner"]) == ("web", "smb", "seller-1")
    assert (started.data["opening_key"], started.data["mrr"]) == (str(deal.opportunity), wire(100_000))
    assert (started.data["starts_on"], started.data["renewal_on"]) == (starts_on.isoformat(), contract["renewal_on"])
    assert entries() == before + 1


async def test_what_was_not_handed_over_yet_is_404_until_known(desk: Desk) -> None:
    for path in (f"customers/{new_id()}", f"contracts/{new_id()}", "customers/ext:A-9", f"customers/{new_id()}/health"):
        answer = await desk.mori.get(f"/v1/{path}")
        assert (answer.status_code, answer.headers["Retry-After"]) == (404, "1")
    assert (await desk.mori.get("/v1/customers/nonsense")).status_code == 422


async def test_an_amount_the_deal_does_not_name_is_the_opportunitys_last(desk: Desk) -> None:
    deal = Deal(new_id(), new_id(), new_id(), new_id())
    await desk.opened(deal, yen(80_000))
    update = OpportunityUpdated(opportunity_id=deal.opportunity, mrr=yen(90_000))
    await desk.rig.deliver(update, deal.journey)
    await desk.rig.deliver(OpportunityUpdated(opportunity_id=deal.opportunity, phase="proposal"), deal.journey)
    await desk.won(deal, mrr=None)
    (started,) = await desk.told("contract_started")
    assert started.data["mrr"] == wire(90_000)


async def test_an_amount_nobody_told_is_not_invented(desk: Desk) -> None:
    deal = await desk.won(mrr=None)
    assert (await desk.get(f"contracts/{deal.contract}"))["mrr"] is None
    assert await desk.told("contract_started") == []
    await desk.rig.deliver(OpportunityUpdated(opportunity_id=deal.opportunity, mrr=yen(70_000)), deal.journey)
    (started,) = await desk.told("contract_started")
    assert (started.data["mrr"], started.data["opening_key"]) == (wire(70_000), str(deal.opportunity))
    other = await desk.won(mrr=None)
    await desk.post(f"contracts/{other.contract}/change", {"mrr": 60_000, "reason": "correction"})
    assert [event.data["mrr"] for event in await desk.told("contract_started")] == [wire(70_000), wire(60_000)]
    assert await desk.told("subscription_changed") == []


async def test_a_deal_worth_so_much_once_recurs_with_nothing(desk: Desk) -> None:
    await desk.won(mrr=None, amount=yen(900_000))
    (started,) = await desk.told("contract_started")
    assert started.data["mrr"] == wire(0)


async def test_a_term_nobody_told_is_the_companys_default(desk: Desk) -> None:
    deal = await desk.won(term_months=None, starts_on=days_ago(0))
    assert (await desk.get(f"contracts/{deal.contract}"))["term_months"] == 12


async def test_ids_nobody_told_are_what_every_reader_would_give(desk: Desk) -> None:
    opportunity, lead = new_id(), new_id()
    event = DealWon(opportunity_id=opportunity, opportunity_external_id="D01", external_id="L01", mrr=yen(1))
    await desk.rig.deliver(event, lead)
    (started,) = await desk.told("contract_started")
    assert started.data["account_id"] == str(told_id("account", "L01"))
    assert started.data["contract_id"] == str(told_id("contract", "D01"))


async def test_a_reopened_deal_voids_its_contract_and_tells_nothing_twice(desk: Desk) -> None:
    deal = await desk.won()
    await desk.rig.forget_told()
    await desk.reopened(deal)
    contract = await desk.get(f"contracts/{deal.contract}")
    assert (contract["status"], contract["mrr"]) == ("void", wire(0))
    assert (await desk.get(f"customers/{deal.account}"))["status"] == "void"
    assert await desk.rig.told() == []
    for act, body in (
        ("change", {"mrr": 5, "reason": "upsell"}),
        ("renew", {}),
        ("churn", {"reason": "price"}),
    ):
        assert await desk.refused(f"contracts/{deal.contract}/{act}", body) == "contract_void"


async def test_what_was_told_on_top_of_the_opening_is_taken_back_with_it(desk: Desk) -> None:
    deal = await desk.won()
    await desk.post(f"contracts/{deal.contract}/change", {"mrr": 150_000, "reason": "upsell"})
    await desk.reopened(deal)
    assert [event.data["delta"]["amount"] for event in await desk.told("subscription_changed")] == [50_000, -50_000]
    ended = await desk.won()
    await desk.post(f"contracts/{ended.contract}/churn", {"reason": "price"})
    await desk.reopened(ended)
    deltas = [event.data["delta"]["amount"] for event in await desk.told("subscription_changed")]
    assert deltas[2:] == [-100_000, 100_000]


async def test_a_deal_won_again_revives_its_contract(desk: Desk) -> None:
    deal = await desk.won(promises=PROMISES)
    await desk.post(f"customers/{deal.account}/promises/1/review", {"kept": "yes"})
    await desk.reopened(deal)
    await desk.rig.forget_told()
    again = (PROMISES[1], Promise(number=3, text="専任担当"))
    await desk.won(deal, mrr=yen(120_000), promises=again)
    contract = await desk.get(f"contracts/{deal.contract}")
    assert (contract["status"], contract["mrr"]) == ("active", wire(120_000))
    assert await desk.names() == ["customer_accepted", "contract_started"]
    customer = await desk.get(f"customers/{deal.account}")
    assert (customer["status"], customer["onboarding"]["round"]) == ("onboarding", 1)
    texts = [promise["text"] for promise in customer["promises"]]
    assert texts == [PROMISES[0].text, PROMISES[1].text, "専任担当"], "a reviewed promise stays"


async def test_a_customer_buys_more(desk: Desk) -> None:
    deal = await desk.won(promises=PROMISES)
    more = await desk.won(account_id=deal.account, mrr=yen(30_000), promises=PROMISES[:1], owner="seller-2")
    customer = await desk.get(f"customers/{deal.account}")
    assert (customer["mrr"], customer["contracts"]) == ([wire(130_000)], 2)
    assert (customer["owner"], customer["onboarding"]["round"]) == ("seller-1", 1)
    assert [promise["number"] for promise in customer["promises"]] == [1, 2, 3]
    accepted = await desk.told("customer_accepted")
    assert [event.data["opportunity_id"] for event in accepted] == [str(deal.opportunity), str(more.opportunity)]
    assert [event.key for event in await desk.told("contract_started")] == [str(deal.journey), str(more.journey)]
    await desk.post(f"customers/{deal.account}/promises/3/review", {"kept": "no"})
    (reviewed,) = await desk.told("promise_reviewed")
    assert (reviewed.data["number"], reviewed.data["opportunity_id"]) == (1, str(more.opportunity))


async def test_a_former_customer_comes_back_in_a_new_round(desk: Desk) -> None:
    deal = await desk.won()
    await desk.post(f"contracts/{deal.contract}/churn", {"reason": "price"})
    back = await desk.won(account_id=deal.account, cycle=2)
    customer = await desk.get(f"customers/{deal.account}")
    assert (customer["status"], customer["churned_at"], customer["cycle"]) == ("onboarding", None, 2)
    assert (customer["lead_id"], customer["onboarding"]["round"]) == (str(back.journey), 2)


async def test_an_old_deal_is_history_and_gets_no_onboarding(desk: Desk) -> None:
    before = entries()
    await desk.rig.deliver(
        DealWon(opportunity_id=new_id(), account_id=(account := new_id()), mrr=yen(1)),
        account,
        at=datetime(2017, 3, 1, tzinfo=UTC),
    )
    customer = await desk.get(f"customers/{account}")
    assert (customer["status"], customer["onboarding"]["tasks"]) == ("active", [])
    assert entries() == before


async def test_events_replayed_change_nothing(desk: Desk) -> None:
    deal = Deal(new_id(), new_id(), new_id(), new_id())
    event = DealWon(opportunity_id=deal.opportunity, account_id=deal.account, mrr=yen(1))
    await desk.rig.deliver(event, deal.journey, source="/load/history/field_sales", replay_only=True)
    assert (await desk.mori.get(f"/v1/customers/{deal.account}")).status_code == 404


async def test_a_company_lends_its_name_and_external_id(desk: Desk) -> None:
    account = new_id()
    created = AccountCreated(account_id=account, external_id="A-7", account_name="青空", industry="it", segment="smb")
    await desk.rig.deliver(created, account)
    await desk.won(account_id=account, account_name=None, industry="it")
    found = await desk.get("customers/ext:A-7")
    assert (found["id"], found["name"], found["industry"]) == (str(account), "青空", "it")
    assert (await desk.told("contract_started"))[0].data["account_external_id"] == "A-7"
    late = await desk.won(account_name=None)
    await desk.rig.deliver(
        AccountCreated(account_id=late.account, external_id="A-8", account_name="白雲"), late.account
    )
    assert (await desk.get("customers/ext:A-8"))["name"] == "白雲"


async def test_a_company_a_file_told_of_first_is_the_same_company(desk: Desk) -> None:
    await desk.contract("S-1", starts_on=days_ago(100).isoformat())
    account = new_id()
    created = AccountCreated(account_id=account, external_id="A-1", account_name="青空")
    await desk.rig.deliver(created, account)
    deal = await desk.won(account_id=account)
    first = await desk.get("customers/ext:A-1")
    assert (first["id"], first["merged_into"]) == (str(told_id("account", "A-1")), str(account))
    assert (await desk.get(f"customers/{account}"))["external_id"] is None
    await desk.post("contracts/ext:S-1/churn", {"reason": "price"})
    assert await desk.told("customer_churned") == []
    await desk.post(f"contracts/{deal.contract}/churn", {"reason": "price"})
    assert len(await desk.told("customer_churned")) == 1


async def test_a_deal_whose_contract_a_file_told_first_counts_once(desk: Desk) -> None:
    told = await desk.contract("S-1", starts_on=days_ago(100).isoformat())
    account, opportunity = told_id("account", "A-1"), new_id()
    event = DealWon(opportunity_id=opportunity, account_id=account, contract_id=UUID(told["id"]), mrr=yen(100_000))
    await desk.rig.deliver(event, account, at=clock.utc_now() - timedelta(days=100))
    openings = {event.data["opening_key"]: event.data["mrr"]["amount"] for event in await desk.told("contract_started")}
    assert openings == {told["id"]: 0, str(opportunity): 100_000}
    found = await desk.get("contracts/ext:S-1")
    assert (found["status"], found["opportunity_id"], found["mrr"]) == ("active", str(opportunity), wire(100_000))
    await desk.contract("S-1", starts_on=found["starts_on"], status=200)
    assert len(await desk.told("contract_started")) == 3, "the same again is not told again"


async def test_merged_companies_churn_together(desk: Desk) -> None:
    one, two = await desk.won(), await desk.won()
    await desk.rig.deliver(AccountCreated(account_id=one.account, account_name="青空HD"), one.account)
    await desk.rig.deliver(AccountMerged(account_id=one.account, merged_account_id=two.account), two.account)
    merged = await desk.get(f"customers/{two.account}")
    assert (merged["merged_into"], merged["name"]) == (str(one.account), "青空HD")
    await desk.post(f"contracts/{two.contract}/churn", {"reason": "price"})
    assert await desk.told("customer_churned") == []
    await desk.post(f"contracts/{one.contract}/churn", {"reason": "price"})
    (churned,) = await desk.told("customer_churned")
    assert churned.data["account_id"] == str(one.account)


async def test_merged_leads_are_found_by_either_until_unmerged(desk: Desk) -> None:
    deal, other = await desk.won(), new_id()

    async def found(lead: UUID) -> int:
        return len((await desk.get("customers", lead_id=str(lead)))["items"])

    assert (await found(deal.journey), await found(other)) == (1, 0)
    merged = LeadMerged(lead_id=other, merged_lead_id=deal.journey)
    await desk.rig.deliver(merged, other)
    await desk.rig.deliver(merged, deal.journey)
    assert (await found(deal.journey), await found(other)) == (1, 1)
    assert len((await desk.get("contracts", lead_id=str(other)))["items"]) == 1
    await desk.rig.deliver(LeadUnmerged(lead_id=other, merged_lead_id=deal.journey), other)
    assert (await found(deal.journey), await found(other)) == (1, 0)


async def test_a_lead_learned_later_is_linked(desk: Desk) -> None:
    deal, lead = await desk.won(lead_id=None, cycle=None), new_id()
    linked = OpportunityLinked(opportunity_id=deal.opportunity, lead_id=lead, cycle=2)
    await desk.rig.deliver(linked, deal.journey)
    customer = await desk.get(f"customers/{deal.account}")
    assert (customer["lead_id"], customer["cycle"]) == (str(lead), 2)


async def test_an_erased_person_leaves_no_trace_but_the_counts(desk: Desk) -> None:
    deal = await desk.won(external_id="tanaka@example.com")
    lead = str(deal.journey)
    pulse = {"kind": "nps", "score": 3, "lead_id": lead, "note": "田中様より"}
    await desk.post(f"customers/{deal.account}/pulse", pulse, status=201)
    ticket = {"customer_id": str(deal.account), "lead_id": lead, "subject": "田中様", "text": "電話ください"}
    opened = await desk.post("tickets", ticket, status=201)
    await desk.rig.deliver(LeadErased(lead_id=deal.journey), deal.journey)
    customer = await desk.get(f"customers/{deal.account}")
    assert (customer["lead_id"], customer["lead_external_id"]) == (lead, None)
    found = await desk.get(f"tickets/{opened['id']}")
    assert (found["subject"], found["text"], found["lead_id"], found["status"]) == (None, None, None, "open")
    (kept,) = (await desk.get(f"customers/{deal.account}/pulses"))["items"]
    assert (kept["score"], kept["note"], kept["lead_id"]) == (3, None, None)


async def test_a_deal_won_by_a_clock_that_is_ahead_counts_at_once(desk: Desk) -> None:
    deal = await desk.won(at=clock.utc_now() + timedelta(seconds=30))
    assert await desk.names() == ["customer_accepted", "contract_started"]
    changed = await desk.post(f"contracts/{deal.contract}/change", {"mrr": 120_000, "reason": "upsell"})
    assert changed["mrr"] == wire(120_000)
    task = await desk.post(f"customers/{deal.account}/onboarding/kickoff/complete")
    assert task["tasks"][0]["completed_at"] is not None
    ended = await desk.post(f"contracts/{deal.contract}/churn", {"reason": "price"})
    assert (ended["status"], ended["mrr"]) == ("ended", wire(0))
    times = [event.time for event in await desk.rig.told()]
    assert times == sorted(times)
