"""Marketing at work, for its tests: people told, and what the other departments say of them."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from shared.contracts import Event
from shared.contracts.field_sales import DealLost, DealReopened, DealWon, OpportunityOpened, SqlReturned
from shared.contracts.inside_sales import FirstContactMade, LeadDropped, MqlAccepted, MqlRejected, SqlAccepted
from tests.support.rig import Rig, Told

NUMBER = count(1)
WORDS: dict[str, type[Event]] = {
    "contacted": FirstContactMade,
    "accepted": MqlAccepted,
    "rejected": MqlRejected,
    "dropped": LeadDropped,
    "sql": SqlAccepted,
    "opened": OpportunityOpened,
    "returned": SqlReturned,
    "won": DealWon,
    "lost": DealLost,
    "reopened": DealReopened,
}


@dataclass
class Desk:
    """A marketer signed in."""

    rig: Rig

    @cached_property
    def api(self) -> httpx.AsyncClient:
        return self.rig.client("marketing", user="mika")

    async def lead(self, **told: Any) -> dict[str, Any]:
        """A new lead with an address of its own."""
        answer = await self.api.post("/v1/leads", json={"email": f"person{next(NUMBER)}@example.jp"} | told)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def mql(self, **told: Any) -> dict[str, Any]:
        lead = await self.lead(**told)
        return await self.act(lead["id"], "qualify", override_reason="test")

    async def act(self, lead: str, act: str, **body: Any) -> dict[str, Any]:
        answer = await self.api.post(f"/v1/leads/{lead}/{act}", json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def refused(self, path: str, status: int, **body: Any) -> dict[str, Any]:
        """The problem a POST is answered with."""
        answer = await self.api.post(path, json=body)
        assert answer.status_code == status, answer.text
        problem: dict[str, Any] = answer.json()
        return problem

    async def get(self, lead: str) -> dict[str, Any]:
        answer = await self.api.get(f"/v1/leads/{lead}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def hears(self, word: str, lead: str, *, at: datetime | None = None, cycle: int = 1, **more: Any) -> None:
        """Another department tells something of a lead's cycle."""
        await self.rig.deliver(WORDS[word](lead_id=UUID(lead), cycle=cycle, **more), lead, at=at)

    async def told(self, kind: str) -> list[Told]:
        return await self.rig.told(f"marketing.{kind}.v1")

    async def set_rule(self, name: str, **rule: Any) -> None:
        """The rule in force with these fields changed."""
        now = (await self.api.get(f"/v1/rules/{name}")).json()["rule"]
        answer = await self.api.put(f"/v1/rules/{name}", json={"rule": now | rule})
        assert answer.status_code == 200, answer.text
