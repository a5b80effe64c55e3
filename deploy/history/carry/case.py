"""One telling to be carried, and what can come of looking at it: calls, rows of a file, or a reason why not yet."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from deploy.history.carry.index import Index
from deploy.history.telling import Telling
from deploy.simulate.acts import Act
from deploy.simulate.company import Person
from deploy.simulate.files import Cells
from deploy.simulate.voices import Voices
from shared.clock import wire_time
from shared.contracts import Event

TELLER = Person("load-events", "load-events", "admin", "")
"""Who carries what nobody is named for: an admin, whom no department takes for the owner of a deal."""


class NotYet(Exception):
    """The department is not where this can be told; what leads there may be on its way."""


class Cannot(Exception):
    """No call and no file can say this; the words say why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file, for what happened under rules of another time: files are taken as they tell it."""

    service: str
    resource: str
    cells: Cells


Step = Act | Row


@dataclass(frozen=True, slots=True)
class Case:
    told: Telling
    index: Index

    @property
    def event(self) -> Any:
        return self.told.event

    @property
    def at(self) -> datetime:
        return self.told.at

    def name(self, kind: str) -> str:
        """The outside id; our own where the history has none."""
        return self.told.names.get(kind) or self.index.name(kind, getattr(self.event, f"{kind}_id", None))

    def ext(self, kind: str) -> str:
        """The outside id as it stands in a path."""
        return f"ext:{quote(self.name(kind), safe='')}"

    def said(self, *names: str) -> dict[str, Any]:
        """Those fields that the history tells, as JSON has them."""
        found: dict[str, Any] = self.event.model_dump(
            mode="json", include={*names} & self.event.model_fields_set, exclude_none=True
        )
        return found

    def act(
        self,
        service: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        method: str = "POST",
        dated: bool = True,
        who: str | None = None,
        learns: dict[str, str] | None = None,
    ) -> Act:
        """A call of its own time; not `dated` where the call does not take one."""
        when = {"occurred_at": wire_time(self.at)} if dated else {}
        person = Person(who, who, "admin", "") if who else TELLER
        return Act(self.at, person, service, path, {**when, **(body or {})}, method, learns=learns)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the departments hold now."""

    voices: Voices

    async def find(self, service: str, path: str) -> Any:
        """None where it is not known."""
        return await self.voices.find(service, path, TELLER)

    async def listed(self, service: str, path: str, **query: Any) -> list[Any]:
        return [item async for item in self.voices.every(service, path, **query)]

    async def lead(self, case: Case) -> Any:
        return await self.find("marketing", f"/v1/leads/{case.ext('lead')}")


@dataclass(frozen=True, slots=True)
class Way:
    """`look` fetches what the departments hold of it, `carry` says what is still to be told: nothing where it is
    known. `carry` is pure, and raises NotYet and Cannot."""

    look: Callable[[Desk, Case], Awaitable[Any]]
    carry: Callable[[Case, Any], Sequence[Step]]


Ways = dict[type[Event], Way]


def value_then(case: Case, now: Any, changes: Sequence[Any], name: str) -> Any:
    """What a field was after this case's moment: what the next change found there, else what it is now.

    `changes` are told from the earliest on, as `at` and `changes`.
    """
    later = (one for one in changes if (at := instant(one["at"])) and at > case.at and name in (one["changes"] or {}))
    following = next(later, None)
    return following["changes"][name][0] if following else now[name]


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
