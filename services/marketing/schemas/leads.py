"""Bodies of what is told about leads, and of the acts on them."""

from datetime import date, datetime
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, model_validator

from services.marketing.domain.folding import domain_key
from services.marketing.domain.recycling import CycleSource
from services.marketing.schemas.fields import (
    CorporateNumber,
    Dimensions,
    Domain,
    Email,
    Employees,
    Phone,
    Reference,
    TouchKind,
)
from shared.http.bodies import Body, Dated, Key, LongText, Past, Text

UTM = ("source", "medium", "campaign", "term", "content")
EXAMPLE: dict[str, Any] = {
    "email": "hanako@sakura.example.jp",
    "name": "佐藤 花子",
    "company": "株式会社サクラ",
    "channel": "organic",
    "segment": "SMB",
    "consent": True,
}


class Consent(Body):
    """Consent to be written to (特定電子メール法), with where and when it was given."""

    given: bool
    source: Text | None = None
    at: Past | None = None


class LeadFields(Dimensions, Dated):
    """What may be known of a person. `company` finds or makes the account; `account` names one that is there."""

    own: ClassVar[tuple[str, ...]] = (
        *("name", "name_kana", "email", "phone", "department", "job_title"),
        *(*Dimensions.model_fields, "content"),
    )

    email: Email | None = None
    name: Text | None = None
    name_kana: Text | None = None
    phone: Phone | None = None
    department: Text | None = None
    job_title: Text | None = None
    company: Text | None = None
    account: Reference | None = None
    content: Key | None = Field(None, description="the id or name of the content that brought them")
    consent: bool | Consent | None = None
    utm: dict[str, Text] | None = None
    utm_source: Text | None = None
    utm_medium: Text | None = None
    utm_campaign: Text | None = None
    utm_term: Text | None = None
    utm_content: Text | None = None

    @model_validator(mode="after")
    def _known_utm(self) -> "LeadFields":
        if self.utm and (unknown := {name.removeprefix("utm_") for name in self.utm} - set(UTM)):
            raise ValueError(f"utm has {', '.join(UTM)}, not {', '.join(sorted(unknown))}")
        return self

    def told(self, at: datetime) -> dict[str, Any]:
        """The lead's columns this body speaks of; a null clears."""
        found = {name: getattr(self, name) for name in self.own if name in self.model_fields_set}
        if "consent" in self.model_fields_set:
            found |= self._consent(at)
        flat = {name: getattr(self, f"utm_{name}") for name in UTM if f"utm_{name}" in self.model_fields_set}
        if "utm" in self.model_fields_set or flat:
            given = {name.removeprefix("utm_"): value for name, value in (self.utm or {}).items()}
            found["utm"] = {name: value for name, value in (given | flat).items() if value} or None
        return found

    def _consent(self, at: datetime) -> dict[str, Any]:
        if self.consent is None:
            return {"consent": None, "consent_source": None, "consent_at": None}
        if isinstance(self.consent, bool):
            return {"consent": self.consent, "consent_at": at}
        return {
            "consent": self.consent.given,
            "consent_source": self.consent.source,
            "consent_at": self.consent.at or at,
        }


class LeadIn(LeadFields):
    """Somebody who showed interest. At least one of external_id, email, phone and name says who."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    external_id: Key | None = None
    corporate_number: CorporateNumber | None = Field(None, description="of the company, as are the next three")
    domain: Domain | None = None
    employees: Employees | None = None
    prefecture: Key | None = None

    def told(self, at: datetime) -> dict[str, Any]:
        return super().told(at) | ({"external_id": self.external_id} if self.external_id else {})

    def company_told(self) -> dict[str, Any]:
        """The account's columns this body speaks of; the domain of the address says which, where nothing else does."""
        names = ("corporate_number", "domain", "employees", "prefecture", "industry", "segment")
        found = {"name": self.company} | {name: getattr(self, name) for name in names}
        found = {name: value for name, value in found.items() if value is not None}
        if self.email and not {"name", "corporate_number", "domain"} & found.keys():
            found["domain"] = domain_key(self.email)
        return found

    @model_validator(mode="after")
    def _somebody(self) -> "LeadIn":
        if not (self.external_id or self.email or self.phone or self.name):
            raise ValueError("one of external_id, email, phone or name is needed")
        return self


class LeadPatch(LeadFields):
    """A merge patch: absent is unchanged, null is cleared."""

    external_id: Key | None = None
    archived_at: Past | None = None

    def told(self, at: datetime) -> dict[str, Any]:
        mine = self.model_fields_set & {"external_id", "archived_at"}
        return super().told(at) | {name: getattr(self, name) for name in mine}


class TouchIn(Dated):
    """`content` is the id or name of a content and is told to others; `note` is yours and stays here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"kind": "webinar", "content": "2026-11 導入事例", "at": "2026-11-20T05:00:00Z"}]
        }
    )

    kind: TouchKind
    content: Text | None = None
    note: LongText | None = None
    at: Past | None = Field(None, description="when it happened; default occurred_at, else now")
    channel: Key | None = None
    campaign: Key | None = None
    external_id: Key | None = None

    def when(self, now: datetime) -> datetime:
        return self.at or super().when(now)


class QualifyIn(Dated):
    """`override_reason`: declared although the criteria do not hold."""

    override_reason: LongText | None = None


class RecycleIn(Dated):
    """Without `revisit_on`, or once it has come, the next cycle opens at once."""

    cycle_source: CycleSource | None = Field(None, description="default: how the cycle ended")
    revisit_on: date | None = None
    note: LongText | None = None


class MergeIn(Dated):
    merged_lead_id: Reference


class UnmergeIn(Dated):
    merged_lead_id: Reference | None = Field(None, description="default: the lead that was merged last")


class WhenOnly(Dated):
    """An act that needs no words."""
