"""Forecasts as they were kept, and what people expect themselves."""

from datetime import date, datetime
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.http.bodies import Answer, Body, Key, LongText
from shared.money import Money

PERIOD = "2026-04, 2026-Q2 (of the fiscal year) or FY2026"


class SnapshotIn(Body):
    period: Key = Field(description=f"{PERIOD}; it is not over")


class KeptMethod(Answer):
    """What a method expected; P10, P50 and P90 where it can draw them."""

    id: str
    ja: str
    en: str
    value: Money | None
    reason: str | None
    p10: Money | None
    p50: Money | None
    p90: Money | None


class SnapshotOut(Answer):
    """As known at `at`; it never changes. `caught_up`: it was kept later, from what had been recorded by then."""

    period: str
    length: str
    from_date: date
    to_date: date
    horizon: str = Field(description="start, d60, d30, d14, d7 (days before the end) or by_hand")
    at: datetime
    kept_at: datetime
    kept_by: str
    caught_up: bool
    currency: str
    definition_version: int
    closed: Money
    overdue: int = Field(description="open deals in it whose day had passed")
    overdue_value: Money
    methods: list[KeptMethod]
    reason: str | None


class SnapshotsOut(Answer):
    items: list[SnapshotOut]


class SubmissionIn(Body):
    """What somebody expects to be won in a period in the end, with what is won already: each holds the one before."""

    money: ClassVar[tuple[str, ...]] = ("commit", "most_likely", "best_case")

    period: Key = Field(description=f"{PERIOD}; it is not over")
    level: Literal["rep", "manager"] = Field(description="a rep's own call, or a manager's of others")
    owner: Key | None = Field(None, description="whose deals; nobody's name means the whole company's")
    currency: Key | None = Field(None, description="of bare numbers")
    commit: Money
    most_likely: Money
    best_case: Money
    note: LongText | None = None

    @model_validator(mode="after")
    def _each_holds_the_one_before(self) -> Self:
        calls = (self.commit, self.most_likely, self.best_case)
        if len({call.currency for call in calls}) > 1:
            raise ValueError("commit, most_likely and best_case are of one currency")
        if not 0 <= self.commit.amount <= self.most_likely.amount <= self.best_case.amount:
            raise ValueError("0 <= commit <= most_likely <= best_case")
        if self.level == "rep" and self.owner is None:
            raise ValueError("owner says whose deals a rep speaks of")
        return self


class SubmissionOut(Answer):
    """One call. An author's later ones stand beside it with a higher version; `newest` is the one that holds."""

    period: str
    from_date: date
    to_date: date
    level: str
    owner: str | None
    commit: Money
    most_likely: Money
    best_case: Money
    note: str | None
    author: str
    at: datetime
    version: int
    newest: bool


class SubmissionsOut(Answer):
    items: list[SubmissionOut]
