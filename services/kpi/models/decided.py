"""What kpi decides itself; every decision is a version, and nothing is overwritten."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Float, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.kpi.models.base import Base


class StageDefinition(Base):
    """How the chain was cut, for everyone and for segments that have their own; the newest version holds."""

    __tablename__ = "stage_definition"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stages: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    segments: Mapped[dict[str, list[dict[str, str]]]] = mapped_column(JSONB, server_default="{}")
    set_by: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SettingVersion(Base):
    """A setting as it was decided, to hold from a day on. Nothing is overwritten."""

    __tablename__ = "setting_version"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    valid_from: Mapped[date]
    value: Mapped[Any] = mapped_column(JSONB)
    set_by: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DecisionVersion(Base):
    """Something people decided on, of a kind (a shared goal, a counter-measure …). The newest version holds."""

    __tablename__ = "decision_version"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    decision_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    set_by: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TargetVersion(Base):
    """The target of a stage in a period, for everyone (segment empty) or for one segment. The newest version holds."""

    __tablename__ = "target_version"

    period: Mapped[str] = mapped_column(Text, primary_key=True)
    stage: Mapped[str] = mapped_column(Text, primary_key=True)
    segment: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    from_date: Mapped[date] = mapped_column(index=True)
    to_date: Mapped[date]
    base: Mapped[float | None] = mapped_column(Float)
    rate: Mapped[float | None] = mapped_column(Float)
    goal: Mapped[float | None] = mapped_column(Float)
    set_by: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(server_default=func.now())
