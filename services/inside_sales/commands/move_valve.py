"""The valve follows the load of field sales: judged on every event that changes it, and by the clock."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.domain.sla import SlaRule
from services.inside_sales.domain.valve import COMPANY, Load, ValveRule, position, valve_of
from services.inside_sales.domain.week import week_of
from services.inside_sales.models import RULES, OpportunityRow, ProspectRow, RepRow, ValveRow
from shared.contracts.inside_sales import ValveMoved
from shared.database import Transaction
from shared.rules import InForce


async def move_valve(tx: Transaction, now: datetime) -> int:
    """Judge every valve anew, by an event or by the clock; returns how many moved.

    One that somebody else is judging at this moment is left to them.
    """
    valve = await RULES.in_force(tx.session, ValveRule, now)
    loads = await _loads(tx, valve.rule, now)
    rows = await _lock(tx, loads)
    moved = [row for row in rows if _judge(row, loads.get(row.id), valve, now)]
    for row in moved:
        told = ValveMoved(
            valve_id=row.id, threshold=row.threshold, utilisation=row.utilisation, rule_version=row.rule_version
        )
        tx.announce(told, journey=row.id, at=now)
    return len(moved)


async def _loads(tx: Transaction, rule: ValveRule, now: datetime) -> dict[str, Load]:
    """The load of the company and, where the rule says so, of every region that has slots."""
    sla = await RULES.in_force(tx.session, SlaRule, now)
    begin, end = week_of(now, ZoneInfo(sla.rule.timezone))
    slots = select(RepRow.region, func.sum(RepRow.slots_per_week)).where(
        RepRow.slots_per_week.is_not(None), RepRow.archived_at.is_(None)
    )
    offered = select(ProspectRow.region, func.count()).where(ProspectRow.status == Status.HANDED_OVER)
    opened = select(OpportunityRow.region, func.count()).where(
        OpportunityRow.opened_at >= begin,
        OpportunityRow.opened_at < end,
        func.coalesce(OpportunityRow.origin, "sql").in_(rule.origins),
    )
    has, waits, new = [
        {region: n or 0 for region, n in (await tx.session.execute(query.group_by(column))).all()}
        for query, column in ((slots, RepRow.region), (offered, ProspectRow.region), (opened, OpportunityRow.region))
    ]
    company = Load(sum(waits.values()), sum(new.values()), sum(has.values()) if has else None)
    if rule.per == "company":
        return {COMPANY: company}
    regions = {valve_of(name): Load(waits.get(name, 0), new.get(name, 0), n) for name, n in has.items() if name}
    return {COMPANY: company, **regions}


async def _lock(tx: Transaction, wanted: Iterable[str]) -> list[ValveRow]:
    """All valves that are free, also those the rule no longer asks for; new ones stand open."""
    known = set(await tx.session.scalars(select(ValveRow.id)))
    for name in sorted(set(wanted) - known):
        blank = {"id": name, "threshold": 0, "why": "", "offered": 0, "opened": 0, "rule_version": 0}
        await tx.session.execute(insert(ValveRow).values(blank).on_conflict_do_nothing())
    free = select(ValveRow).order_by(ValveRow.id).with_for_update(skip_locked=True)
    return list(await tx.session.scalars(free, execution_options={"populate_existing": True}))


def _judge(row: ValveRow, load: Load | None, valve: InForce[ValveRule], now: datetime) -> bool:
    """Did the threshold move? A region's valve nobody asks for any more opens."""
    load = load or Load(0, 0, None)
    found = position(valve.rule, load)
    before = row.threshold
    told = (found.threshold, found.why, load.utilisation, load.offered, load.opened, load.slots, valve.version)
    known = (row.threshold, row.why, row.utilisation, row.offered, row.opened, row.slots, row.rule_version)
    if told != known:
        row.threshold, row.why, row.utilisation, row.offered, row.opened, row.slots, row.rule_version = told
        row.judged_at = now
    if found.threshold == before:
        return False
    row.moved_at = now
    return True
