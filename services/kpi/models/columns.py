"""Columns that many tables of kpi have."""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared.contracts.base import DIMENSIONS


def instant(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def an_id(name: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, Uuid, nullable=nullable)


def dimensions() -> list[Column[Any]]:
    return [Column(name, Text) for name in DIMENSIONS]


def sliced() -> list[Column[Any]]:
    """The values at entry, and the latest known ones for `slice=latest`."""
    return [*dimensions(), Column("latest", JSONB, nullable=False)]


def money(*names: str) -> list[Column[Any]]:
    return [
        column for name in names for column in (Column(f"{name}_amount", BigInteger), Column(f"{name}_currency", Text))
    ]
