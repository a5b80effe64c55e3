"""Learned once, kept for a while: models are fitted in a thread, so that everything else goes on being answered."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from anyio import to_thread
from pydantic import Field

from services.kpi.api.questions import Asked, viewing
from services.kpi.domain.periods import Period, months_after
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.learning import churn, leads
from services.kpi.metrics.learning.dataset import Dataset, Feature
from services.kpi.metrics.learning.risks import Risks, judged
from services.kpi.metrics.learning.training import Learned, Recipe, learn
from services.kpi.metrics.question import Question, View
from services.kpi.queries.decisions import pulse
from shared import clock
from shared.errors import Invalid
from shared.service import Runtime

MONTHS = 24
KEPT = timedelta(hours=1)
MOST_KEPT = 8


class ModelAsked(Asked):
    """Default span: the two years up to as_of. A model is of everything asked for, and has no groups."""

    knowledge: Literal["recorded", "occurred"] = Field(
        "recorded",
        description="what was known at a moment: what was recorded by then; or all that had occurred, which is fair "
        "only of history that was loaded at once",
    )

    def of_history(self, runtime: Runtime) -> Question:
        """Raises Invalid."""
        for name in ("by", "interval"):
            if getattr(self, name):
                raise Invalid(name, "is not of a model: ask for one value by a filter instead")
        found = self.question(runtime, mode="cohort")
        today = clock.day_of(found.as_of, found.zone)
        end = self.end or (found.whole.end if self.begin else months_after(today, 1))
        return replace(found, whole=Period(self.begin or months_after(end, -MONTHS), end))


@dataclass(frozen=True)
class Model:
    """What a model is asked and learned from; `rows` gives its rows and how many there are in all."""

    id: str
    ja: str
    en: str
    label: str
    recipe: Recipe
    left_out: Mapping[str, tuple[str, str]]
    rows: Callable[[View, bool], Awaitable[tuple[Dataset, int]]]
    fallback: str

    @property
    def names(self) -> Mapping[str, Feature]:
        return {feature.id: feature for feature in self.recipe.features}


LEAD_SCORE = Model(
    "lead_score",
    "リードスコア",
    "Lead score",
    "an MQL became an opportunity within 60 days",
    leads.RECIPE,
    leads.LEFT_OUT,
    leads.dataset,
    "rule",
)
CHURN = Model(
    "churn",
    "解約リスク",
    "Churn risk",
    "churned, or paid at most 80 % of the MRR, within 90 days after the first of a month",
    churn.RECIPE,
    churn.LEFT_OUT,
    churn.dataset,
    "segment_rate",
)


@dataclass(frozen=True)
class Kept:
    """What was learned, and of the churn model the customers of that moment with their chances."""

    learned: Learned
    population: int
    unknown_rule: int
    said: Mapping[str, object]
    currency: str
    trained_at: datetime
    version: int
    risks: Risks | None = None


class Trained:
    """Results of this process, as long as nothing new is known, and for an hour in any case. One is made at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._turn = asyncio.Lock()
        self.keep = KEPT

    async def of(self, model: Model, asked: ModelAsked) -> Kept:
        """Raises Invalid."""
        question = asked.of_history(self._runtime)
        day = clock.day_of(question.as_of, question.zone)
        key = f"{model.id} {asked.model_dump_json()} {day}"
        if found := await self._known(key):
            return found
        async with self._turn:
            if found := await self._known(key):  # who waited
                return found
            made = await self._make(model, question, strict=asked.knowledge == "recorded")
            self._kept[key] = made
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return made

    async def _known(self, key: str) -> Kept | None:
        kept = self._kept.get(key)
        if kept is None or clock.utc_now() - kept.trained_at < self.keep:
            return kept
        async with self._runtime.database.reading() as session:
            return kept if await pulse(session) == kept.version else None

    async def _make(self, model: Model, question: Question, *, strict: bool) -> Kept:
        async with viewing(self._runtime, question) as view:
            version = await pulse(view.session)
            data, population = await model.rows(view, strict)
            book = await churn.book(view, strict) if model is CHURN else None
            said = basis(view)
        learned = await to_thread.run_sync(learn, data, model.recipe)
        risks = await to_thread.run_sync(judged, learned, data, book) if book else None
        unknown = int(sum(value != value for value in data.rule))
        currency = question.currency
        return Kept(learned, population, unknown, said, currency, clock.utc_now(), version, risks)
