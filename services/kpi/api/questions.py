"""What may be asked, and the view it is answered from."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.commands.remembering import remember
from services.kpi.domain.periods import Period, months_after
from services.kpi.domain.stages import STAGES
from services.kpi.metrics.question import SLICES, Question, View
from services.kpi.models import LIVE, SWAPPED
from services.kpi.queries.decisions import decisions
from services.kpi.queries.freshness import freshness
from services.kpi.queries.means import for_questions
from shared import clock
from shared.errors import Invalid
from shared.money import known_currency
from shared.service import Runtime

LONGEST_YEARS, MOST_PERIODS = 30, 1100
NOW = timedelta(seconds=5)  # what is asked as of now is asked a moment later
EARLIEST, LATEST = date(1990, 1, 1), date(2200, 1, 1)
UNESCAPED_PLUS = re.compile(r" (?=\d{2}:\d{2}$)")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("a time zone is named as in the IANA list, such as Asia/Tokyo") from error
    return name


def _plus(given: object) -> object:
    """`+09:00` in an address means a space before 09:00 unless it was escaped; nobody means that."""
    return UNESCAPED_PLUS.sub("+", given) if isinstance(given, str) else given


def _utc(told: datetime) -> datetime:
    if not EARLIEST.year <= told.year < LATEST.year:
        raise ValueError(f"lies between {EARLIEST.year} and {LATEST.year}")
    return told.astimezone(UTC)


Day = Annotated[date, Field(ge=EARLIEST, le=LATEST)]
Instant = Annotated[AwareDatetime, BeforeValidator(_plus), AfterValidator(_utc)]
Dimension = Literal["channel", "campaign", "segment", "industry", "product", "price_band", "region", "owner", "team"]
Value = Annotated[str, Field(min_length=1, max_length=200)]


class Asked(BaseModel):
    """What every figure can be asked by. Default period: this month. `from` is inclusive, `to` exclusive."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    begin: Day | None = Field(None, alias="from")
    end: Day | None = Field(None, alias="to")
    timezone: Annotated[str, AfterValidator(_zone)] | None = Field(None, description="default the company's")
    by: Dimension | None = Field(None, description="one dimension; what nobody told is (unset)")
    interval: Literal["day", "week", "month", "quarter"] | None = Field(
        None, description="weeks are ISO, quarters fiscal"
    )
    unit: Literal["cycle", "lead", "account"] = Field("cycle", description="ways, people or companies are counted")
    slice: Literal["entry", "latest"] = Field("entry", description="values at entry, or as known now")
    as_of: Instant | None = Field(None, description="as if nothing had occurred from then on; like `to`, exclusive")
    known_at: Instant | None = Field(None, description="as if nothing had been recorded later")
    decided_at: Instant | None = Field(
        None, description="by the chain, the settings and the targets as they were decided by then"
    )
    currency: Annotated[str, AfterValidator(known_currency)] | None = Field(None, description="default the company's")
    cycles: Literal["first", "recycled"] | None = Field(None, description="only first cycles, or only later ones")
    channel: Value | None = None
    campaign: Value | None = None
    segment: Value | None = None
    industry: Value | None = None
    product: Value | None = None
    price_band: Value | None = None
    region: Value | None = None
    owner: Value | None = None
    team: Value | None = Field(None, description="of the owner, at the end of the span; with slice=latest now")

    def question(
        self, runtime: Runtime, *, mode: str = "flow", window: int | None = None, basis: str = "booked"
    ) -> Question:
        """Raises Invalid."""
        settings = runtime.settings
        zone, now = ZoneInfo(self.timezone or settings.timezone), clock.utc_now()
        given = {name: value for name in (*SLICES, "cycles") if (value := getattr(self, name))}
        return Question(
            whole=self._whole(clock.day_of(now, zone)),
            zone=zone,
            as_of=min(self.as_of, now) if self.as_of else now,
            known_at=self.known_at,
            decided_at=self.decided_at,
            mode=mode,
            unit=self.unit,
            slice=self.slice,
            by=self.by,
            interval=self.interval,
            filters=given,
            window_days=window,
            currency=self.currency or settings.currency,
            company_currency=settings.currency,
            basis=basis,
        )

    def _whole(self, today: date) -> Period:
        end = self.end or months_after(max(today, self.begin or today), 1)
        begin = self.begin or (end - timedelta(days=1)).replace(day=1)
        if begin >= end:
            raise Invalid("to", "lies after from: it is the first day no longer counted")
        if end.year - begin.year > LONGEST_YEARS:
            raise Invalid("from", f"at most {LONGEST_YEARS} years")
        days = {"day": 1, "week": 7}.get(self.interval or "", 28)
        if self.interval and (end - begin).days / days > MOST_PERIODS:
            raise Invalid("interval", f"at most {MOST_PERIODS} periods")
        return Period(begin, end)


class FunnelAsked(Asked):
    mode: Literal["flow", "cohort", "closed"] = Field(
        "flow", description="entries in the span, those that entered followed, or those decided"
    )
    window: int | None = Field(None, ge=1, le=3650, description="days a cohort is followed; default up to as_of")
    chain: Literal["mql", "lead"] | None = Field(None, description="a ready-made chain instead of the one that holds")


class MetricAsked(Asked):
    mode: Literal["flow", "cohort", "closed", "stock"] | None = Field(None, description="default the metric's first")
    window: int | None = Field(None, ge=1, le=3650, description="days a cohort is followed; default up to as_of")
    basis: Literal["booked", "live"] = Field("booked", description="recurring revenue from the win, or from billing")


class SpanAsked(BaseModel):
    """A span alone. Default: this month."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    begin: Day | None = Field(None, alias="from")
    end: Day | None = Field(None, alias="to")


class MrrAsked(Asked):
    basis: Literal["booked", "live"] = "booked"


def as_known(question: Question, at: datetime) -> Question:
    """As of then and as known then: what was agreed later must not count as agreed."""
    known = [question.known_at, None if clock.utc_now() - at < NOW else at]
    return replace(question, as_of=at, known_at=min((moment for moment in known if moment), default=None))


@asynccontextmanager
async def viewing(runtime: Runtime, question: Question) -> AsyncIterator[View]:
    """One consistent view; a past state of knowledge that is not today's is folded first."""
    schema, settings = LIVE, runtime.settings

    async def folded(session: AsyncSession) -> None:
        nonlocal schema
        if question.known_at is not None:
            schema = await remember(session, question.known_at, settings.zone)

    async with runtime.database.reading(holding=SWAPPED, first=folded) as session:
        await for_questions(session)
        fresh = await freshness(session, STAGES, settings.freshness_seconds)
        held = await decisions(session, question.whole, question.decided_at)
        yield await View(session, question, held, schema, fresh).with_teams()
