"""Customer success at work in tests: deals that field sales wins, and people who look after the customers."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from shared import clock
from shared.contracts.field_sales import DealReopened, DealWon, OpportunityOpened
from shared.ids import new_id
from shared.imports.jobs import run_open_jobs
from shared.money import Money
from tests.support.rig import Rig, Told

CSV = {"content-type": "text/csv"}


def yen(amount: int) -> Money:
    return Money(amount=amount, currency="JPY")


def wire(amount: int, currency: str = "JPY") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


@dataclass(frozen=True)
class Deal:
    """The ids of a deal that was won; `journey` is the lead's."""

    opportunity: UUID
    account: UUID
    contract: UUID
    journey: UUID


@dataclass
class Desk:
    """A rig of customer success and the people at it; `mori` is one of them."""

    rig: Rig
    people: dict[tuple[str, ...], httpx.AsyncClient] = field(default_factory=dict)

    def person(self, user: str, *roles: str) -> httpx.AsyncClient:
        key = (user, *roles)
        if key not in self.people:
            self.people[key] = self.rig.client(*(roles or ("customer_success",)), user=user)
        return self.people[key]

    @property
    def mori(self) -> httpx.AsyncClient:
        return self.person("mori")

    async def won(self, deal: Deal | None = None, *, at: datetime | None = None, **more: Any) -> Deal:
        """Field sales wins a deal; a month's revenue of 100,000 yen unless told otherwise."""
        deal = deal or Deal(new_id(), more.pop("account_id", None) or new_id(), new_id(), new_id())
        told = {
            "opportunity_id": deal.opportunity,
            "account_id": deal.account,
            "contract_id": deal.contract,
            "lead_id": deal.journey,
            "cycle": 1,
            "owner": "seller-1",
            "segment": "smb",
            "channel": "web",
            "account_name": "株式会社青空",
            "term_months": 12,
            "mrr": yen(100_000),
            **more,
        }
        event = DealWon.model_validate({name: value for name, value in told.items() if value is not None})
        await self.rig.deliver(event, deal.journey, at=at, recorded=at)
        return deal

    async def opened(self, deal: Deal, mrr: Money) -> None:
        event = OpportunityOpened(opportunity_id=deal.opportunity, account_id=deal.account, mrr=mrr)
        await self.rig.deliver(event, deal.journey)

    async def reopened(self, deal: Deal) -> None:
        await self.rig.deliver(DealReopened(opportunity_id=deal.opportunity), deal.journey)

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = await self.mori.get(f"/v1/{path}", params=query or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, *, status: int = 200, **more: Any) -> Any:
        answer = await self.mori.post(f"/v1/{path}", json=body, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def patch(self, path: str, body: Any, *, status: int = 200) -> Any:
        answer = await self.mori.patch(f"/v1/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def refused(self, path: str, body: Any = None, *, status: int = 409) -> str:
        """The rule an act is refused by."""
        return str((await self.post(path, body, status=status))["type"]).removeprefix("/problems/")

    async def told(self, name: str) -> list[Told]:
        return await self.rig.told(f"customer_success.{name}.v1")

    async def names(self) -> list[str]:
        """The events told so far, by name, in order."""
        return [event.type.split(".")[1] for event in await self.rig.told()]

    async def imported(self, resource: str, csv: str, **query: Any) -> Any:
        """The finished import of a CSV, customers settled as the worker would."""
        path = "/v1/imports"
        answer = await self.mori.post(path, content=csv.encode(), headers=CSV, params={"resource": resource, **query})
        assert answer.status_code in (200, 202), answer.text
        await self.run_jobs()
        return (await self.mori.get(f"{path}/{answer.json()['id']}")).json()

    async def run_jobs(self) -> None:
        from services.customer_success.app import IMPORTS

        await run_open_jobs(self.rig.database, IMPORTS._importers)
        await self.rig.run_rule("settle")

    async def contract(
        self, external_id: str, *, mrr: int = 100_000, starts_on: str, status: int = 201, **more: Any
    ) -> Any:
        """A contract told by a person, of account A-1 unless told otherwise."""
        body = {"external_id": external_id, "account_external_id": "A-1", "mrr": wire(mrr), "starts_on": starts_on}
        return await self.post("contracts", body | more, status=status)


def days_ago(days: int) -> date:
    return clock.day_of(clock.utc_now()) - timedelta(days=days)


def counts(job: dict[str, Any]) -> dict[str, int]:
    """What became of the rows, without zeros."""
    names = ("read", "new", "updated", "unchanged", "skipped", "waiting", "refused", "events")
    assert job["status"] == "finished", job
    return {name: job[name] for name in names if job[name]}
