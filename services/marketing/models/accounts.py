"""Companies (企業), and what other departments do for them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.marketing.models.base import Base
from shared.database import Record


class AccountRow(Record, Base):
    """`name_key` is the name without its legal form; a merged account says into which."""

    __tablename__ = "account"

    external_id: Mapped[str | None] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    name_key: Mapped[str] = mapped_column(Text, index=True)
    corporate_number: Mapped[str | None] = mapped_column(Text, index=True)
    domain: Mapped[str | None] = mapped_column(Text, index=True)
    industry: Mapped[str | None] = mapped_column(Text)
    segment: Mapped[str | None] = mapped_column(Text)
    employees: Mapped[int | None]
    prefecture: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    parent_id: Mapped[UUID | None] = mapped_column(index=True)
    merged_into_id: Mapped[UUID | None] = mapped_column(index=True)

    __table_args__ = (
        Index(
            "uq_account_corporate_number_alone",
            "corporate_number",
            unique=True,
            postgresql_where="merged_into_id IS NULL",
        ),
    )


class CompanyWorkRow(Base):
    """A small copy of what others hold: live while `since` is later than `until`, whichever was told first."""

    __tablename__ = "company_work"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    ref: Mapped[str] = mapped_column(Text, primary_key=True)
    account_id: Mapped[UUID | None] = mapped_column(index=True)
    lead_id: Mapped[UUID | None] = mapped_column(index=True)
    owner: Mapped[str | None] = mapped_column(Text)
    since: Mapped[datetime | None]
    until: Mapped[datetime | None]
