"""Bodies of companies (企業)."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from services.marketing.schemas.fields import CorporateNumber, Domain, Employees, Reference
from shared.http.bodies import Answer, Dated, Key, Past, Text


class AccountFields(Dated):
    """What may be known of a company."""

    external_id: Key | None = None
    corporate_number: CorporateNumber | None = None
    domain: Domain | None = None
    industry: Key | None = None
    segment: Key | None = None
    employees: Employees | None = None
    prefecture: Key | None = None
    owner: Key | None = None
    parent: Reference | None = Field(None, description="the company it belongs to")

    def told(self) -> dict[str, Any]:
        """The account's columns this body speaks of; a null clears."""
        return self.model_dump(exclude_unset=True, exclude={"occurred_at", "parent"})


class AccountIn(AccountFields):
    """A company; a known one is found again by corporate number, domain or name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "株式会社サクラ", "domain": "sakura.example.jp", "employees": 120}]}
    )

    name: Text


class AccountPatch(AccountFields):
    name: Text = ""  # absent is unchanged; a company always has a name
    archived_at: Past | None = None


class AccountMergeIn(Dated):
    """The account that turned out to be the same company."""

    merged_account_id: Reference


class AccountOut(Answer):
    id: UUID
    external_id: str | None
    name: str
    corporate_number: str | None
    domain: str | None
    industry: str | None
    segment: str | None
    employees: int | None
    prefecture: str | None
    owner: str | None
    parent_id: UUID | None
    merged_into: UUID | None = Field(None, validation_alias="merged_into_id")
    archived_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: int
