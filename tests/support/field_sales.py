"""Field sales at work: SQLs handed over to it and opportunities opened in it, for its tests."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.inside_sales import AppointmentSet, SqlAccepted
from shared.contracts.marketing import LeadCreated
from shared.ids import new_id
from shared.money import Money
from tests.support.rig import Rig

DAY = timedelta(days=1)
HANDED_OVER = datetime(2026, 4, 10, 1, tzinfo=UTC)
NOTE = {"budget": "planned", "authority": "decision_maker", "need": "explicit", "timing": "within_3_months"}


def wire(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


@dataclass
class Sql:
    """One SQL as inside sales tells it."""

    lead_id: UUID = field(default_factory=new_id)
    opportunity_id: UUID = field(default_factory=new_id)
    cycle: int = 1
    at: datetime = HANDED_OVER

    def accepted(self, **fields: Any) -> SqlAccepted:
        told = {**NOTE, "product": "crm", "channel": "ads", "segment": "SMB", "owner": "is-tanaka", **fields}
        told.setdefault("expected_mrr", Money(amount=90_000, currency="JPY"))
        told.setdefault("opportunity_id", self.opportunity_id)
        return SqlAccepted(lead_id=self.lead_id, cycle=self.cycle, **told)

    def appointment(self, **fields: Any) -> AppointmentSet:
        told = {"appointment_id": new_id(), "start_at": self.at + DAY, "rep": "sato", **fields}
        return AppointmentSet(lead_id=self.lead_id, cycle=self.cycle, opportunity_id=self.opportunity_id, **told)


async def offer(rig: Rig, *, appointment: bool = False, at: datetime = HANDED_OVER, **fields: Any) -> Sql:
    """An SQL on field sales' desk."""
    sql = Sql(at=at)
    await rig.deliver(sql.accepted(**fields), sql.lead_id, at=at)
    if appointment:
        await rig.deliver(sql.appointment(), sql.lead_id, at=at)
    return sql


async def lead(rig: Rig, **fields: Any) -> UUID:
    """A lead field sales has heard of."""
    lead_id = new_id()
    await rig.deliver(LeadCreated(lead_id=lead_id, cycle=1, **fields), lead_id, at=HANDED_OVER - DAY)
    return lead_id


class Seller:
    """A field sales rep at the API. Calls answer the body; `status` of the last answer is kept."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.last: httpx.Response

    async def call(self, method: str, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        """Fails the test unless the answer has this status."""
        response = await self.client.request(method, f"/v1{path}", json=body, **more)
        self.last = response
        assert response.status_code == status, response.text
        return response.json()

    async def get(self, path: str, status: int = 200) -> Any:
        return await self.call("GET", path, None, status)

    async def post(self, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        return await self.call("POST", path, {} if body is None else body, status, **more)

    async def act(self, opportunity: object, act: str, body: Any = None, status: int = 200) -> Any:
        return await self.post(f"/opportunities/{opportunity}/{act}", body, status)

    async def opened(self, **fields: Any) -> str:
        """The id of an opportunity that no SQL preceded."""
        body = {"origin": "self_sourced", "mrr": 80_000, "currency": "JPY", **fields}
        found: str = (await self.post("/opportunities", body, 201))["id"]
        return found
