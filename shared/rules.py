"""Rules kept as data: a version rules from its `valid_from` on, every version stays, and a new one rewrites no old one.

Events are judged by rules one after another, so reading is cheap: which versions there are is asked once by a session,
and what a version says once by a process, since it never changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import inspect, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.clock import wire_time
from shared.database import Table, Transaction, Words
from shared.errors import NotFound, Refused, Stale
from shared.line import fetch

HEADINGS = "rules.headings"


class RuleVersion(Table):
    """The columns of a department's table of rules."""

    __abstract__ = True
    __tablename__ = "rule"

    name: Mapped[Words] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    valid_from: Mapped[datetime]
    rule: Mapped[dict[str, Any]] = mapped_column(JSONB)
    note: Mapped[Words | None]
    by: Mapped[Words]
    created_at: Mapped[datetime]


class Heading(NamedTuple):
    """Which version it is; `created_at` tells it from one of the same number that was rolled back."""

    name: str
    version: int
    valid_from: datetime
    created_at: datetime


R = TypeVar("R")
V = TypeVar("V", Heading, RuleVersion)


class Kind(NamedTuple):
    """One rule a department has: the shape of what it says, and what people call it."""

    name: str
    shape: type
    ja: str
    en: str


@dataclass(frozen=True, slots=True)
class InForce(Generic[R]):
    rule: R
    version: int


def current(versions: Sequence[V], at: datetime) -> V:
    """The one in force, of versions that stand newest first: before the first one the first."""
    return next((found for found in versions if found.valid_from <= at), versions[-1])


class Rulebook:
    """The rules of one department, in its table `row`."""

    def __init__(self, row: type[RuleVersion], *kinds: Kind) -> None:
        self.kinds = {kind.name: kind for kind in kinds}
        self._row = row
        self._names = {kind.shape: kind.name for kind in kinds}
        self._adapters = {kind.name: TypeAdapter[Any](kind.shape) for kind in kinds}
        self._said: dict[Heading, Any] = {}
        self._newest_first = row.valid_from.desc(), row.version.desc()
        columns = inspect(row).columns  # asked with every act: what needs no ORM is quicker without
        which = select(*(columns[name] for name in Heading._fields))
        self._which = str(which.order_by(columns.valid_from.desc(), columns.version.desc()))

    async def in_force(self, session: AsyncSession, shape: type[R], at: datetime) -> InForce[R]:
        row, headings = self._row, await self._headings(session)
        heading = current(headings[self._names[shape]], at)
        if heading not in self._said:
            says = select(row.rule).where(row.name == heading.name, row.version == heading.version)
            self._said[heading] = self.understand(heading.name, await session.scalar(says))
        return InForce(self._said[heading], heading.version)

    def kind(self, name: str) -> Kind:
        """Raises NotFound."""
        if name not in self.kinds:
            raise NotFound(f"There is no rule {name}; there are {', '.join(self.kinds)}")
        return self.kinds[name]

    def understand(self, name: str, given: Any) -> Any:
        """Raises pydantic's ValidationError."""
        return self._adapters[name].validate_python(given)

    async def versions(self, session: AsyncSession) -> Mapping[str, Sequence[RuleVersion]]:
        """All of them by rule, the newest first."""
        found: dict[str, list[RuleVersion]] = {}
        for row in await session.scalars(select(self._row).order_by(*self._newest_first)):
            found.setdefault(row.name, []).append(row)
        return found

    async def change(
        self,
        tx: Transaction,
        name: str,
        rule: Any,
        *,
        valid_from: datetime,
        note: str | None,
        by: str,
        now: datetime,
        for_history: bool = False,
    ) -> RuleVersion:
        """The next version. What is yet to come may be preceded; what rules or has ruled only `for_history`, for what
        is yet to be told of that time: raises Refused.

        Raises Stale for an If-Match that is not the number of the newest version.
        """
        versions = (await self.versions(tx.session))[name]
        newest = max(row.version for row in versions)
        if tx.if_match not in (None, newest):
            raise Stale(f"Its newest version is {newest} now; you had read {tx.if_match}")
        ruling = current(versions, now)
        if valid_from < ruling.valid_from and not for_history:
            begun = f"Version {ruling.version} rules since {wire_time(ruling.valid_from)}"
            raise Refused(f"{begun}; a version that begins before that says for_history", rule="begins_later")
        says = self._adapters[name].dump_python(rule, mode="json", exclude_none=True)
        row = self._row(
            name=name, version=newest + 1, valid_from=valid_from, rule=says, note=note, by=by, created_at=now
        )
        tx.add(row)
        await tx.session.flush()
        tx.session.info.pop(HEADINGS, None)
        return row

    async def _headings(self, session: AsyncSession) -> Mapping[str, Sequence[Heading]]:
        if HEADINGS not in session.info:
            found: dict[str, list[Heading]] = {}
            for each in map(Heading._make, await fetch(session, self._which)):
                found.setdefault(each.name, []).append(each)
            session.info[HEADINGS] = found
        headings: Mapping[str, Sequence[Heading]] = session.info[HEADINGS]
        return headings
