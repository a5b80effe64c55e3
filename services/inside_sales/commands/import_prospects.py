"""Prospects from a file: what inside sales did before this system came."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.inside_sales.commands.keep_lead import prospects_of, told_sqls
from services.inside_sales.commands.reps import rep_ids
from services.inside_sales.commands.tell_history import HISTORY, NAMES, Learned, tell_history
from services.inside_sales.domain.criteria import CODED
from services.inside_sales.domain.history import Contradiction, Told
from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.models import LeadRow, WaitingHistoryRow
from services.inside_sales.schemas.reasons import REASONS
from shared.database import Transaction
from shared.imports.importer import ImportContext, Outcome, Refused, Taken
from shared.imports.resource import Column, Kind, Resource, Row

PROSPECTS = Resource(
    "prospects",
    (
        Column("lead_external_id", Kind.KEY, required=True),
        Column("owner", Kind.KEY),
        Column("first_contact_at", Kind.INSTANT),
        Column("accepted_at", Kind.INSTANT),
        Column("rejected_at", Kind.INSTANT),
        Column("reason", Kind.CHOICE, choices=REASONS.codes("reject")),
        Column("sql_at", Kind.INSTANT),
        *(Column(name, Kind.CHOICE, choices=REASONS.codes(name)) for name in CODED),
        Column("comment", max_length=10_000),
    ),
    keys=(("lead_external_id",),),
)
OUTCOMES = {Learned.NOTHING: Taken.UNCHANGED, Learned.MORE: Taken.NEW, Learned.OTHERWISE: Taken.UPDATED}


async def load_prospects(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    """Steps a row does not tell stay empty. A row whose lead is not known waits for marketing's word."""
    told = [_told(row) for row in rows]
    keys = [row.need("lead_external_id", str) for row in rows]
    leads = {
        lead.external_id: lead
        for lead in await tx.session.scalars(select(LeadRow).where(LeadRow.external_id.in_(keys)))
    }
    prospects = await prospects_of(tx, list(leads.values()))
    sqls = await told_sqls(tx, [row.id for row in prospects.values()])
    reps = await rep_ids(tx, [one.owner for one in told if isinstance(one, Told) and one.owner])
    outcomes: list[Outcome] = []
    waiting: dict[str, Told] = {}
    for key, history in zip(keys, told, strict=True):
        lead = leads.get(key)
        if isinstance(history, Refused):
            outcomes.append(history)
        elif lead is None:
            waiting[key] = history
            outcomes.append(Taken.WAITING)
        elif (row := prospects[lead.id]).status is Status.ERASED:
            outcomes.append(Refused("erased", "the person asked to be forgotten", "lead_external_id"))
        else:
            known = sqls.get((row.id, row.cycle))
            learned = tell_history(tx, row, history, opportunity_id=known, reps=reps, by=context.user, now=context.now)
            outcomes.append(OUTCOMES[learned])
    await _keep_waiting(tx, waiting, context)
    return outcomes


def _told(row: Row) -> Told | Refused:
    values: dict[str, Any] = {name: value for name, value in row.values.items() if name in NAMES}
    try:
        return Told(**values)
    except (Contradiction, ValidationError) as error:
        return Refused(Contradiction.rule, str(error), "sql_at")


async def _keep_waiting(tx: Transaction, waiting: dict[str, Told], context: ImportContext) -> None:
    if not waiting:
        return
    values: list[dict[str, Any]] = [
        {"id": key, "told": HISTORY.dump_python(told, mode="json", exclude_none=True)} for key, told in waiting.items()
    ]
    when = {"by": context.user, "created_at": context.now, "updated_at": context.now}
    rows = insert(WaitingHistoryRow).values([{**row, **when} for row in values])
    newer = {name: getattr(rows.excluded, name) for name in ("told", "by", "updated_at")}
    await tx.session.execute(rows.on_conflict_do_update(index_elements=[WaitingHistoryRow.id], set_=newer))
