"""A company that wins and loses as many deals every month, told to kpi as it happened."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from aiokafka import ConsumerRecord

from shared.contracts import Event
from shared.contracts.field_sales import DealLost, DealReopened, DealWon, OpportunityOpened, OpportunityUpdated
from shared.ids import told_id
from shared.money import Money
from tests.support.rig import Rig

FIRST = datetime(2025, 4, 1, 3, tzinfo=UTC)  # noon in Tokyo
MONTHS = 16  # up to the end of July 2026


def yen(amount: int) -> Money:
    return Money(amount=amount, currency="JPY")


class Step(NamedTuple):
    """What is told of a deal; `recorded` where that was later than it happened."""

    at: datetime
    name: str
    event: Event
    recorded: datetime | None = None


def told(rig: Rig, steps: Iterable[Step]) -> list[ConsumerRecord]:
    """In the order they happened."""
    return [
        rig.record(
            step.event,
            told_id("opportunity", step.name),
            at=step.at,
            recorded=step.recorded or step.at,
            source="/load/field_sales",
            replay_only=True,
        )
        for step in sorted(steps, key=lambda step: step.at)
    ]


def opened(name: str, **values: Any) -> OpportunityOpened:
    return OpportunityOpened(opportunity_id=told_id("opportunity", name), origin="self_sourced", **values)


def won(name: str, **values: Any) -> DealWon:
    return DealWon(opportunity_id=told_id("opportunity", name), **values)


def reopened(name: str) -> DealReopened:
    return DealReopened(opportunity_id=told_id("opportunity", name))


def lost(name: str) -> DealLost:
    return DealLost(opportunity_id=told_id("opportunity", name), reason="price")


def updated(name: str, **values: Any) -> OpportunityUpdated:
    return OpportunityUpdated(opportunity_id=told_id("opportunity", name), **values)


def month(number: int) -> datetime:
    """Noon of the first of a month, counted from April 2025."""
    year, place = divmod(FIRST.month - 1 + number, 12)
    return FIRST.replace(year=FIRST.year + year, month=place + 1)


def history(until: datetime | None = None) -> list[Step]:
    """Each month five deals are opened on the second, due on the 25th. One (SMB) is won on the tenth, one (ENT) on the
    20th, one (ENT) slips into the month after, two are lost. A sixth (SMB) is opened on the 27th and won a day later.
    """
    steps = [step for number in range(MONTHS) for step in _month(number, month(number))]
    return [step for step in steps if until is None or step.at < until]


def _month(number: int, first: datetime) -> Iterator[Step]:
    def day(of_month: int) -> datetime:
        return first + timedelta(days=of_month - 1)

    due = day(25).date()
    plan: dict[str, tuple[str, int, str, Callable[[str], Event], datetime]] = {
        "early": ("SMB", 100_000, "commit", won, day(10)),
        "late": ("ENT", 200_000, "commit", won, day(20)),
        "slips": ("ENT", 150_000, "most_likely", won, day(40)),
        "lost": ("SMB", 80_000, "best_case", lost, day(15)),
        "gone": ("ENT", 120_000, "pipeline", lost, day(22)),
    }
    for kind, (segment, value, category, end, at) in plan.items():
        name = f"{kind}-{number}"
        about = {"segment": segment, "owner": f"rep-{segment}", "phase": "proposal", "forecast_category": category}
        yield Step(day(2), name, opened(name, mrr=yen(value), expected_close_date=due, **about))
        yield Step(at, name, end(name))
    name = f"quick-{number}"
    yield Step(day(27), name, opened(name, mrr=yen(50_000), segment="SMB", owner="rep-SMB", phase="proposal"))
    yield Step(day(28), name, won(name))
