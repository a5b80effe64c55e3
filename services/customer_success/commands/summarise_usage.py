"""The week's use of each customer, told once the ISO week is over in Japan; use that comes late restates its week."""

from datetime import datetime, timedelta

from sqlalchemy import select, text

from services.customer_success.domain.calendar import week_of
from services.customer_success.models import CustomerRow, UsageWeekRow
from services.customer_success.settings import company_day, day_begins
from shared.contracts.customer_success import UsageSummarised
from shared.database import Transaction

CHUNK = 1_000
SUMS = ("count", "seconds", "errors", "features", "active_days")

_ADD_UP = text("""
SELECT w.customer_id, w.week, CAST(coalesce(sum(u.count), 0) AS bigint) AS count,
       CAST(coalesce(sum(u.seconds), 0) AS bigint) AS seconds, CAST(coalesce(sum(u.errors), 0) AS bigint) AS errors,
       count(DISTINCT u.feature) AS features, count(DISTINCT u.day) AS active_days
FROM unnest(CAST(:customers AS uuid[]), CAST(:weeks AS date[])) AS w(customer_id, week)
LEFT JOIN usage u ON u.customer_id = w.customer_id AND u.day >= w.week AND u.day < w.week + 7
GROUP BY 1, 2
""")


async def summarise_weeks(tx: Transaction, now: datetime) -> int:
    """Add up the weeks that are over and changed since they were told; returns how many were looked at."""
    row = UsageWeekRow
    over = row.week < week_of(company_day(now))
    query = select(row).where(row.stale, over).order_by(row.customer_id, row.week).limit(CHUNK)
    stale = list(await tx.session.scalars(query.with_for_update(skip_locked=True)))
    if not stale:
        return 0
    given = {"customers": [week.customer_id for week in stale], "weeks": [week.week for week in stale]}
    sums = {(found.customer_id, found.week): found for found in await tx.session.execute(_ADD_UP, given)}
    mine = select(CustomerRow).where(CustomerRow.id.in_({week.customer_id for week in stale}))
    customers = {customer.id: customer for customer in await tx.session.scalars(mine)}
    for week in stale:
        week.stale = False
        added_up = sums[week.customer_id, week.week]
        if any(getattr(week, name) != getattr(added_up, name) for name in SUMS):
            _tell(tx, week, added_up, customers[week.customer_id], now)
    return len(stale)


def _tell(tx: Transaction, week: UsageWeekRow, added_up: object, customer: CustomerRow, now: datetime) -> None:
    week.told_at = now
    for name in SUMS:
        setattr(week, name, getattr(added_up, name))
    told = {name: getattr(added_up, name) for name in SUMS}
    event = UsageSummarised(week=week.week, **told, **customer.about())
    tx.announce(event, journey=customer.journey, at=day_begins(week.week + timedelta(days=7)))
