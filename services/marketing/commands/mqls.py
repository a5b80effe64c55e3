"""MQLs: exactly one per cycle, made by the criteria in force or declared by a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.marketing.commands.announcing import count_entry, tell
from services.marketing.commands.company_works import works_of
from services.marketing.commands.people import family, lock_lead, refuse_gone
from services.marketing.commands.rules import rules_in_force
from services.marketing.commands.scores import score_leads
from services.marketing.commands.standing import cycles_in_work, note, settle
from services.marketing.domain.company_work import Work, joined
from services.marketing.domain.lifecycle import Act, Fact, Milestone, Stage, check
from services.marketing.domain.qualification import CriteriaNotMet, InWorkElsewhere, unmet
from services.marketing.domain.rules import Rules
from services.marketing.domain.scoring import Facts, Score
from services.marketing.models import LeadCycleRow, LeadRow
from shared.contracts.marketing import MqlCreated
from shared.database import Transaction
from shared.errors import Refused

PERSON = "lead"  # the person's own work, in another cycle or under a merged lead: no reason overrides it


class BeforePreviousStep(Refused):
    rule, title = "before_previous_step", "Earlier than the step before it"


def refuse_before(at: datetime, step: datetime | None, what: str) -> None:
    """Raises BeforePreviousStep."""
    if step and at < step:
        raise BeforePreviousStep(f"{what} was at {step.isoformat()}", previous=step.isoformat())


def mark_mql(
    tx: Transaction,
    row: LeadRow,
    mine: LeadCycleRow,
    rules: Rules,
    *,
    at: datetime,
    declared_by: str | None = None,
    override_reason: str | None = None,
    live: bool = True,
) -> None:
    """This newest cycle of the lead is an MQL from now on, for whoever hears of nothing else. Not `live`: a file tells
    of it, and no criteria of ours judged it."""
    row.mql_at = mine.mql_at = at
    row.stage = mine.stage = Stage.MQL_WAITING
    mine.mql_score, mine.declared_by, mine.override_reason = row.score, declared_by, override_reason
    note(tx, Fact(Milestone.MQL, at), lead=row.id, cycle=row.cycle)
    tell(
        tx,
        MqlCreated,
        row,
        at=at,
        score=row.score,
        fit=row.fit,
        engagement=None if row.engagement is None else round(row.engagement),
        criteria_version=rules.criteria_version if live else None,
        declared=declared_by is not None,
        overridden=override_reason is not None,
    )


async def make_mql(
    tx: Transaction,
    row: LeadRow,
    rules: Rules,
    *,
    at: datetime,
    declared_by: str | None = None,
    override_reason: str | None = None,
    live: bool = True,
) -> None:
    """The same beside what other departments told already. The caller has asked whether it may be."""
    mine = await tx.session.get_one(LeadCycleRow, (row.id, row.cycle))
    mark_mql(tx, row, mine, rules, at=at, declared_by=declared_by, override_reason=override_reason, live=live)
    await settle(tx, row, row.cycle, rules)
    if live:
        count_entry(tx)


async def elsewhere(tx: Transaction, rows: Sequence[LeadRow], rules: Rules) -> dict[UUID, str]:
    """Which of these persons or companies are in somebody's hands already, and whose."""
    busy = {lead: f"{PERSON}/{ref}" for lead, ref in (await cycles_in_work(tx, rows)).items()}
    works = await works_of(tx, [row.account_id for row in rows])
    persons = await family(tx, [row.id for row in rows]) if any(works.values()) else {}
    for row in rows:
        if row.account_id and row.id not in busy:
            found = joined(others(works[row.account_id], row, persons), rules.company)
            if found:
                busy[row.id] = f"{found.kind}/{found.ref}"
    return busy


def others(works: Sequence[Work], row: LeadRow, persons: Mapping[UUID, UUID]) -> list[Work]:
    """The company's work that is not this person's own."""
    return [work for work in works if work.lead is None or persons.get(work.lead, work.lead) != row.id]


async def qualify_by_score(
    tx: Transaction, rows: Sequence[LeadRow], judged: Mapping[UUID, Facts], rules: Rules
) -> set[UUID]:
    """By rule: those that meet the criteria, are free, and are not MQLs of their cycle yet, become MQLs."""
    if not rules.criteria.automatic:
        return set()
    ready = [
        row
        for row in rows
        if row.mql_at is None and row.stage == Stage.NURTURING and not unmet_by(row, judged[row.id], rules)
    ]
    busy = await elsewhere(tx, ready, rules) if ready else {}
    made = [row for row in ready if row.id not in busy]
    for row in made:
        assert row.scored_at is not None
        await make_mql(tx, row, rules, at=max(row.scored_at, row.cycle_opened_at))
    return {row.id for row in made}


def unmet_by(row: LeadRow, facts: Facts, rules: Rules) -> list[str]:
    segment = facts.get("segment")
    criteria = rules.criteria.of(segment if isinstance(segment, str) else None)
    return unmet(criteria, facts, Score(row.fit or 0, row.engagement or 0.0))


async def qualify_lead(
    tx: Transaction, lead_id: UUID, *, at: datetime, by: str, override_reason: str | None = None
) -> LeadRow:
    """A person declares the MQL. Raises Gone, IllegalMove, CriteriaNotMet, InWorkElsewhere, BeforePreviousStep."""
    row = await lock_lead(tx, lead_id)
    refuse_gone(row)
    mine = await tx.session.get(LeadCycleRow, (row.id, row.cycle))
    check(Act.QUALIFY, Stage(mine.stage if mine else row.stage))
    refuse_before(at, row.cycle_opened_at, f"The beginning of cycle {row.cycle}")
    rules = await rules_in_force(tx.session, at)
    judged = await score_leads(tx, [row], rules.scoring, at={row.id: at})
    if override_reason is None:
        missing = unmet_by(row, judged[row.id], rules)
        if missing:
            detail = f"Missing: {', '.join(missing)}. Say why in override_reason to declare it all the same"
            raise CriteriaNotMet(detail, missing=missing, criteria_version=rules.criteria_version)
    work = (await elsewhere(tx, [row], rules)).get(row.id, "")
    if work.startswith(PERSON) or (work and override_reason is None):
        raise InWorkElsewhere(f"It joins {work}", work=work)
    await make_mql(tx, row, rules, at=at, declared_by=by, override_reason=override_reason)
    return row
