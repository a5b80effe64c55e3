"""People at work, who try again until they are answered, and a ledger of every act that was acknowledged."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.support.system import System

CHANNEL = "soak"
BUSY = {"overloaded", "in_flight", "unavailable"}
NEWS_SECONDS = 180.0  # until a department knows what another told, whatever happens meanwhile
AGAIN_SECONDS = 0.2
WON, LOST, REJECTED, WAITING = "won", "lost", "rejected", "waiting"


@dataclass
class Ledger:
    """What was acknowledged, by kind and by the id it got; `refused` are answers nobody should get."""

    acts: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    interrupted: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, key: str, answer: Any = None) -> None:
        self.acts.setdefault(kind, {})[key] = answer

    def count(self, kind: str) -> int:
        return len(self.acts.get(kind, {}))


class Person:
    """Takes one lead after another through the departments. Every act has an Idempotency-Key of its own."""

    def __init__(self, system: System, ledger: Ledger, number: int, chance: random.Random, pause: float) -> None:
        self._ledger, self._number, self._chance, self._pause = ledger, number, chance, pause
        headers = {"Authorization": f"Bearer {system.token('admin')}"}
        self._clients = {
            service: httpx.AsyncClient(base_url=f"{system.url(service)}/v1", headers=headers, timeout=10)
            for service in ("marketing", "inside_sales", "field_sales", "customer_success")
        }

    async def work(self, on: Callable[[], bool]) -> None:
        """Until `on` says no; a way begun is gone to its end."""
        try:
            while on():
                await self._way(f"soak-{self._number}-{uuid4().hex[:10]}")
                await asyncio.sleep(self._chance.uniform(0, self._pause))
        except Hopeless as reason:
            self._ledger.refused.append(str(reason))
        finally:
            for client in self._clients.values():
                await client.aclose()

    async def _way(self, name: str) -> None:
        body = {"external_id": name, "email": f"{name}@example.jp", "company": f"{name} 株式会社", "channel": CHANNEL}
        lead = (await self._act("marketing", "/leads", body))["id"]
        self._ledger.note("lead", lead)
        end = self._chance.choices((WAITING, REJECTED, LOST, WON), (2, 2, 2, 4))[0]
        await self._act("marketing", f"/leads/{lead}/qualify", {"override_reason": "soak"})
        self._ledger.note("mql", lead)
        await self._known("inside_sales", f"/prospects/{lead}")
        if end == WAITING:
            return
        if end == REJECTED:
            await self._act("inside_sales", f"/prospects/{lead}/reject", {"reason": "no_budget"})
            self._ledger.note("mql_rejected", lead)
            return
        await self._act("inside_sales", f"/prospects/{lead}/accept", {})
        told = {"budget": "secured", "authority": "decision_maker", "need": "explicit", "timing": "within_3_months"}
        deal = (await self._act("inside_sales", f"/prospects/{lead}/hand-over", told))["opportunity_id"]
        self._ledger.note("sql", deal, lead)
        await self._known("field_sales", f"/opportunities/{deal}")
        await self._act("field_sales", f"/opportunities/{deal}/accept", {"mrr": 10_000})
        self._ledger.note("opportunity", deal, lead)
        if end == LOST:
            await self._act("field_sales", f"/opportunities/{deal}/lose", {"reason": "price", "recyclable": False})
            self._ledger.note("lost", deal, lead)
            return
        won = await self._act("field_sales", f"/opportunities/{deal}/win", {"term_months": 12})
        self._ledger.note("won", deal, won["contract_id"])
        await self._known("customer_success", f"/customers/{won['account_id']}")
        self._ledger.note("customer", won["account_id"], won["contract_id"])

    async def _act(self, service: str, path: str, body: dict[str, Any]) -> Any:
        key = {"Idempotency-Key": str(uuid4())}
        return await self._insist(service, path, lambda: self._clients[service].post(path, json=body, headers=key))

    async def _known(self, service: str, path: str) -> Any:
        """The news of another department, which may be on its way for long."""
        return await self._insist(service, path, lambda: self._clients[service].get(path), also=404)

    async def _insist(
        self, service: str, path: str, ask: Callable[[], Awaitable[httpx.Response]], also: int = 0
    ) -> Any:
        clock = asyncio.get_running_loop()
        stop = clock.time() + NEWS_SECONDS
        while True:
            try:
                answer = await ask()
            except httpx.TransportError:
                self._ledger.interrupted[service] += 1
            else:
                if answer.is_success:
                    return answer.json()
                if answer.status_code != also and not _busy(answer):
                    raise Hopeless(f"{answer.request.method} {path}: {answer.status_code} {answer.text[:300]}")
                if answer.status_code != also:
                    self._ledger.interrupted[service] += 1
            if clock.time() > stop:
                raise Hopeless(f"{service} {path}: nothing within {NEWS_SECONDS:.0f} s")
            await asyncio.sleep(AGAIN_SECONDS)


class Hopeless(Exception):
    """An answer that no patience mends."""


def _busy(answer: httpx.Response) -> bool:
    if answer.status_code not in (409, 503):
        return False
    try:
        return answer.json()["type"].rpartition("/")[2] in BUSY
    except (ValueError, KeyError):
        return False
