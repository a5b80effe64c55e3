"""What `themodel doctor` finds when something is wrong, and that it finds nothing when all is well."""

from collections.abc import AsyncIterator, Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from alembic.script import ScriptDirectory
from sqlalchemy import text

from deploy.local.checks import engines as engine_checks
from deploy.local.checks import handoff, numbers, topics
from deploy.local.checks.finding import Finding, System
from deploy.local.home import Home
from deploy.local.ports import SERVICES
from deploy.local.servers import url_variable
from services.kpi.app import SERVICE as KPI
from shared.database import Database
from shared.messaging.kafka import Outgoing, ensure_topics
from shared.messaging.loading import publish
from shared.migrate import config
from shared.settings import Settings
from tests.support.engines import Engines
from tests.support.rig import MakeRig

STANDS = "INSERT INTO consumer_offset (partition, topic, next_offset) SELECT n, :topic, 0 FROM generate_series(0, 11) n"
Check = Callable[[System], AsyncIterator[Finding]]


@pytest.fixture
async def place(
    engines: Engines, make_rig: MakeRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[System, dict[str, Database]]:
    """Five databases as they were migrated, and topics of their own that nobody reads."""
    monkeypatch.setenv("THEMODEL_TOPIC_PREFIX", f"t{uuid4().hex[:8]}")
    databases = {name: (await make_rig(import_module(f"services.{name}.app").SERVICE)).database for name in SERVICES}
    urls = {url_variable(name): database.url for name, database in databases.items()}
    return System(Home(tmp_path, tmp_path), {**urls, "KAFKA_BOOTSTRAP_SERVERS": engines.kafka}), databases


async def make_topics(system: System, *without: str) -> None:
    dead = [Settings(service=service).dead_letter_topic for service in SERVICES]
    names = [*system.publishers.values(), *dead, system.settings.heartbeat_topic]
    await ensure_topics(system.kafka, [name for name in names if name not in without])


async def wrong(check: Check, system: System) -> list[tuple[str, str]]:
    """Where and what; each says what to do about it."""
    found = [finding async for finding in check(system) if finding.level != "ok"]
    assert all(finding.advice for finding in found)
    return [(finding.area, finding.what) for finding in found]


async def plant(database: Database, statement: str, **values: Any) -> None:
    async with database.transaction() as tx:
        await tx.session.execute(text(statement), values)


async def test_nothing_is_wrong_with_what_was_just_made(place: tuple[System, dict[str, Database]]) -> None:
    system, _ = place
    await make_topics(system)
    checks: tuple[Check, ...] = (
        *(engine_checks.postgres, engine_checks.kafka, topics.topics, handoff.migrations, handoff.outboxes),
        *(handoff.readers, handoff.waiting, numbers.numbers),
    )
    assert [await wrong(check, system) for check in checks] == [[]] * len(checks)


async def test_a_topic_that_is_missing_narrow_or_forgets(place: tuple[System, dict[str, Database]]) -> None:
    system, _ = place
    marketing, kpi = system.publishers["marketing"], system.publishers["kpi"]
    admin = AIOKafkaAdminClient(bootstrap_servers=system.kafka)
    await admin.start()
    await admin.create_topics(
        [NewTopic(kpi, 6, 1, topic_configs={"retention.ms": "1000", "cleanup.policy": "compact"})]
    )
    await admin.close()
    await make_topics(system, marketing, kpi)
    assert await wrong(topics.topics, system) == [
        (f"topic {marketing}", "is not there"),
        (f"topic {kpi}", "has 6 partitions, not 12"),
        (f"topic {kpi}", "does not keep events for ever (retention.ms=1000, cleanup.policy=compact)"),
    ]


async def test_a_schema_that_is_behind(place: tuple[System, dict[str, Database]]) -> None:
    system, databases = place
    await plant(databases["kpi"], "UPDATE alembic_version SET version_num = '0001'")
    found = await wrong(handoff.migrations, system)
    newest = ScriptDirectory.from_config(config(KPI.folder)).get_current_head()
    await plant(databases["kpi"], f"UPDATE alembic_version SET version_num = '{newest}'")
    assert found == [("schema of kpi", f"is at 0001, the code is at {newest}")]


async def test_an_outbox_nobody_empties(place: tuple[System, dict[str, Database]]) -> None:
    system, databases = place
    old = (
        "INSERT INTO outbox (event_id, topic, type, payload, created_at) "
        "VALUES (gen_random_uuid(), 't', 'x', '', now() - interval '5 minutes')"
    )
    await plant(databases["marketing"], old)
    ((where, what),) = await wrong(handoff.outboxes, system)
    assert where == "outbox of marketing"
    assert what.startswith("1 events wait, the oldest for 3")
    assert what.endswith("and no relay sends")


async def test_a_reader_that_is_behind_or_beyond(place: tuple[System, dict[str, Database]]) -> None:
    system, databases = place
    await make_topics(system)
    topic = system.publishers["marketing"]
    await publish(system.kafka, [Outgoing(0, topic, "a", "x", None, b"x") for _ in range(1200)])
    await plant(databases["kpi"], STANDS, topic=topic)
    await plant(databases["field_sales"], STANDS, topic=topic)
    await plant(databases["field_sales"], "UPDATE consumer_offset SET next_offset = 5 WHERE partition = 3")
    assert await wrong(handoff.readers, system) == [
        ("reader of field_sales", f"stands at 5 of {topic}/3, which ends at 0"),
        ("reader of field_sales", "1200 events behind"),
        ("reader of kpi", "1200 events behind"),
    ]


async def test_what_waits(place: tuple[System, dict[str, Database]]) -> None:
    system, databases = place
    await plant(
        databases["inside_sales"],
        'INSERT INTO parked_event (source, stream, sequence, topic, partition, "offset", type, value, headers, reason) '
        "VALUES ('/marketing', 'a', 2, 't', 0, 1, 'x', '', '[]', 'gap')",
    )
    assert await wrong(handoff.waiting, system) == [("dead letters of inside_sales", "1 journeys wait")]


async def test_a_number_a_reader_lacks_and_one_a_publisher_forgot(
    place: tuple[System, dict[str, Database]], monkeypatch: pytest.MonkeyPatch
) -> None:
    system, databases = place
    monkeypatch.setattr(numbers, "PATIENCE_SECONDS", 0.5)
    await make_topics(system)
    topic = system.publishers["marketing"]
    for reader in ("inside_sales", "kpi"):
        await plant(databases[reader], STANDS, topic=topic)
    await plant(databases["marketing"], "INSERT INTO outbox_stream VALUES ('a', 3), ('b', 2), ('Ä', 1)")
    heard = "INSERT INTO applied_sequence VALUES ('/marketing', 'a', 2), ('/marketing', 'b', 4), ('/marketing', 'Ä', 1)"
    await plant(databases["inside_sales"], heard)
    known = "INSERT INTO stream_state (source, stream, seen, highest) VALUES ('/marketing', 'a', 3, 3)"
    await plant(databases["kpi"], f"{known}, ('/marketing', 'b', 5, 5), ('/marketing', 'Ä', 1, 1)")
    assert await wrong(numbers.numbers, system) == [
        ("marketing → inside_sales", "inside_sales lacks the newest numbers of 1 journeys, as a (2 of 3)"),
        ("marketing → kpi", "marketing has forgotten numbers that kpi heard of 1 journeys, as b (2 of 5)"),
    ]
    await publish(system.kafka, [Outgoing(0, topic, "a", "x", None, b"x")])
    assert [what for _, what in await wrong(numbers.numbers, system)] == ["what was told has not arrived yet"] * 2


async def test_engines_that_are_away(place: tuple[System, dict[str, Database]]) -> None:
    system, _ = place
    away = {name: "postgresql://nobody@127.0.0.1:9/x" for name in map(url_variable, SERVICES)}
    gone = System(system.home, {**away, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"})
    assert [where for where, _ in await wrong(engine_checks.postgres, gone)] == [
        f"database of {name}" for name in SERVICES
    ]
    assert [where for where, _ in await wrong(engine_checks.kafka, gone)] == ["kafka"]
    rest: tuple[Check, ...] = (topics.topics, handoff.migrations, handoff.outboxes, handoff.readers, numbers.numbers)
    assert [await wrong(check, gone) for check in rest] == [[]] * len(rest), "said once is enough"


@pytest.mark.parametrize(("seconds", "level"), [(3.0, "warning"), (-40.0, "bad")])
def test_a_clock_that_is_off(seconds: float, level: str) -> None:
    assert engine_checks._skew("kpi", seconds).level == level
