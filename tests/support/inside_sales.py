"""Inside sales at work in tests: leads that marketing hands over, and people who act on them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import httpx

from shared import clock
from shared.contracts import field_sales as fs
from shared.contracts.marketing import MqlCreated
from shared.ids import new_id
from tests.support.rig import Rig

BANT = {"budget": "secured", "authority": "decision_maker", "need": "explicit", "timing": "within_1_month"}


@dataclass
class Desk:
    """A rig of inside sales and the people at it; `sato` is one of them."""

    rig: Rig
    people: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def person(self, user: str, *roles: str) -> httpx.AsyncClient:
        name = f"{user} {roles}"
        if name not in self.people:
            self.people[name] = self.rig.client(*(roles or ("inside_sales",)), user=user)
        return self.people[name]

    @property
    def sato(self) -> httpx.AsyncClient:
        return self.person("sato")

    async def mql(
        self, lead_id: UUID | None = None, *, cycle: int = 1, at: datetime | None = None, **more: Any
    ) -> UUID:
        """Marketing hands a lead over; `score` and dimensions as given."""
        lead = lead_id or new_id()
        event = MqlCreated(**{"lead_id": lead, "cycle": cycle, "score": 60, "criteria_version": 1, **more})
        await self.rig.deliver(event, lead, at=at, recorded=at)
        return lead

    async def act(
        self, lead: UUID, act: str, body: Any = None, *, by: str = "sato", status: int = 200, **more: Any
    ) -> Any:
        """POST an act and expect `status`; the answer's body."""
        answer = await self.person(by).post(f"/v1/prospects/{lead}/{act}", json=body, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def refused(self, lead: UUID, act: str, body: Any = None, *, by: str = "sato", status: int = 409) -> str:
        """The rule an act is refused by."""
        found = await self.act(lead, act, body, by=by, status=status)
        return str(found["type"]).removeprefix("/problems/")

    async def prospect(self, lead: UUID, by: str = "sato") -> Any:
        answer = await self.person(by).get(f"/v1/prospects/{lead}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def statuses(self, *leads: UUID) -> list[str]:
        return [(await self.prospect(lead))["status"] for lead in leads]

    async def accepted(self, lead: UUID | None = None, **more: Any) -> UUID:
        lead = await self.mql(lead, **more)
        await self.act(lead, "accept")
        return lead

    async def handed_over(self, lead: UUID | None = None, *, appointment: Any = None, **more: Any) -> tuple[UUID, UUID]:
        """The lead and its opportunity."""
        lead = await self.accepted(lead, **more)
        body = {**BANT, **({"appointment": appointment} if appointment else {})}
        found = await self.act(lead, "hand-over", body)
        return lead, UUID(found["opportunity_id"])

    async def field_sales(
        self, kind: type[fs.OpportunityEvent], lead: UUID, opportunity: UUID | None, **more: Any
    ) -> None:
        at = more.pop("at", None)
        event = kind(**{"lead_id": lead, "cycle": 1, "opportunity_id": opportunity, **more})
        await self.rig.deliver(event, lead, at=at)

    async def capacity(self, rep: str, slots: int, **more: Any) -> None:
        await self.rig.deliver(fs.CapacityChanged(rep_id=rep, slots_per_week=slots, **more), rep)


def next_week(hour: int = 14, *, days: int = 0) -> datetime:
    """A Wednesday of next week, as Tokyo counts weeks, at `hour` UTC."""
    today = clock.day_of(clock.utc_now())
    wednesday = today + timedelta(days=9 - today.weekday() + days)
    return datetime.combine(wednesday, time(hour), UTC)


def wire(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
