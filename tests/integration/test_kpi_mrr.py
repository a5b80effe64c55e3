"""MRR comes from two facts: a contract opened, told by a deal and restated by its contract, and changes of it."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import customer_success, field_sales
from shared.contracts.base import Event
from shared.ids import told_id
from shared.money import Money
from tests.support.rig import MakeRig, Rig

AT = datetime(2026, 4, 3, tzinfo=UTC)
JOURNEY, DEAL, ACCOUNT, CONTRACT = (told_id(kind, "X") for kind in ("lead", "opportunity", "account", "contract"))
Telling = tuple[Event, float]


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def yen(amount: int) -> Money:
    return Money(amount=amount, currency="JPY")


def won(days: float, mrr: int | None = 100, **more: Any) -> Telling:
    told = {"opportunity_id": DEAL, "account_id": ACCOUNT, "contract_id": CONTRACT, **more}
    return field_sales.DealWon.model_validate(told | {"mrr": yen(mrr) if mrr is not None else None}), days


def started(days: float, mrr: int) -> Telling:
    return customer_success.ContractStarted(
        account_id=ACCOUNT, contract_id=CONTRACT, opening_key=str(DEAL), mrr=yen(mrr), starts_on=AT.date()
    ), days


def reopened(days: float) -> Telling:
    return field_sales.DealReopened(opportunity_id=DEAL), days


async def tell(rig: Rig, *told: Telling) -> None:
    """One after another, each in a batch of its own."""
    for event, days in told:
        await rig.deliver(event, JOURNEY, at=AT + timedelta(days=days))


async def movements(rig: Rig, **asked: str) -> dict[str, int]:
    """The MRR at the end of April and what moved it, without zeros and without signs."""
    params = {"from": "2026-04-01", "to": "2026-05-01", **asked}
    answer = await rig.client("viewer").get("/v1/mrr", params=params)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    told = {"end": found["end"]["amount"]}
    return told | {kind: money["amount"] for kind, money in found["movements"].items() if money["amount"]}


@pytest.mark.parametrize("days", [-1, 0, 2], ids=["before it", "with it", "after it"])
@pytest.mark.parametrize("contract_first", [True, False])
async def test_the_contract_restates_its_deal_whichever_comes_first(
    kpi: Rig, days: float, contract_first: bool
) -> None:
    told = [won(1), started(1 + days, 90)]
    first, second = reversed(told) if contract_first else told
    await tell(kpi, first)
    assert await movements(kpi) == ({"end": 90, "new": 90} if contract_first else {"end": 100, "new": 100})
    await tell(kpi, second)
    assert await movements(kpi) == {"end": 90, "new": 90}


@pytest.mark.parametrize("deal", [{}, {"account_id": None}, {"account_id": None, "contract_id": None}])
async def test_a_deal_that_names_no_amount_or_no_company_is_the_contract_s(kpi: Rig, deal: dict[str, Any]) -> None:
    for mrr in (None, 100):
        await tell(kpi, won(1, mrr, **deal), started(1, 90))
        assert await movements(kpi) == {"end": 90, "new": 90}


async def test_restated_again_the_last_word_holds(kpi: Rig) -> None:
    await tell(kpi, started(3, 80), won(1), started(2, 90))
    assert await movements(kpi) == {"end": 80, "new": 80}


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_won_deal_reopened_is_taken_back_at_that_time_in_any_order(kpi: Rig, order: tuple[int, ...]) -> None:
    told = [won(1), started(2, 90), reopened(10)]
    await tell(kpi, *(told[place] for place in order))
    assert await movements(kpi) == {"end": 0, "new": 90, "churn": 90}
    assert await movements(kpi, as_of="2026-04-10T00:00:00Z") == {"end": 90, "new": 90}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)])
async def test_won_again_it_counts_again_at_what_its_contract_says(kpi: Rig, order: tuple[int, ...]) -> None:
    told = [won(1), started(1, 90), reopened(10), won(15, 120)]
    await tell(kpi, *(told[place] for place in order))
    assert await movements(kpi) == {"end": 90, "new": 90, "churn": 90, "reactivation": 90}


async def test_nothing_else_moves_mrr(kpi: Rig) -> None:
    about = {"account_id": ACCOUNT, "contract_id": CONTRACT}
    await tell(kpi, won(1), started(1, 90))
    await tell(
        kpi,
        (customer_success.CustomerAccepted(account_id=ACCOUNT, opportunity_id=DEAL), 1),
        (customer_success.ContractRenewed(**about, renewal_on=AT.date(), term_months=12), 4),
        (customer_success.CustomerChurned(account_id=ACCOUNT, reason="price"), 5),
    )
    assert await movements(kpi) == {"end": 90, "new": 90}
    await tell(kpi, (customer_success.SubscriptionChanged(**about, delta=yen(-90), reason="price"), 5))
    assert await movements(kpi) == {"end": 0, "new": 90, "churn": 90}
