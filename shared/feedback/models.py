"""The table of feedback items: the same in every department, copied onto the MetaData of each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, MetaData, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, synonym

from shared.database import NAMING, Record, Table
from shared.feedback.items import Progress, State, Telling


class Base(Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)


class FeedbackRow(Record, Base):
    """One copy of an item. Without `given_at` it is a placeholder: a step was told before the item itself."""

    __tablename__ = "feedback"

    external_id: Mapped[str | None] = mapped_column(Text)
    sender: Mapped[str | None] = mapped_column(Text)
    receiver: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    text: Mapped[str | None] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(Text, default="normal")
    refs: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    lead_id: Mapped[UUID | None] = mapped_column(index=True)
    account_id: Mapped[UUID | None] = mapped_column(index=True)
    opportunity_id: Mapped[UUID | None] = mapped_column(index=True)
    owner: Mapped[str | None] = mapped_column(Text)
    channel: Mapped[str | None] = mapped_column(Text)
    segment: Mapped[str | None] = mapped_column(Text)
    given_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(Text, default=State.GIVEN.value)
    acknowledged_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decision: Mapped[str | None] = mapped_column(Text)
    decision_reason: Mapped[str | None] = mapped_column(Text)
    acted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    change: Mapped[str | None] = mapped_column(Text)
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    useful: Mapped[bool | None]
    status = synonym("state")

    __table_args__ = (
        UniqueConstraint("sender", "external_id"),
        Index(None, "receiver", "state"),
        Index(None, "sender", "state"),
    )

    @property
    def progress(self) -> Progress:
        acknowledged, decided, acted, closed = self.acknowledged_at, self.decided_at, self.acted_at, self.closed_at
        decision = State.ACCEPTED if self.decision == State.ACCEPTED else State.DECLINED
        return Progress(
            acknowledged=Telling(State.ACKNOWLEDGED, acknowledged) if acknowledged else None,
            decided=Telling(decision, decided, reason=self.decision_reason) if decided else None,
            acted=Telling(State.ACTED, acted, change=self.change) if acted else None,
            closed=Telling(State.CLOSED, closed, useful=self.useful) if closed else None,
        )

    def take(self, telling: Telling) -> None:
        """Join one step into this copy."""
        now = self.progress.told(telling)
        self.state = now.state
        if now.acknowledged:
            self.acknowledged_at = now.acknowledged.at
        if now.decided:
            self.decided_at, self.decision = now.decided.at, now.decided.state
            self.decision_reason = now.decided.reason
        if now.acted:
            self.acted_at, self.change = now.acted.at, now.acted.change
        if now.closed:
            self.closed_at, self.useful = now.closed.at, now.closed.useful
