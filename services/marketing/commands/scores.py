"""The score of leads, set-based: what is known of the person and the company, and all touches of the person."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text

from services.marketing.commands.rules import rules_in_force
from services.marketing.domain import scoring
from services.marketing.domain.scoring import NEGLIGIBLE_AFTER, Facts, Score, ScoringRules, Touch
from services.marketing.models import AccountRow, LeadRow, TouchRow
from shared.database import Transaction

BATCH = 1_000

# The score itself is not what an If-Match guards, so its own passing away is no new version.
_DECAY = text("""
WITH lively AS (
    SELECT id, engagement * 0.5 ^ least(extract(epoch FROM :now - scored_at) / :half_life, 60) AS left_over
    FROM lead
    WHERE engagement >= 0.5 AND scored_at < :now - interval '1 day' ORDER BY scored_at LIMIT :most
    FOR UPDATE SKIP LOCKED
)
UPDATE lead SET engagement = left_over, score = fit + round(left_over), scored_at = :now
FROM lively WHERE lead.id = lively.id
""")

_TOUCHES = """
SELECT coalesce(l.merged_into_id, l.id) AS person, t.kind, t.created_at FROM touch t JOIN lead l ON l.id = t.lead_id
WHERE (l.id = ANY($1) OR l.merged_into_id = ANY($1)) AND t.created_at > $2
"""


def facts_of(row: LeadRow, account: AccountRow | None) -> Facts:
    """What criteria and the fit are judged by; the company speaks where the person is silent."""
    own = {name: getattr(row, name) for name in ("product", "price_band", "region", "channel", "campaign")}
    return own | {
        "industry": row.industry or (account.industry if account else None),
        "segment": row.segment or (account.segment if account else None),
        "employees": account.employees if account else None,
        "prefecture": account.prefecture if account else None,
        "company": account.name if account else None,
        "job_title": row.job_title,
        "department": row.department,
        "email": row.email,
        "phone": row.phone,
        "consent": row.consent,
    }


async def accounts_of(tx: Transaction, rows: Sequence[LeadRow]) -> dict[UUID, AccountRow]:
    wanted = {row.account_id for row in rows if row.account_id}
    if not wanted:
        return {}
    return {row.id: row for row in await tx.session.scalars(select(AccountRow).where(AccountRow.id.in_(wanted)))}


async def score_leads(
    tx: Transaction,
    rows: Sequence[LeadRow],
    rules: ScoringRules,
    *,
    at: Mapping[UUID, datetime],
    untouched: Collection[UUID] = (),
    unstored: Sequence[TouchRow] = (),
    accounts: Mapping[UUID, AccountRow] | None = None,
) -> dict[UUID, Facts]:
    """Set the score of each as of `at`, or of its newest touch where that is later; returns what it was judged by.

    What the caller knows need not be read: who has no touch stored, touches that are not stored yet, the companies.
    Touches are read as they are stored.
    """
    if accounts is None:
        accounts = await accounts_of(tx, rows)
    touched = [row.id for row in rows if row.id not in untouched]
    touches = await _touches(tx, touched, rules, max(at.values())) if touched else defaultdict(list)
    for touch in unstored:
        touches[touch.lead_id].append(Touch(touch.kind, touch.created_at))
    judged: dict[UUID, Facts] = {}
    for row in rows:
        mine = touches[row.id]
        moment = max([at[row.id], *(touch.at for touch in mine)])
        began = row.cycle_opened_at if row.cycle > 1 else None
        judged[row.id] = facts_of(row, accounts.get(row.account_id) if row.account_id else None)
        lively = scoring.engagement(mine, rules, at=moment, cycle_began=began)
        found = Score(scoring.fit(judged[row.id], rules), lively)
        row.fit, row.engagement, row.score, row.scored_at = found.fit, found.engagement, found.total, moment
    return judged


async def _touches(
    tx: Transaction, lead_ids: Sequence[UUID], rules: ScoringRules, now: datetime
) -> defaultdict[UUID, list[Touch]]:
    since = now - NEGLIGIBLE_AFTER * rules.half_life
    found: defaultdict[UUID, list[Touch]] = defaultdict(list)
    for lead_id, kind, at in await tx.fetch(_TOUCHES, lead_ids, since):
        found[lead_id].append(Touch(kind, at))
    return found


async def let_interest_pass(tx: Transaction, now: datetime) -> int:
    """By rule, daily: interest nobody renewed is worth less. Nothing is announced; the next touch counts anew."""
    rules = (await rules_in_force(tx.session, now)).scoring
    values = {"now": now, "half_life": rules.half_life.total_seconds(), "most": BATCH}
    done = await tx.session.execute(_DECAY, values)
    return int(getattr(done, "rowcount", 0))
