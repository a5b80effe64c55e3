"""Whether acting on feedback changed anything: how often what was fed back about happened before and after (F5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.kpi.metrics.feedback import items, parameters
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import Counted
from services.kpi.metrics.statistics import newcombe

ABOUT: Mapping[tuple[str, str], tuple[str, str]] = {
    ("inside_sales", "marketing"): ("mql", "mql_rejected"),
    ("field_sales", "inside_sales"): ("sql", "sql_returned"),
    ("field_sales", "marketing"): ("opportunity", "lost"),
    ("customer_success", "field_sales"): ("won", "churned"),
    ("customer_success", "marketing"): ("won", "churned"),
}
"""By sender and receiver: what the receiver hands on, and what should happen to it less often."""
IMPROVED, WORSE, INCONCLUSIVE = "improved", "worse", "inconclusive"


@dataclass(frozen=True)
class Effect:
    """`before` and `after` the action: how many of those handed on came to the end complained of."""

    feedback_id: str
    external_id: str | None
    sender: str
    receiver: str
    reason: str | None
    acted_at: datetime
    milestone: str
    end: str
    before: Counted
    after: Counted

    @property
    def difference(self) -> float | None:
        if not self.before.trials or not self.after.trials:
            return None
        return self.after.successes / self.after.trials - self.before.successes / self.before.trials

    @property
    def ci95(self) -> tuple[float, float] | None:
        return newcombe(self.before, self.after)

    @property
    def verdict(self) -> str:
        """Only where the interval leaves out zero is anything said to have changed."""
        interval = self.ci95
        if interval is None or interval[0] <= 0 <= interval[1]:
            return INCONCLUSIVE
        return IMPROVED if interval[1] < 0 else WORSE


async def effects(view: View, days: int) -> list[Effect]:
    """Of every item of the span that was acted on by as_of; so many days on each side of the action."""
    query = f"""
        SELECT i.feedback_id, i.sender, i.receiver, i.acted_at, i.reason, i.external_id
        FROM ({items(view)}) AS i
        WHERE i.acted_at IS NOT NULL ORDER BY i.acted_at, i.feedback_id
    """
    found = []
    for row in await view.rows(query, parameters(view)):
        if (about := ABOUT.get((row.sender, row.receiver))) is None:
            continue
        span = timedelta(days=days)
        sides = [
            await _recurred(view, about, row.reason, start, start + span)
            for start in (row.acted_at - span, row.acted_at)
        ]
        found.append(
            Effect(
                row.feedback_id,
                row.external_id,
                row.sender,
                row.receiver,
                row.reason,
                row.acted_at,
                *about,
                before=sides[0],
                after=sides[1],
            )
        )
    return found


async def _recurred(view: View, about: tuple[str, str], reason: str | None, start: datetime, end: datetime) -> Counted:
    """Of those handed on between, who came to the end by as_of; for the same reason, where the item gave one."""
    milestone, ended = about
    bound: dict[str, Any] = {"milestone": milestone, "ended": ended, "starts": start, "ends": end, "reason": reason}
    because = "AND g.reason = :reason" if reason else ""
    link = (
        "g.opportunity_id = p.opportunity_id"
        if milestone in ("opportunity", "won")
        else ("g.lead_id = p.lead_id AND g.cycle = p.cycle")
    )
    came = f"""EXISTS (SELECT FROM {{schema}}.passage g WHERE g.milestone = :ended AND {link} AND g.at >= p.at
                       AND g.at <= :as_of AND (g.until IS NULL OR g.until > :as_of) {because})"""
    if ended == "churned":
        came = """EXISTS (SELECT FROM {schema}.movement g WHERE g.basis = 'booked' AND g.kind = 'churn'
                          AND g.account_id = coalesce(p.account_id, p.lead_id, p.opportunity_id)
                          AND g.at >= p.at AND g.at <= :as_of)"""
    query = f"""
        SELECT count(*) AS handed, count(*) FILTER (WHERE {came}) AS came FROM {{schema}}.passage p
        WHERE p.milestone = :milestone AND p.at >= :starts AND p.at < :ends AND p.at <= :as_of
          AND (p.until IS NULL OR p.until > :as_of) {view.filters}
    """
    row = (await view.rows(query, bound))[0]
    return Counted(row.came, row.handed)
