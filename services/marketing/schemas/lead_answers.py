"""How leads are shown. Personal fields are null for those whose roles do not need them."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from services.marketing.domain.lifecycle import Stage
from services.marketing.domain.personal import PERSONAL
from shared.auth import Role, User
from shared.http.bodies import Answer

NEED_PEOPLE = frozenset(
    {
        *(Role.MARKETING, Role.INSIDE_SALES, Role.FIELD_SALES, Role.CUSTOMER_SUCCESS),
        *(Role.ADMIN, Role.OPS_LEAD),
    }
)
"""The roles that work with people, and so see who they are."""


def sees_people(user: User) -> bool:
    return bool(NEED_PEOPLE & user.roles)


class JoinsOut(BaseModel):
    """The work a new lead of a company joined."""

    kind: str
    ref: str


class LeadOut(Answer):
    """A lead. `cycle` is the newest; `stage` where it stands; `revisit_on` when an ended cycle comes back."""

    id: UUID
    external_id: str | None
    name: str | None
    name_kana: str | None
    email: str | None
    phone: str | None
    department: str | None
    job_title: str | None
    company: str | None = None
    account_id: UUID | None
    channel: str | None
    campaign: str | None
    content: str | None
    segment: str | None
    industry: str | None
    product: str | None
    price_band: str | None
    region: str | None
    owner: str | None
    utm: dict[str, str] | None
    consent: bool | None
    consent_source: str | None
    consent_at: AwareDatetime | None
    cycle: int
    stage: Stage
    mql_at: AwareDatetime | None
    revisit_on: date | None
    downstream_owner: str | None = Field(description="who has the lead in the departments after marketing")
    score: int | None
    fit: int | None
    engagement: float | None
    scored_at: AwareDatetime | None
    joins: JoinsOut | None = None
    merged_into: UUID | None = Field(None, validation_alias="merged_into_id")
    erased_at: AwareDatetime | None
    archived_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: int

    @classmethod
    def of(cls, row: Any, user: User, *, company: str | None = None) -> Self:
        found = cls.model_validate(row)
        update: dict[str, Any] = {"company": company}
        if row.joins_kind:
            update["joins"] = JoinsOut(kind=row.joins_kind, ref=row.joins_ref)
        if not sees_people(user):
            update |= dict.fromkeys(PERSONAL)
        return found.model_copy(update=update)


class CycleOut(Answer):
    """One way of the person through the funnel."""

    cycle: int
    opened_at: AwareDatetime
    cycle_source: str | None
    previous_ref: str | None
    revisit_on: date | None
    stage: Stage
    mql_at: AwareDatetime | None
    mql_score: int | None
    declared_by: str | None
    owner: str | None
    opportunity_id: str | None


class LeadDetail(LeadOut):
    cycles: list[CycleOut] = Field(default_factory=list)


class WorkOut(Answer):
    """What somebody holds of the same company."""

    kind: Literal["contract", "opportunity", "claimed_lead"]
    ref: str
    lead_id: UUID | None = None
    owner: str | None
    since: AwareDatetime


class CapturedOut(LeadOut):
    """`company_work` is what the company already has with us: a contract, an open opportunity, a claimed lead.
    `joins` is the one of them this lead joins, by rule, instead of becoming new work."""

    company_work: list[WorkOut] = Field(default_factory=list)


class TouchOut(Answer):
    """`score` is the lead's after this touch; `mql` says that the touch made it an MQL."""

    id: UUID
    external_id: str | None
    lead_id: UUID
    cycle: int
    kind: str
    content: str | None
    note: str | None
    channel: str | None
    campaign: str | None
    at: AwareDatetime
    score: int | None
    by: str
    mql: bool = False
    created_at: AwareDatetime

    @classmethod
    def of(cls, row: Any, user: User, *, mql: bool = False) -> "TouchOut":
        found = cls.model_validate(row)
        hidden: dict[str, Any] = {"mql": mql}
        if not sees_people(user):
            hidden["note"] = None
            hidden["content"] = found.content if row.shared else None
        return found.model_copy(update=hidden)


class ChangeOut(Answer):
    """What was changed: `{field: [before, after]}`."""

    id: UUID
    at: AwareDatetime
    by: str
    fields: dict[str, list[Any]]

    @classmethod
    def of(cls, row: Any, user: User) -> "ChangeOut":
        found = cls.model_validate(row)
        if sees_people(user):
            return found
        return found.model_copy(update={"fields": masked(found.fields)})


def masked(fields: dict[str, list[Any]], names: Iterable[str] = PERSONAL) -> dict[str, list[Any]]:
    """Changes without the values of personal fields."""
    return {name: [None, None] if name in names else values for name, values in fields.items()}
