"""What must hold of the whole product once everything is quiet (I1 to I9), held against a journal of what was ever told
and a ledger of what people were answered."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from deploy.local.ports import SERVICES
from deploy.local.servers import url_variable
from shared.contracts.envelope import Undecodable, decode
from shared.messaging.kafka_admin import committed
from tests.soak.faults import Scene
from tests.soak.people import CHANNEL, Ledger
from tests.support.messaging import records_of
from tests.support.system import good

QUIET_SECONDS = 120.0
# What was ever told: the outbox forgets it. As the service's own role, since its acts write it.
JOURNAL = (
    "CREATE SCHEMA IF NOT EXISTS soak",
    """CREATE TABLE IF NOT EXISTS soak.journal
        (id uuid PRIMARY KEY, stream text, sequence bigint, type text, data jsonb)""",
    """CREATE OR REPLACE FUNCTION soak.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO soak.journal SELECT event_id, stream, sequence, type, convert_from(payload, 'UTF8')::jsonb -> 'data'
        FROM added WHERE stream IS NOT NULL ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$""",
    """CREATE OR REPLACE TRIGGER soak AFTER INSERT ON outbox REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION soak.note()""",
)
# Where the row is that an event tells of, by the id it carries.
ROWS = {
    "marketing.lead_created.v1": ("lead", "id", "lead_id"),
    "field_sales.opportunity_opened.v1": ("opportunity", "id", "opportunity_id"),
    "customer_success.contract_started.v1": ("contract", "id", "contract_id"),
}
# One that was rejected is in its next cycle by now.
PROSPECTS = """
SELECT id::text FROM prospect p
WHERE channel = $1 OR EXISTS (SELECT FROM prospect_cycle c WHERE c.lead_id = p.id AND c.channel = $1)
"""


@dataclass
class Heard:
    """A reader's own books."""

    offsets: dict[tuple[str, int], int]
    last: dict[tuple[str, str], int]
    parked: int
    unreadable: set[tuple[str, int, int]]


@dataclass
class Evidence:
    """Everything the checks are made on."""

    journal: dict[str, dict[str, tuple[str, int, str, Any]]] = field(default_factory=dict)  # service, event id
    unsent: Counter[str] = field(default_factory=Counter)
    heard: dict[str, Heard] = field(default_factory=dict)
    log: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)  # service: id, stream, sequence in order
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    unreadable: set[tuple[str, int, int]] = field(default_factory=set)
    facts: dict[str, str] = field(default_factory=dict)  # event id: source


async def connected(scene: Scene, service: str) -> asyncpg.Connection:
    return await asyncpg.connect(scene.servers.environment()[url_variable(service)])


async def keep_journal(scene: Scene) -> None:
    for service in SERVICES:
        connection = await connected(scene, service)
        try:
            for statement in JOURNAL:
                await connection.execute(statement)
        finally:
            await connection.close()


async def evidence(scene: Scene) -> Evidence:
    found = Evidence()
    for service in SERVICES:
        connection = await connected(scene, service)
        try:
            rows = await connection.fetch("SELECT id, stream, sequence, type, data FROM soak.journal")
            found.journal[service] = {
                str(row["id"]): (row["stream"], row["sequence"], row["type"], json.loads(row["data"])) for row in rows
            }
            found.unsent[service] = await connection.fetchval("SELECT count(*) FROM outbox")
            found.heard[service] = await _heard(connection)
            if service == "kpi":
                facts = await connection.fetch("SELECT event_id, source FROM fact")
                found.facts = {str(row["event_id"]): row["source"] for row in facts}
        finally:
            await connection.close()
        await _read(scene, service, found)
    return found


async def _heard(connection: asyncpg.Connection) -> Heard:
    offsets = await connection.fetch("SELECT topic, partition, next_offset FROM consumer_offset")
    last = await connection.fetch("SELECT source, stream, last_sequence FROM applied_sequence")
    dead = await connection.fetch('SELECT topic, partition, "offset" AS at FROM dead_letter')
    return Heard(
        {(row["topic"], row["partition"]): row["next_offset"] for row in offsets},
        {(row["source"], row["stream"]): row["last_sequence"] for row in last},
        await connection.fetchval("SELECT count(*) FROM parked_event"),
        {(row["topic"], row["partition"], row["at"]) for row in dead},
    )


async def _read(scene: Scene, service: str, found: Evidence) -> None:
    topic, told = scene.topic(service), list[tuple[str, str, int]]()
    for record in await records_of(scene.kafka, topic):
        found.ends[topic, record.partition] = record.offset + 1
        try:
            meta, _ = decode(record.value, list(record.headers))
            told.append((meta.id, meta.key, meta.sequence))
        except Undecodable:
            found.unreadable.add((topic, record.partition, record.offset))
    found.log[service] = told


async def quiet(scene: Scene) -> float:
    """Waits until nothing is under way; returns how long it took. Raises AssertionError with what still was."""
    begun = time.monotonic()
    while under_way := _under_way(await evidence(scene)):
        assert time.monotonic() - begun < QUIET_SECONDS, under_way
    return time.monotonic() - begun


def _under_way(found: Evidence) -> list[str]:
    waiting = [f"{service} has {rows} unsent" for service, rows in found.unsent.items() if rows]
    for service, heard in found.heard.items():
        waiting += [
            f"{service} is at {offset} of {found.ends.get(place, 0)} in {place}"
            for place, offset in heard.offsets.items()
            if offset < found.ends.get(place, 0)
        ]
    return waiting


async def broken(scene: Scene, ledger: Ledger) -> list[str]:
    """Each of I1 to I7 and I9 that does not hold, with what shows it. Empty is good."""
    found = await evidence(scene)
    told = [*shown_by(found), *await _of_rows(scene, found), *await _of_offsets(scene, found)]
    return [*told, *figures_broken(scene, ledger), *await _of_acts(scene, ledger)]


def shown_by(found: Evidence) -> list[str]:
    """What the evidence itself shows."""
    return [*_of_the_log(found), *_of_readers(found), *_of_kpi(found)]


def _of_the_log(found: Evidence) -> list[str]:
    told = []
    for service, journal in found.journal.items():
        log = found.log[service]
        told += _some(f"I1 {service} told and not in the log", journal.keys() - {id for id, _, _ in log})
        told += _some(f"I7 on the topic of {service} and never told", {id for id, _, _ in log} - journal.keys())
        if found.unsent[service]:
            told.append(f"I6 {service} still holds {found.unsent[service]} events")
        lasts: Counter[str] = Counter()
        for _, key, sequence in log:  # what comes again is allowed, what comes too early is not
            if sequence > lasts[key] + 1:
                told.append(f"I3 in the log of {service} {key} goes from {lasts[key]} to {sequence}")
            lasts[key] = max(lasts[key], sequence)
        numbers: defaultdict[str, list[int]] = defaultdict(list)
        for stream, sequence, _, _ in journal.values():
            numbers[stream].append(sequence)
        wrong = [key for key, each in numbers.items() if sorted(each) != list(range(1, len(each) + 1))]
        told += _some(f"I3 {service} numbered with gaps or twice", wrong)
    return told


def _of_readers(found: Evidence) -> list[str]:
    told = []
    for reader, heard in found.heard.items():
        read = {topic for topic, _ in heard.offsets}
        late = [place for place, end in found.ends.items() if place[0] in read and heard.offsets.get(place) != end]
        told += _some(f"I4 {reader} does not stand at the end", late)
        if heard.parked:
            told.append(f"I1 {reader} holds {heard.parked} events back")
        expected = {place for place in found.unreadable if place[0] in read}
        told += _some(f"I1 {reader} has not kept what was no event", expected ^ heard.unreadable)
        if reader == "kpi":
            continue
        for service, journal in found.journal.items():
            if not any(topic.endswith(service.replace("_", "-")) for topic in read):
                continue
            newest: Counter[str] = Counter()
            for stream, sequence, _, _ in journal.values():
                newest[stream] = max(newest[stream], sequence)
            behind = [key for key, last in newest.items() if heard.last.get((f"/{service}", key)) != last]
            told += _some(f"I1 {reader} has not heard all of {service}", behind)
    return told


def _of_kpi(found: Evidence) -> list[str]:
    expected = {id for service, journal in found.journal.items() if service != "kpi" for id in journal}
    facts = {id for id, source in found.facts.items() if not source.startswith("/load/")}
    return [
        *_some("I1 told and no fact", expected - facts),
        *_some("I7 a fact and never told", facts - expected),
    ]


async def _of_rows(scene: Scene, found: Evidence) -> list[str]:
    told = []
    for kind, (table, column, name) in ROWS.items():
        service = kind.partition(".")[0]
        ids = [data[name] for _, _, type_, data in found.journal[service].values() if type_ == kind]
        connection = await connected(scene, service)
        try:
            rows = await connection.fetch(
                f"SELECT {column}::text AS id FROM {table} WHERE {column}::text = ANY($1)", ids
            )
        finally:
            await connection.close()
        told += _some(f"I7 {kind} tells of no row", set(ids) - {row["id"] for row in rows})
    return told


async def _of_offsets(scene: Scene, found: Evidence) -> list[str]:
    told = []
    for reader, heard in found.heard.items():
        group = await committed(scene.kafka, f"themodel.{reader}")
        beyond = [place for place, offset in group.items() if offset > heard.offsets.get(place, 0)]
        told += _some(f"I4 Kafka has a later offset than {reader}", beyond)
    return told


def figures_broken(scene: Scene, ledger: Ledger) -> list[str]:
    """I5 and I9: as it is folded anew, conserved, and as many as people were answered."""
    verified = json.loads(scene.system.themodel("replay", "kpi", "--verify", "--json", check=False).stdout)
    told = [f"I5 {table} differs from folding anew" for table in verified["differences"]]
    with scene.system.client("kpi") as kpi:
        checks = good(kpi.get("/v1/conservation"))["checks"]
        asked = {"channel": CHANNEL, "cycles": "first", "mode": "cohort"}
        steps = good(kpi.get("/v1/funnel", params=asked))["steps"]
    told += [f"I9 not {check['en']}: {check['examples']}" for check in checks if check["broken"]]
    passes = {step["milestone"]: step["passes"] for step in steps}
    for kind in ("lead", "mql", "sql", "opportunity", "won"):
        if passes[kind] != ledger.count(kind):
            told.append(f"I9 kpi counts {passes[kind]} {kind}, people made {ledger.count(kind)}")
    along = [passes[kind] for kind in ("lead", "mql", "sql", "opportunity", "won")]
    if along != sorted(along, reverse=True) or min(along) < 0:
        told.append(f"I9 more went on than came: {passes}")
    return told


async def _of_acts(scene: Scene, ledger: Ledger) -> list[str]:
    """I2: each act that was acknowledged is there, and once."""
    places = (
        ("lead", "marketing", "SELECT id::text FROM lead WHERE channel = $1", CHANNEL),
        ("mql", "inside_sales", PROSPECTS, CHANNEL),
        ("sql", "field_sales", "SELECT id::text FROM opportunity WHERE channel = $1", CHANNEL),
        ("customer", "customer_success", "SELECT DISTINCT customer_id::text FROM contract WHERE channel = $1", CHANNEL),
    )
    told = []
    for kind, service, query, value in places:
        connection = await connected(scene, service)
        try:
            rows = Counter(row[0] for row in await connection.fetch(query, value))
        finally:
            await connection.close()
        told += _some(f"I2 acknowledged {kind} and not in {service}", ledger.acts.get(kind, {}).keys() - rows.keys())
        told += _some(f"I2 {kind} in {service} and not acknowledged", rows.keys() - ledger.acts.get(kind, {}).keys())
        told += _some(f"I2 {kind} more than once in {service}", [key for key, times in rows.items() if times > 1])
    return told


def _some(rule: str, found: Iterable[object]) -> list[str]:
    shown = sorted(map(str, found))
    return [f"{rule}: {len(shown)}, as {shown[:5]}"] if shown else []


def shown(found: Sequence[str]) -> str:
    return "\n".join(f"  {each}" for each in found)
