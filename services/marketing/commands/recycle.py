"""The way back (リサイクル): an ended cycle opens again as the next, at once or on its day. Only marketing says so."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select

from services.marketing.commands.announcing import count_entry, tell
from services.marketing.commands.mqls import make_mql, refuse_before
from services.marketing.commands.people import lock_lead, refuse_gone
from services.marketing.commands.rules import rules_in_force
from services.marketing.commands.scores import score_leads
from services.marketing.commands.standing import cycles_in_work, show, standing_of
from services.marketing.domain.lifecycle import Act, Fact, IllegalMove, Stage, check
from services.marketing.domain.recycling import CycleSource, source_of, way_back
from services.marketing.domain.rules import Rules
from services.marketing.models import LeadCycleRow, LeadRow, MilestoneRow, RecyclingRow
from services.marketing.settings import company_day
from shared.contracts.marketing import LeadRecycled
from shared.database import Transaction
from shared.ids import new_id

WAITING, OPENED, CANCELLED = "waiting", "opened", "cancelled"
BATCH = 100
BY_RULE = "rule"


async def open_cycle(tx: Transaction, row: LeadRow, back: RecyclingRow, rules: Rules, *, at: datetime) -> None:
    """The next cycle of the person begins `at`."""
    told = await tx.session.scalar(select(func.max(MilestoneRow.cycle)).where(MilestoneRow.lead_id == row.id))
    row.cycle = max(row.cycle, told or 0) + 1
    row.cycle_opened_at, row.mql_at, row.revisit_on, row.joins_kind, row.joins_ref = at, None, None, None, None
    tx.add(
        LeadCycleRow(
            lead_id=row.id,
            cycle=row.cycle,
            opened_at=at,
            cycle_source=back.cycle_source,
            previous_ref=back.previous_ref,
            revisit_on=back.revisit_on,
            stage=Stage.NURTURING,
        )
    )
    back.state, back.next_cycle, back.opened_at = OPENED, row.cycle, at
    await show(tx, row)
    await score_leads(tx, [row], rules.scoring, at={row.id: at})
    more = {"cycle_source": back.cycle_source, "previous_ref": back.previous_ref, "revisit_on": back.revisit_on}
    tell(tx, LeadRecycled, row, at=at, **more)
    count_entry(tx)
    if back.hand_over:
        await make_mql(tx, row, rules, at=at)


async def _way(tx: Transaction, lead_id: UUID, cycle: int) -> RecyclingRow | None:
    mine = RecyclingRow.lead_id == lead_id, RecyclingRow.cycle == cycle
    return (await tx.session.scalars(select(RecyclingRow).where(*mine).with_for_update())).one_or_none()


async def _keep(
    tx: Transaction, row: LeadRow, cycle: int, source: CycleSource, end: Fact, *, by: str, hand_over: bool = False
) -> RecyclingRow:
    """The one row of this ended cycle, waiting."""
    back = await _way(tx, row.id, cycle)
    if back is None:
        back = RecyclingRow(id=new_id(), lead_id=row.id, cycle=cycle)
        tx.add(back)
    back.previous_ref = f"opportunity/{end.opportunity}" if end.opportunity else f"lead/{row.id}/{cycle}"
    back.cycle_source, back.reason, back.by = source, end.reason, by
    back.owner, back.channel, back.segment = row.owner, row.channel, row.segment
    back.state, back.hand_over, back.note = WAITING, hand_over, None
    return back


async def follow_end(tx: Transaction, row: LeadRow, cycle: int, end: Fact | None, rules: Rules) -> None:
    """After something was told of a cycle: an end that may come back does so by rule, an end taken back does not."""
    known = await _way(tx, row.id, cycle)
    person = row if row.merged_into_id is None else await lock_lead(tx, row.id)
    returns = way_back(end, company_day(end.at), rules.recycling) if end else None
    if returns is None or end is None:
        _cancel(person, known)
        return
    if row.erased_at or person.archived_at or (known and known.state == OPENED):
        return
    if await _busy(tx, person, row, cycle, rules):
        return
    back = await _keep(tx, row, cycle, returns.source, end, by=BY_RULE, hand_over=returns.hand_over)
    back.revisit_on = returns.on
    if returns.on is None or returns.on <= company_day(end.at):
        await open_cycle(tx, person, back, rules, at=end.at)
    else:
        person.revisit_on = returns.on


def _cancel(person: LeadRow, back: RecyclingRow | None) -> None:
    if back and back.state == WAITING:
        back.state = CANCELLED
        person.revisit_on = None


async def _busy(tx: Transaction, person: LeadRow, ended: LeadRow, cycle: int, rules: Rules) -> bool:
    """Has the person another cycle that is open, or one that was won? At most one is open at a time."""
    if await cycles_in_work(tx, [person]):
        return True
    if person.id == ended.id:
        return person.cycle != cycle
    return (await standing_of(tx, person, person.cycle, rules)).stage in (Stage.NURTURING, Stage.WON)


async def recycle_lead(
    tx: Transaction,
    lead_id: UUID,
    *,
    source: CycleSource | None,
    revisit_on: date | None,
    note: str | None,
    by: str,
    told: datetime | None,
    now: datetime,
) -> LeadRow:
    """A person decides the way back, now where no time is `told`: and not before the end, which another department
    told, whose clock may be ahead. Raises NotFound, Gone, IllegalMove, BeforePreviousStep."""
    row = await lock_lead(tx, lead_id)
    refuse_gone(row)
    rules = await rules_in_force(tx.session, told or now)
    standing = await standing_of(tx, row, row.cycle, rules)
    check(Act.RECYCLE, standing.stage)
    assert standing.end is not None
    work = (await cycles_in_work(tx, [row])).get(row.id)
    if work:
        raise IllegalMove(f"Somebody works with this person: {work}", rule="cycle_open")
    at = told or max(now, standing.end.at)
    refuse_before(at, standing.end.at, f"The end of cycle {row.cycle}")
    back = await _keep(tx, row, row.cycle, source or source_of(standing.end), standing.end, by=by)
    back.revisit_on, back.note = revisit_on, note
    if revisit_on is None or revisit_on <= company_day(at):
        await open_cycle(tx, row, back, rules, at=at)
    else:
        row.revisit_on = revisit_on
    return row


async def open_due(tx: Transaction, now: datetime) -> int:
    """By rule: what waits for a day that has come opens. Returns how many were looked at."""
    due = RecyclingRow.state == WAITING, RecyclingRow.revisit_on <= company_day(now)
    query = select(RecyclingRow.lead_id, RecyclingRow.cycle).where(*due).order_by(RecyclingRow.revisit_on).limit(BATCH)
    found: Sequence[tuple[UUID, int]] = [(row.lead_id, row.cycle) for row in await tx.session.execute(query)]
    rules = await rules_in_force(tx.session, now) if found else None
    for lead_id, cycle in found:
        assert rules is not None
        person = await lock_lead(tx, lead_id)
        ended = await tx.session.get_one(LeadRow, lead_id)
        back = await _way(tx, lead_id, cycle)
        if back is None or back.state != WAITING:
            continue
        if person.erased_at or person.archived_at or await _busy(tx, person, ended, cycle, rules):
            _cancel(person, back)
        else:
            await open_cycle(tx, person, back, rules, at=now)
    return len(found)
