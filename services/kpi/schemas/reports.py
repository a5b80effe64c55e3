"""Reports of a period as they were published, beside what is known since."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from services.kpi.schemas.figures import Value
from shared.http.bodies import Answer, Body, Key


class ReportIn(Body):
    period: Key = Field(description="2026-04, 2026-Q2 (of the fiscal year), 2026-H1 or FY2026; it is over")


class LineOut(Answer):
    """One figure as published and as it is known now; `changed` where they differ."""

    metric: str
    ja: str
    en: str
    mode: str
    published: Value
    published_reason: str | None
    restated: Value
    restated_reason: str | None
    changed: bool


class CauseOut(Answer):
    """An event of the period, or of before it, that was recorded only after the report."""

    event_id: UUID
    type: str
    occurred_at: datetime
    recorded_at: datetime
    lead_id: UUID | None
    opportunity_id: UUID | None
    account_id: UUID | None


class ReportHead(Answer):
    """A report that was published, without its figures."""

    period: str
    from_date: date
    to_date: date
    known_at: datetime
    currency: str
    definition_version: int
    published_by: str


class ReportOut(ReportHead):
    """What was known at `known_at`. It never changes; what is told later restates the other column, by the chain, the
    settings and the targets that held when it was published."""

    lines: list[LineOut]
    changed: int
    causes: list[CauseOut] = Field(description="the newest hundred")
    cause_count: int


class ReportsOut(Answer):
    items: list[ReportHead]
