"""A person is erased and is nowhere any more, also when kpi folds everything anew (fault 50 of docs/faults.md).

Bytes that are no event are put on a topic here: this comes after those who look for none.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from deploy.local.ports import SERVICES
from shared import clock
from shared.messaging.kafka import Outgoing
from shared.messaging.loading import publish
from tests.support.messaging import records_of
from tests.support.replays import database_url, replay
from tests.support.system import System, good, until

NAME, KANA, MAIL, PHONE = "鈴木一郎太", "スズキイチロウタ", "ichirota@secret.example.jp", "03-9876-5432"
SAID = (NAME, KANA, MAIL, PHONE, PHONE.replace("-", ""), "secret.example")
FOREIGN = "fax-from-elsewhere@secret.example.jp"  # in bytes that are no event of ours
DISCOVERED = {"budget": "secured", "authority": "decision_maker", "need": "explicit", "timing": "within_1_month"}
Say = Callable[[str, str, Any], Any]


@pytest.fixture
def channel() -> str:
    """Of this test alone, since the installation is everybody's."""
    return f"faults-{uuid4().hex[:8]}"


@pytest.fixture
def clients(system: System) -> Iterator[dict[str, httpx.Client]]:
    found = {name: system.client(name) for name in SERVICES}
    yield found
    for client in found.values():
        client.close()


def places(system: System) -> set[tuple[str, str]]:
    """Each table of each service that has a word of the person in it."""

    async def look(service: str) -> set[tuple[str, str]]:
        connection = await asyncpg.connect(database_url(system, service))
        try:
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            rows = {name: await connection.fetch(f'SELECT * FROM "{name}"') for (name,) in tables}
        finally:
            await connection.close()
        return {(service, name) for name, found in rows.items() if any(tells(v) for row in found for v in row.values())}

    async def everywhere() -> set[tuple[str, str]]:
        return set().union(*[await look(service) for service in SERVICES])

    return asyncio.run(everywhere())


def tells(value: object) -> bool:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return any(word in text or word.encode("unicode_escape").decode() in text for word in SAID)


async def on_topics(servers: str) -> list[str]:
    """The events of all departments that have a word of the person in them."""
    found: list[str] = []
    for service in SERVICES:
        for record in await records_of(servers, f"themodel.{service.replace('_', '-')}"):
            if tells(record.value) and FOREIGN.encode() not in record.value:
                found.append(record.value.decode())
    return found


def live(clients: dict[str, httpx.Client], say: Say, channel: str) -> tuple[str, str]:
    """Everything a department may write of a person, from the first touch to a ticket; the lead, and its company."""
    about = f"{NAME} 様 {PHONE} {MAIL}"
    person = {"name": NAME, "name_kana": KANA, "email": MAIL, "phone": PHONE, "company": channel, "channel": channel}
    lead: str = say("marketing", "/v1/leads", {**person, "utm_term": NAME})["id"]
    say("marketing", f"/v1/leads/{lead}/touches", {"kind": "call", "content": about, "note": about})
    say("marketing", f"/v1/leads/{lead}/qualify", {"override_reason": about})
    until(lambda: clients["inside_sales"].get(f"/v1/prospects/{lead}").is_success)
    prospect = f"/v1/prospects/{lead}"
    say("inside_sales", f"{prospect}/accept", {})
    say("inside_sales", f"{prospect}/activities", {"kind": "call", "outcome": "connected", "note": about})
    visit = {"start_at": (clock.utc_now() + timedelta(days=2)).isoformat(), "rep": "sato", "place": f"{NAME}宅"}
    handed = {**DISCOVERED, "comment": about, "appointment": visit}
    deal: str = say("inside_sales", f"{prospect}/hand-over", handed)["opportunity_id"]
    until(lambda: clients["field_sales"].get(f"/v1/opportunities/{deal}").is_success)
    opportunity = f"/v1/opportunities/{deal}"
    say("field_sales", f"{opportunity}/accept", {"next_step": about})
    say("field_sales", f"{opportunity}/lose", {"reason": "price", "recyclable": False, "note": about})
    say("field_sales", f"{opportunity}/reopen", {})
    company: str = say("field_sales", f"{opportunity}/win", {"mrr": 90_000, "currency": "JPY"})["account_id"]
    until(lambda: clients["customer_success"].get(f"/v1/customers/{company}").is_success)
    asked = {"account_id": company, "lead_id": lead, "subject": NAME, "text": about}
    say("customer_success", "/v1/tickets", asked)
    given = {"kind": "csm", "score": 3, "lead_id": lead, "note": about}
    say("customer_success", f"/v1/customers/{company}/pulse", given)
    return lead, company


def bury_and_discard(system: System, clients: dict[str, httpx.Client]) -> None:
    """Somebody else wrote the person's data on a topic: everybody buries it, and it is decided to do without."""
    servers, value = f"127.0.0.1:{system.port('kafka')}", f"FAX {FOREIGN} {NAME}".encode()
    asyncio.run(publish(servers, [Outgoing(0, "themodel.inside-sales", str(uuid4()), "fax", None, value)]))
    for service in set(SERVICES) - {"inside_sales"}:  # it does not read its own

        def kept(client: httpx.Client = clients[service]) -> list[Any]:
            found: list[Any] = good(client.get("/v1/dead-letters"))["items"]
            return [letter for letter in found if letter["kind"] == "unreadable"]

        for letter in until(kept):
            good(clients[service].post(f"/v1/dead-letters/{letter['id']}/discard", json={"reason": "no event"}))


def test_50_a_person_erased_is_nowhere_and_counts_as_before_also_when_all_is_folded_anew(
    system: System, clients: dict[str, httpx.Client], channel: str
) -> None:
    first: list[tuple[str, str, Any, dict[str, str]]] = []

    def say(service: str, path: str, body: Any) -> Any:
        key = {"Idempotency-Key": str(uuid4())}
        first.append((service, path, body, key))
        return good(clients[service].post(path, json=body, headers=key))

    lead, _ = live(clients, say, channel)
    bury_and_discard(system, clients)
    departments = set(SERVICES) - {"kpi"}
    before = places(system)
    assert {service for service, table in before if table == "idempotency_key"} == departments
    assert {service for service, table in before if table == "dead_letter"} == set(SERVICES) - {"inside_sales"}
    until(lambda: customers(clients["kpi"], channel) == 1)
    whole = counted(clients["kpi"], channel)

    good(clients["marketing"].post(f"/v1/leads/{lead}/erase"))
    until(lambda: not places(system), 30)
    for service, path, body, key in first:  # who was not answered and asks again only now
        answer = good(clients[service].post(path, json=body, headers=key))
        assert set(answer) == {"id"}, (path, answer)
    assert places(system) == set()
    assert asyncio.run(on_topics(f"127.0.0.1:{system.port('kafka')}")) == []
    assert not tells(system.log.read_text(errors="replace"))
    code, report = replay(system)
    assert (code, report["switched"]) == (0, True)
    assert counted(clients["kpi"], channel) == whole
    code, report = replay(system, "--verify")
    assert (code, report["differences"]) == (0, {})
    assert places(system) == set()


def counted(kpi: httpx.Client, channel: str) -> Any:
    """The whole funnel of the person's channel, but for the moment it was asked at and how fresh it was."""
    return {**good(kpi.get("/v1/funnel", params={"channel": channel})), "as_of": "", "fresh_to": "", "late": []}


def customers(kpi: httpx.Client, channel: str) -> int:
    return next(int(step["passes"]) for step in counted(kpi, channel)["steps"] if step["milestone"] == "customer")
