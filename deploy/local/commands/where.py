"""`themodel where`: the way of every event of a journey, for whoever asks what became of it."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from deploy.local.client import answer, client, reach
from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.ports import SERVICES, Ports
from deploy.local.servers import Servers
from deploy.local.terminal import table_console

PATIENCE = 5.0  # seconds with a service that does not answer: it is often why one asks


@dataclass
class Step:
    """One event, and where it is. `place` is topic/partition@offset, empty while it is in its outbox."""

    type: str
    publisher: str
    journey: str
    sequence: int
    id: str
    since: str
    place: str = ""
    known: list[str] = field(default_factory=list)
    waits: dict[str, str] = field(default_factory=dict)  # service: why, since when
    not_yet: list[str] = field(default_factory=list)


def where(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="A lead's, opportunity's or company's id, or ext:<your id>.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show each event of a journey: in which outbox or at which offset, taken in by whom, waiting where and why."""
    silent: dict[str, str] = {}
    journeys, facts = _journeys(name, silent)
    known = {service: _asked(service, journeys, silent) for service in SERVICES}
    try:
        steps = asyncio.run(_sent(journeys))
    except CommandError as error:
        steps, silent["kafka"] = [], str(error)
    sent = {step.id for step in steps}  # what is in the log and still in its outbox is sent
    steps += [step for step in _unsent(known) if step.id not in sent]
    for step in steps:
        _place(step, known, facts)
    steps.sort(key=lambda step: (step.journey, step.since, step.publisher, step.sequence))
    if as_json:
        typer.echo(json.dumps({"events": [asdict(step) for step in steps], "silent": silent}, ensure_ascii=False))
    else:
        _print(steps, silent)
    if not steps:
        raise typer.Exit(1)


def _journeys(name: str, silent: dict[str, str]) -> tuple[list[str], set[str] | None]:
    """The keys its events may have, and the ids of those kpi has; None where kpi cannot be asked."""
    journeys: dict[str, None] = {}
    with suppress(ValueError):
        journeys[str(UUID(name))] = None
    facts: set[str] = set()
    with client("kpi", timeout=PATIENCE) as http:
        cursor: dict[str, str] = {}
        while True:
            try:
                response = reach("kpi", lambda cursor=cursor: http.get(f"/v1/journeys/{name}", params=cursor))
                if response.status_code == 404:
                    break
                page = answer(response)
            except CommandError as error:
                silent["kpi"] = str(error)
                return _named(journeys, name), None
            for ids in (page["lead_ids"], page["opportunity_ids"], page["account_ids"]):
                journeys |= dict.fromkeys(ids)
            facts |= {event["id"] for event in page["events"]}
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
    return _named(journeys, name), facts


def _named(journeys: Iterable[str], name: str) -> list[str]:
    if found := list(journeys):
        return found[:200]
    raise CommandError(f"Nothing was ever told of {name}")


def _asked(service: str, journeys: list[str], silent: dict[str, str]) -> Any:
    """What a service knows of them; None where it does not answer."""
    with client(service, timeout=PATIENCE) as http:
        try:
            return reach(service, lambda: answer(http.get("/v1/whereabouts", params={"journey": journeys})))
        except CommandError as error:
            silent[service] = str(error)
            return None


def _unsent(known: dict[str, Any]) -> list[Step]:
    return [
        Step(row["type"], service, row["journey"], row["sequence"], row["event_id"], row["since"])
        for service, found in known.items()
        if found
        for row in found["unsent"]
    ]


async def _sent(journeys: list[str]) -> list[Step]:
    """What the topics hold of them: the partitions their keys go to, read from the beginning."""
    from shared.contracts.envelope import Undecodable, decode  # imports much that other commands can do without
    from shared.messaging.kafka import KafkaError, TopicPartition, open_reader, partition_of, read_spans, whole_log
    from shared.settings import Settings

    home, ports = Home.locate(), Ports.from_environment()
    servers = Servers.from_environment(home, ports).environment()["KAFKA_BOOTSTRAP_SERVERS"]
    settings, keys = Settings(service="kpi"), {journey.encode() for journey in journeys}
    topics = [settings.topic(service) for service in SERVICES]
    places = sorted({TopicPartition(topic, partition_of(journey)) for topic in topics for journey in journeys})
    found: list[Step] = []
    try:
        async with asyncio.timeout(600), open_reader(servers, "themodel-where") as reader:
            async for records in read_spans(reader, await whole_log(reader, places)):
                for record in records:
                    if record.key in keys:
                        with suppress(Undecodable):
                            found.append(_in_the_log(record, decode(record.value, record.headers)[0]))
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        raise CommandError(f"{servers} does not answer: {error}") from error
    return found


def _in_the_log(record: Any, meta: Any) -> Step:
    at = f"{record.topic}/{record.partition}@{record.offset}"
    return Step(meta.type, meta.publisher, meta.key, meta.sequence, meta.id, meta.recorded.isoformat(), at)


def _place(step: Step, known: dict[str, Any], facts: set[str] | None) -> None:
    for service, found in known.items():
        if not found or step.publisher not in found["listens"]:
            continue
        source = f"/{step.publisher}"
        same = (source, step.journey)
        row = next(
            (w for w in found["waiting"] if (w["source"], w["journey"]) == same and w["sequence"] == step.sequence),
            None,
        )
        heard = [h["last_sequence"] for h in found["heard"] if (h["source"], h["journey"]) == same]
        if row:
            step.waits[service] = (
                f"{row['kind']}: {row['error'] or row['reason']}, since {row['since'][:19]}, {row['id']}"
            )
        elif (facts is not None and step.id in facts) if service == "kpi" else heard and heard[0] >= step.sequence:
            step.known.append(service)
        else:
            step.not_yet.append(service)


def _print(steps: list[Step], silent: dict[str, str]) -> None:
    console = table_console()
    for service, why in silent.items():
        console.print(f"[red]{service} could not be asked:[/red] {escape(why)}")
    if not steps:
        console.print("No event of it is anywhere.")
        return
    table = Table("since", "event", "number", "is", "taken in by", "not yet by", "waits", box=None, pad_edge=False)
    for step in steps:
        place = step.place or f"in the outbox of {step.publisher}"
        waits = "; ".join(f"{service} {why}" for service, why in step.waits.items())
        row = (step.since[:19].replace("T", " "), step.type, str(step.sequence), place)
        table.add_row(*row, ", ".join(step.known), ", ".join(step.not_yet), escape(waits))
    console.print(table)
