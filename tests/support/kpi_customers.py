"""Invented books of customers and MQLs with a known signal, or with none, for models to find."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from shared.contracts import Event, customer_success, field_sales, marketing
from shared.ids import told_id
from shared.money import Money
from tests.support.rig import Rig

BEGAN = datetime(2025, 1, 5, tzinfo=UTC)
AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
Told = tuple[Event, object, datetime]


@dataclass(frozen=True)
class Book:
    """`signal`: who leaves uses less in the ten weeks before; else whoever."""

    customers: int
    churns: int
    signal: bool = True
    seed: int = 1

    def told(self) -> Iterator[Told]:
        chance = Random(self.seed)
        leaving = set(chance.sample(range(self.customers), self.churns))
        for number in range(self.customers):
            began = BEGAN + timedelta(days=chance.uniform(0, 300))
            ends = chance.uniform(100, 350) if number in leaving else None
            yield from self._customer(number, began, ends, chance)

    def _customer(self, number: int, began: datetime, days: float | None, chance: Random) -> Iterator[Told]:
        account, contract = told_id("account", str(number)), told_id("contract", str(number))
        ends, use = None if days is None else began + timedelta(days=days), chance.uniform(50, 200)
        mrr = Money(amount=10_000 * (1 + number % 9), currency="JPY")
        started = customer_success.ContractStarted(
            account_id=account,
            contract_id=contract,
            opening_key=str(contract),
            mrr=mrr,
            starts_on=began.date(),
            segment="SMB" if number % 2 else "ENT",
        )
        yield started, account, began
        moment = began + WEEK
        while moment < min(ends or AS_OF, AS_OF):
            fading = self.signal and ends is not None and ends - moment < 14 * WEEK
            used = int(use * (0.3 if fading else 1) * chance.uniform(0.7, 1.3))
            summed = customer_success.UsageSummarised(account_id=account, week=moment.date(), count=used)
            yield summed, account, moment
            moment += WEEK * 2
        health = customer_success.HealthChanged(
            account_id=account, score=chance.uniform(20, 95), band="watch", coverage=1.0
        )
        yield health, account, began + WEEK
        if ends is not None and ends < AS_OF:
            gone = customer_success.SubscriptionChanged(
                account_id=account, contract_id=contract, delta=Money(amount=-mrr.amount, currency="JPY")
            )
            yield gone, account, ends


def mqls(number: int, *, signal: bool, share: float = 0.25, seed: int = 1) -> Iterator[Told]:
    """MQLs whose score says nothing. With a `signal` engaged ones of one channel become opportunities."""
    chance = Random(seed)
    for place in range(number):
        key, at = told_id("lead", str(place)), BEGAN + timedelta(days=chance.uniform(0, 450))
        channel, touches = chance.choice(["event", "ads"]), chance.randrange(5)
        odds = share * (0.2 + 0.55 * touches * (channel == "event")) if signal else share
        yield marketing.LeadCreated(lead_id=key, cycle=1, channel=channel), key, at - WEEK
        for touch in range(touches):
            told = marketing.TouchRecorded(
                lead_id=key, cycle=1, touch_id=told_id("touch", f"{place}/{touch}"), kind="visit"
            )
            yield told, key, at - timedelta(hours=touch + 1)
        yield marketing.MqlCreated(lead_id=key, cycle=1, score=chance.randrange(40, 100), channel=channel), key, at
        if chance.random() < odds:
            deal = told_id("opportunity", str(place))
            opened = field_sales.OpportunityOpened(lead_id=key, cycle=1, opportunity_id=deal)
            yield opened, key, at + timedelta(days=chance.uniform(1, 50))


async def tell(rig: Rig, told: Iterator[Told], *, at_once: int = 2000) -> None:
    """Each recorded when it occurred."""
    found = [rig.record(event, key, at=at, recorded=at) for event, key, at in sorted(told, key=lambda one: one[2])]
    for start in range(0, len(found), at_once):
        await rig.hand_over(found[start : start + at_once])
