"""Visits and spend: the row of a day, channel and campaign is replaced; the last told wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from sqlalchemy import select

from services.marketing.models import SpendRow, VisitsRow
from services.marketing.settings import company_day, day_begins
from shared.contracts.marketing import SpendRecorded, VisitsRecorded
from shared.database import Transaction
from shared.errors import Invalid
from shared.ids import new_id
from shared.money import Money

Key = tuple[date, str, str | None]
T = TypeVar("T", VisitsRow, SpendRow)


@dataclass(frozen=True, slots=True)
class Day:
    """One figure: visitors, or money. `at` is when it was counted; default the beginning of the day itself."""

    date: date
    channel: str
    campaign: str | None
    figure: int | Money
    at: datetime | None = None

    @property
    def key(self) -> Key:
        return self.date, self.channel, self.campaign


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """`new`: nothing was known of that day before; `changed`: it was told to the others."""

    row: T
    new: bool
    changed: bool


async def record_days(tx: Transaction, table: type[T], days: Sequence[Day], *, now: datetime) -> list[Kept[T]]:
    """One answer for each, in order. Raises Invalid for a day that has not come."""
    for day in days:
        if day.date > company_day(now):
            raise Invalid("date", "lies in the future")
    dates, channels = {day.date for day in days}, {day.channel for day in days}
    query = select(table).where(table.date.in_(dates), table.channel.in_(channels)).order_by(table.id)
    options = {"populate_existing": True}
    rows = await tx.session.scalars(query.with_for_update(), execution_options=options)
    known = {(row.date, row.channel, row.campaign): row for row in rows}
    return [_keep(tx, table, day, known) for day in days]


def _keep(tx: Transaction, table: type[T], day: Day, known: dict[Key, T]) -> Kept[T]:
    row = known.get(day.key)
    new = row is None
    if row is None:
        row = known[day.key] = table(id=new_id(), date=day.date, channel=day.channel, campaign=day.campaign)
        tx.add(row)
    elif _figure(row) == day.figure:
        return Kept(row, False, False)
    _set(row, day.figure)
    tx.announce(_event(row, day.figure), journey=f"{day.date}/{day.channel}", at=day.at or day_begins(day.date))
    return Kept(row, new, True)


def _figure(row: VisitsRow | SpendRow) -> int | Money:
    return row.visitors if isinstance(row, VisitsRow) else row.amount


def _set(row: VisitsRow | SpendRow, figure: int | Money) -> None:
    if isinstance(row, SpendRow) and isinstance(figure, Money):
        row.spend_amount, row.spend_currency = figure.amount, figure.currency
    elif isinstance(row, VisitsRow) and isinstance(figure, int):
        row.visitors = figure
    else:
        raise TypeError(f"{figure!r} is no figure of {type(row).__name__}")


def _event(row: VisitsRow | SpendRow, figure: int | Money) -> VisitsRecorded | SpendRecorded:
    if isinstance(figure, Money):
        return SpendRecorded(date=row.date, channel=row.channel, campaign=row.campaign, spend=figure)
    return VisitsRecorded(date=row.date, channel=row.channel, campaign=row.campaign, visitors=figure)
