"""A service on its own migrated database, spoken to through its real HTTP application.

Events come in through the service's real inbox, as records the test makes; what it announces is read from its outbox.
Kafka itself is not in the way: those tests that are about Kafka use it.
"""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from fastapi import FastAPI
from sqlalchemy import text

from shared import clock, instruments
from shared.auth import Keys
from shared.contracts import Event
from shared.contracts.envelope import Meta, encode, with_sequence
from shared.database import Database
from shared.http.app import create_app
from shared.http.bodies import Body
from shared.ids import new_id
from shared.messaging.kafka import partition_of
from shared.migrate import upgrade
from shared.service import Runtime, Service
from shared.settings import Settings
from tests.support.engines import Engines


@lru_cache(maxsize=1)
def keys() -> Keys:
    """One key pair for the whole test run."""
    with tempfile.TemporaryDirectory(prefix="themodel-keys-") as folder:  # they stay in memory
        return Keys.load_or_create(Path(folder))


def token(*roles: str, user: str = "tester") -> str:
    return keys().issue(user, roles)


@dataclass(frozen=True)
class Told:
    """One event of the outbox, in the order the relay would send it."""

    type: str
    key: str
    sequence: int
    time: datetime
    data: dict[str, Any]
    envelope: dict[str, Any]


@dataclass
class Rig:
    """`service` at work. `offsets` and `numbers` are what a broker and the publishers would count."""

    service: Service
    runtime: Runtime
    app: FastAPI
    engines: Engines
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.runtime.database

    def client(self, *roles: str, user: str = "tester") -> httpx.AsyncClient:
        """A client signed in with these roles; without any it is not signed in."""
        headers = {"Authorization": f"Bearer {token(*roles, user=user)}"} if roles else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)
        self.clients.append(client)
        return client

    def record(
        self,
        event: Event,
        key: object,
        *,
        at: datetime | None = None,
        source: str | None = None,
        sequence: int | None = None,
        replay_only: bool = False,
        recorded: datetime | None = None,
        event_id: str | None = None,
    ) -> ConsumerRecord:
        """`event` as a Kafka record with the next number of its stream, unless `sequence` says otherwise."""
        source = source or f"/{event.type.partition('.')[0]}"
        stream = source, str(key)
        number = sequence or self.numbers.get(stream, 0) + 1
        self.numbers[stream] = max(number, self.numbers.get(stream, 0))
        now = clock.utc_now()
        meta = Meta(
            id=event_id or str(new_id()),
            source=source,
            type=event.type,
            time=at or now,
            recorded=recorded or now,
            key=str(key),
            sequence=number,
            replay_only=replay_only,
        )
        return self.raw(source, str(key), with_sequence(encode(event, meta), number))

    def raw(self, source: str, key: str, value: bytes | None) -> ConsumerRecord:
        """Any bytes as a record of the topic that `source` speaks on."""
        topic = self.runtime.settings.topic(source.rsplit("/", 1)[-1])
        place = TopicPartition(topic, partition_of(key))
        offset = self.offsets.get(place, 0)
        self.offsets[place] = offset + 1
        return ConsumerRecord(topic, place.partition, offset, 0, 0, key.encode(), value, None, 0, 0, ())

    async def deliver(self, event: Event, key: object, **more: Any) -> None:
        """Hand one event to the service, as its consumer would."""
        await self.hand_over([self.record(event, key, **more)])

    async def hand_over(self, records: list[ConsumerRecord]) -> None:
        """One batch, as the consumer loop reads it. Records must be in the order of their offsets."""
        batch: dict[TopicPartition, list[ConsumerRecord]] = {}
        for record in records:
            batch.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        store = self.store
        await store.load(list(batch))
        await store.apply({p: (found[0].offset, found[-1].offset + 1) for p, found in batch.items()}, batch)

    @property
    def store(self) -> Any:
        if self.runtime.store is None:
            self.runtime.store = self.service.receiver(self.runtime)
        return self.runtime.store

    async def told(self, kind: str | None = None) -> list[Told]:
        """Everything announced so far, or only events of type `kind`."""
        async with self.database.reading() as session:
            query = "SELECT type, key, sequence, payload FROM outbox WHERE stream IS NOT NULL ORDER BY id"
            rows = (await session.execute(text(query))).all()
        found = []
        for row in rows:
            envelope = orjson.loads(row.payload)
            time = datetime.fromisoformat(envelope["time"])
            found.append(Told(row.type, row.key, row.sequence, time, envelope["data"], envelope))
        return [event for event in found if kind in (None, event.type)]

    async def forget_told(self) -> None:
        """As if the relay had sent everything."""
        async with self.database.transaction() as tx:
            await tx.session.execute(text("DELETE FROM outbox"))

    async def run_rule(self, name: str, now: datetime | None = None) -> int:
        """Let one of the service's periodic rules run once, at `now`."""
        rule = next(rule for rule in self.service.periodic if rule.name == name)
        async with self.database.transaction() as tx:
            return await rule.act(tx, now or clock.utc_now())

    async def close(self) -> None:
        if self.runtime.store is not None:
            await self.runtime.store.close()
        for client in self.clients:
            await client.aclose()


MakeRig = Callable[[Service], Awaitable[Rig]]
_templates: dict[str, str] = {}
_clean: dict[str, list[Database]] = {}

# The schema `seed` holds what the migrations seeded, and brings everything back to it.
_SEED = """
CREATE SCHEMA seed;
GRANT USAGE ON SCHEMA seed TO public;
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TABLE seed.%I AS TABLE public.%I', name, name);
    END LOOP;
END $$;
CREATE FUNCTION seed.reset() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET session_replication_role = replica AS $$
DECLARE name text; given text; used boolean;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I) OR EXISTS (SELECT FROM seed.%I)', name, name) INTO used;
        CONTINUE WHEN NOT used;
        EXECUTE format('DELETE FROM public.%I', name);
        SELECT string_agg(quote_ident(column_name), ', ') INTO given FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = name AND is_generated = 'NEVER';
        EXECUTE format('INSERT INTO public.%I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM seed.%I',
                       name, given, given, name);
    END LOOP;
END $$;
"""


async def _reset(database: Database) -> None:
    """Raises what the database says when a test has left a transaction open."""
    database.on_publish = lambda: None
    async with database.engine.begin() as connection:
        await connection.execute(text("SELECT seed.reset()"))


async def _fresh(engines: Engines, service: Service, settings: Settings) -> Database:
    """A migrated database with nothing but its seeds. Cleaned ones are used again, with their connections and what
    they have compiled, since making all that takes longer than a test."""
    if free := _clean.get(service.name):
        return free.pop()
    if service.name not in _templates:
        url = engines.create_database(f"template_{service.name}")
        await upgrade(url, service.folder)
        _templates[service.name] = url.rpartition("/")[2]
        engines.sql(_SEED, _templates[service.name])
        engines.sql(f"alter database {_templates[service.name]} owner to postgres")  # or a copy's role would get it
    url = engines.copy_database(service.name, _templates[service.name])
    return Database(url, source=f"/{service.name}", topic=settings.topic(), pool_size=4)


@pytest.fixture
async def make_rig(engines: Engines, kept_databases: None) -> AsyncIterator[MakeRig]:
    """Makes rigs, each on a database of its own; migrations run once per service and session."""
    made: list[Rig] = []

    async def make(service: Service) -> Rig:
        settings = Settings(service=service.name).model_copy(update={"kafka": engines.kafka})
        database = await _fresh(engines, service, settings)
        instruments.service, Body.default_currency = service.name, settings.currency
        runtime = Runtime(settings, database, keys())
        rig = Rig(service, runtime, create_app(service, runtime), engines)
        made.append(rig)
        return rig

    yield make
    for rig in made:
        await rig.close()
        await _reset(rig.database)
        _clean.setdefault(rig.service.name, []).append(rig.database)


@pytest.fixture(scope="session")
async def kept_databases(engines: Engines) -> AsyncIterator[None]:
    """Drops at the end those that were kept for use again, while the engines are still there."""
    yield
    for database in [database for kept in _clean.values() for database in kept]:
        await database.close()
        engines.drop_database(database.url)
    for name in _templates.values():
        engines.drop_database(f"/{name}")
