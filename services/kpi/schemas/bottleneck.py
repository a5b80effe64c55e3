"""What holds the chain back, in the words of both detectors, and what to do about it."""

from datetime import datetime

from pydantic import Field

from services.kpi.schemas.figures import Basis, Span
from services.kpi.schemas.measures import MeasureIn
from shared.http.bodies import Answer
from shared.money import Money


class MixOut(Answer):
    """The change since the span before, in points: within the slices by segment and channel, and of their mix."""

    pooled: float
    within: float
    mix: float
    slices: int
    shifted: bool = Field(description="only the mix changed (Simpson): no fault of the stage")


class SuspectOut(Answer):
    """One factor of the chain against its reference. `contribution` in deals won; `worth` the same in money."""

    factor: str
    ja: str
    en: str
    department: str
    contribution: float
    worth: Money | None
    actual: float
    reference: float
    reference_source: str = Field(
        description="target; else the comparable span before (previous); else the other slices (benchmark); or none"
    )
    reference_numerator: int | None = Field(description="with its denominator, where the reference is itself counted")
    reference_denominator: int | None
    numerator: int
    denominator: int
    ci95: tuple[float, float] | None
    difference_ci95: tuple[float, float] | None = Field(description="of actual - reference (Newcombe), where counted")
    probability_below: float | None = Field(
        description="that the true rate lies below the reference, Beta(1+k, 1+n-k); null below the smallest sample"
    )
    evidence: str = Field(
        description="confirmed from 0.90, of several stages by Benjamini-Hochberg at 10 %; suspected from 0.70; or none"
    )
    matured_numerator: int | None = Field(
        description="of those whose fate is known; against a target they must confirm it too"
    )
    matured_denominator: int | None
    more_cases: int | None = Field(description="how many more at this rate would confirm what is suspected")
    small_sample: bool
    mix: MixOut | None


class WeekOut(Answer):
    begin: datetime
    stop: datetime
    arrivals: int
    departures: int
    wip: int = Field(description="work waiting at the end of the week")


class QueueOut(Answer):
    """Work that waits for a department; ways whatever the unit."""

    queue: str
    ja: str
    en: str
    department: str
    weeks: list[WeekOut]
    wip: int
    grew_weeks: int = Field(description="weeks at whose end more waited than at their start")
    age_p90_days: float | None
    little_days: float | None = Field(description="WIP by departures a day; null where nothing left")
    utilisation: float | None = Field(description="arrivals by slots, or as the valve told; null where nobody told")
    utilisation_source: str | None
    speaks: list[str] = Field(description="growing: in 3 of 4 weeks; overloaded: utilisation above 0.9")


class SliceOut(Answer):
    """Of a queue only the denominator: what waits there."""

    by: str
    value: str
    numerator: int | None
    denominator: int
    deals: float | None
    worth: Money | None


class ReasonOut(Answer):
    reason: str
    cases: int
    ended: int


class LinkedOut(Answer):
    """An item of feedback about the stage, given in the span."""

    feedback_id: str
    external_id: str | None
    sender: str
    receiver: str
    kind: str
    reason: str | None
    given_at: datetime
    acted_at: datetime | None


class CounterOut(Answer):
    """The metric that gets worse where only this one is pushed."""

    metric: str
    ja: str
    en: str


class SuggestionOut(Answer):
    """What may be done. `form` is a body for POST /v1/counter-measures, to be changed at will."""

    ja: str
    en: str
    form: MeasureIn | None


class JudgedOut(Answer):
    """`factor` or `queue`, and what is known of it; all null while nothing speaks."""

    factor: str | None
    queue: str | None
    department: str | None
    detector: str | None = Field(description="which spoke: rate, flow or both (of its department); null: neither")
    evidence: str
    text: str
    deals: float | None = Field(description="deals won it costs")
    worth: Money | None


class VerdictOut(JudgedOut):
    """Of all that speaks, what costs most deals."""

    ja: str | None
    en: str | None
    slices: list[SliceOut] = Field(description="the worst slice of each dimension, with at least the smallest sample")
    reasons: list[ReasonOut] = Field(description="why its cases ended, the most frequent first")
    feedback: list[LinkedOut]
    suggestion: SuggestionOut | None
    counter_metric: CounterOut | None


class GapOut(Answer):
    actual_won: float
    planned_won: float
    gap: float
    blocked: str | None
    rank: list[str] = Field(description="factors that cost, the dearest first")


class GroupGapOut(GapOut):
    """One slice by its own rates; its volume is held against its own before."""

    by: str
    value: str
    verdict: JudgedOut


class PeriodGapOut(Span, GapOut):
    is_partial: bool
    verdict: JudgedOut


class BottleneckOut(GapOut, Basis):
    """The contributions add up to the gap. `blocked` names the first factor that is zero; then there are none."""

    reference: str = Field(description="what most of the factors are held against; each says its own")
    factors: list[SuspectOut]
    queues: list[QueueOut]
    verdict: VerdictOut
    smallest_sample: int
    groups: list[GroupGapOut]
    periods: list[PeriodGapOut]
    reason: str | None = None
