"""What kpi's decisions look like over HTTP, and what each setting may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from services.kpi.domain.hours import known_country
from services.kpi.domain.stages import STAGES
from shared.http.bodies import Answer, Body, Key
from shared.money import known_currency

Currency = Annotated[str, AfterValidator(known_currency)]
Stage = Literal["marketing", "inside_sales", "field_sales", "customer_success"]
Positive = Annotated[int, Field(gt=0)]
Factor = Literal[
    "visitors",
    "visitor_to_lead",
    "offline_recycle_uplift",
    "lead_to_mql",
    "mql_to_sql",
    "sql_accept",
    "outside_opportunities",
    "opp_to_won",
]
Share = Annotated[float, Field(ge=0, le=1)]
ROUNDING = 1e-6
MOST_SEGMENTS = 100


_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_DAYS = f"{_DAY}(?:-{_DAY})?"


class BusinessHours(BaseModel):
    """Hours of the day in the company's time zone; days as `Mon-Fri` or `Mon,Tue,Sat`."""

    model_config = ConfigDict(extra="forbid")

    begin: int = Field(alias="from", ge=0, le=23)
    end: int = Field(alias="to", ge=1, le=24)
    days: str = Field(pattern=f"^{_DAYS}(,{_DAYS})*$")
    country: str | None = Field(None, pattern="^[A-Z]{2}$", description="whose public holidays are none: JP")
    holidays: list[date] = Field([], description="further days the company is closed")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begin >= self.end:
            raise ValueError("the hours end after they begin")
        if self.country and not known_country(self.country):
            raise ValueError(f"of {self.country} no public holidays are known")
        return self


def _whole(weights: dict[str, float]) -> dict[str, float]:
    if abs(sum(weights.values()) - 1) > ROUNDING:
        raise ValueError("the shares are 1 together")
    return weights


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting may be and what it means."""

    kind: TypeAdapter[Any]
    ja: str
    en: str


SETTINGS: Mapping[str, Setting] = {
    "plan_rates": Setting(
        TypeAdapter(dict[Currency, Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]]),
        "予算レート(会社の通貨、1単位あたり)。会計年度の初日に有効なものを使う",
        "the company's currency per one unit of another; those in force on a fiscal year's first day hold for it",
    ),
    "fiscal_year_first_month": Setting(
        TypeAdapter(Annotated[int, Field(ge=1, le=12)]), "会計年度の最初の月", "the month a fiscal year begins with"
    ),
    "web_channels": Setting(
        TypeAdapter(list[Key]),
        "来訪者数を数えるチャネル(既定: 来訪者数が報告されたもの)",
        "channels whose leads come by visits; by default those visits were told of",
    ),
    "phase_probabilities": Setting(
        TypeAdapter(dict[Key, Share]), "フェーズごとの受注確率", "the chance to win, by phase of an opportunity"
    ),
    "response_sla_minutes": Setting(TypeAdapter(Positive), "初回対応SLA(分)", "minutes until the first contact"),
    "business_hours": Setting(TypeAdapter(BusinessHours), "営業時間", "business hours"),
    "gross_margin": Setting(TypeAdapter(Share), "粗利率", "gross margin"),
    "obligation_sla_days": Setting(
        TypeAdapter(Positive), "必須フィードバックの期限(日)", "days an owed feedback may take"
    ),
    "onboarding_target_days": Setting(
        TypeAdapter(Positive), "オンボーディングの目標日数", "days onboarding is to take"
    ),
    "onboarding_capacity": Setting(
        TypeAdapter(Positive), "オンボーディングの対応枠(社/月)", "customers that can be onboarded in a month"
    ),
    "unfollowed_factor": Setting(
        TypeAdapter(Positive),
        "未フォローとみなすまでのSLAの倍数",
        "times the response SLA until unfollowed; default 24",
    ),
    "renewal_grace_days": Setting(
        TypeAdapter(Positive),
        "更新日から結果を判定するまでの日数",
        "days after a renewal was due at which it is judged; default 30",
    ),
    "prior_monthly_churn": Setting(
        TypeAdapter(Share),
        "解約がまだない場合に仮定する月次解約率",
        "monthly churn assumed where nobody has churned yet; default 0.01",
    ),
    "reference_rates": Setting(
        TypeAdapter(dict[Factor, Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]]),
        "ボトルネックを測る基準(来訪者数と各段階の率)",
        "what the factors of the chain are held against: visitors, and the rate of each step",
    ),
    "reverse_flow_target": Setting(
        TypeAdapter(Annotated[float, Field(gt=0, le=10)]),
        "フィードバック率の目標(部門の間ごと)",
        "feedback items by hand-over that are wanted between two departments; default 0.3",
    ),
    "credit_weights": Setting(
        TypeAdapter(Annotated[dict[Stage, Share], AfterValidator(_whole)]),
        "成果を四部門で分け合う割合(合計1)",
        "how the outcome is shared between the four departments, 1 together; default a quarter each",
    ),
    "headcount": Setting(
        TypeAdapter(dict[Stage, Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]]),
        "部門ごとの人数(フルタイム換算)",
        "people of each department, as full-time equivalents",
    ),
    "valid_opportunity": Setting(
        TypeAdapter(Literal["acceptance", "first_meeting"]),
        "有効商談の判定(受け入れ時、または初回商談後)。既定: 受け入れ時",
        "when an opportunity is judged valid: at acceptance, or after the first meeting; default acceptance",
    ),
    "smallest_sample": Setting(
        TypeAdapter(Positive), "順位や警告を出す最小件数", "cases below which nothing is ranked or alarmed"
    ),
}
"""Every setting by its name. Without a value a figure that needs it is null."""


class SettingIn(Body):
    value: Any = Field(description="see the setting's description")
    valid_from: date | None = Field(None, description="the first day it holds; default today")


class SettingOut(Answer):
    """A setting as it holds on a day; `value` null and `version` 0 where it was never decided."""

    name: str
    value: Any
    version: int
    valid_from: date | None
    set_by: str | None
    set_at: datetime | None
    ja: str
    en: str


class SettingsOut(Answer):
    items: list[SettingOut]


class CutIn(Body):
    stage: Key
    base: Key
    goal: Key


class ChainIn(Body):
    """Either a ready-made chain by its name or the four stages."""

    chain: Literal["mql", "lead"] | None = None
    stages: list[CutIn] | None = Field(None, max_length=2 * len(STAGES))

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.chain is None) == (self.stages is None):
            raise ValueError("either chain or stages")
        return self


class StagesIn(ChainIn):
    """Everyone's chain, and those of segments that have their own; without `segments` those stay as they are."""

    segments: dict[Key, ChainIn] | None = Field(None, max_length=MOST_SEGMENTS)


class CutOut(Answer):
    stage: str
    base: str
    goal: str


class StagesOut(Answer):
    """`stages` is the chain that holds, `segments` those of segments that have their own; `ready_made` are those that
    ship; `milestones` what may be base and goal."""

    version: int
    stages: list[CutOut]
    segments: dict[str, list[CutOut]]
    set_by: str
    set_at: datetime
    ready_made: dict[str, list[CutOut]]
    milestones: list[str]


class StagesVersions(Answer):
    items: list[StagesOut]


class TargetIn(Body):
    """At least one of base, rate and goal; a goal that is not said is base x rate."""

    stage: Stage
    segment: Key | None = None
    base: float | None = Field(None, ge=0, le=1e15, allow_inf_nan=False)
    rate: float | None = Field(None, ge=0, le=1e6, allow_inf_nan=False)
    goal: float | None = Field(None, ge=0, le=1e15, allow_inf_nan=False)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.base is None and self.rate is None and self.goal is None:
            raise ValueError("one of base, rate and goal is needed")
        return self


class TargetOut(Answer):
    period: str
    from_date: date
    to_date: date
    stage: str
    segment: str | None
    base: float | None
    rate: float | None
    goal: float | None
    version: int
    set_by: str
    set_at: datetime


class TargetsOut(Answer):
    items: list[TargetOut]
