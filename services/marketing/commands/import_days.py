"""Visits and spend from files."""

from collections.abc import Sequence
from datetime import date

from services.marketing.commands.days import Day, Kept, record_days
from services.marketing.models import SpendRow, VisitsRow
from shared.database import Transaction
from shared.imports.importer import ImportContext, Importer, Outcome, Taken
from shared.imports.resource import CURRENCY, Column, Kind, Resource, Row
from shared.money import Money

PLACE = (
    Column("date", Kind.DATE, required=True, past=True),
    Column("channel", required=True, max_length=120),
    Column("campaign", max_length=120),
)
VISITS = Resource("visits", (*PLACE, Column("visitors", Kind.INTEGER, required=True, minimum=0)))
SPEND = Resource("spend", (*PLACE, Column("amount", Kind.MONEY, required=True, minimum=0), CURRENCY))


def _day(row: Row, figure: int | Money) -> Day:
    return Day(row.need("date", date), row.need("channel", str), row.get("campaign", str), figure)


def _outcome(kept: Kept[VisitsRow] | Kept[SpendRow]) -> Outcome:
    if kept.new:
        return Taken.NEW
    return Taken.UPDATED if kept.changed else Taken.UNCHANGED


async def load_visits(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    days = [_day(row, row.need("visitors", int)) for row in rows]
    return [_outcome(kept) for kept in await record_days(tx, VisitsRow, days, now=context.now)]


async def load_spend(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    days = [_day(row, row.need("amount", Money)) for row in rows]
    return [_outcome(kept) for kept in await record_days(tx, SpendRow, days, now=context.now)]


VISITS_IMPORTER = Importer(VISITS, load_visits)
SPEND_IMPORTER = Importer(SPEND, load_spend)
