"""kpi fed with told histories, and asked over HTTP."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from aiokafka import ConsumerRecord

from deploy.history.telling import Telling
from services.kpi.app import SERVICE
from shared.contracts import Event
from tests.support import samples
from tests.support.case import Case
from tests.support.rig import MakeRig, Rig

START = datetime.fromisoformat("2025-04-02T10:00:00+09:00")
YEAR = {"from": "2025-04-01", "to": "2026-04-01", "as_of": "2026-04-01T00:00:00+09:00"}
QUARTER = {"from": "2026-04-01", "to": "2026-07-01", "as_of": "2026-06-30T15:00:00Z"}


def worked_example() -> tuple[list[Telling], Mapping[str, Any]]:
    """The example's events with those its fixtures become, and the settings it is counted by."""
    case = Case(samples.worked_example("events.jsonl").parent)
    return case.told, case.decisions


def records(rig: Rig, told: Iterable[Telling]) -> list[ConsumerRecord]:
    """As `load-events` publishes them: history, numbered in recorded order."""
    ordered = sorted(told, key=lambda telling: (telling.recorded, telling.at))
    return [
        rig.record(
            telling.event,
            telling.key,
            at=telling.at,
            source=f"/load/example/{telling.event.type.partition('.')[0]}",
            recorded=telling.recorded,
            event_id=str(telling.event_id),
            replay_only=True,
        )
        for telling in ordered
    ]


def replaced(rig: Rig, found: Sequence[ConsumerRecord]) -> list[ConsumerRecord]:
    """The same bytes, put on the topics anew in this order."""
    return [rig.raw(f"/x/{_publisher(record.topic)}", record.key.decode(), record.value) for record in found]


def _publisher(topic: str) -> str:
    return topic.rpartition(".")[2].replace("-", "_")


def shuffled(rig: Rig, told: Iterable[Telling], seed: int | None, again: int) -> list[ConsumerRecord]:
    """The same history in an order drawn by `seed` (None: backwards), some of it told `again`."""
    chance = random.Random(seed)
    found = records(rig, told)
    found += chance.choices(found, k=again) if again else []
    if seed is None:
        found.reverse()
    else:
        chance.shuffle(found)
    rig.offsets.clear()
    return replaced(rig, found)


async def take(rig: Rig, found: Sequence[ConsumerRecord], batch: int = 2000) -> None:
    for start in range(0, len(found), batch):
        await rig.hand_over(list(found[start : start + batch]))


async def decide(rig: Rig, decisions: Mapping[str, Any]) -> None:
    client = rig.client("ops_lead")
    for name, value in decisions.items():
        answer = await client.put(f"/v1/settings/{name}", json={"value": value, "valid_from": "2000-01-01"})
        assert answer.status_code == 200, answer.text


async def played(make_rig: MakeRig) -> Rig:
    """kpi with the worked example and what it is counted by."""
    rig = await make_rig(SERVICE)
    events, decisions = worked_example()
    await take(rig, records(rig, events))
    await decide(rig, decisions)
    return rig


def day(number: float) -> datetime:
    """So many days after the second of April 2025, 10:00 in Tokyo."""
    return START + timedelta(days=number)


async def tell(rig: Rig, *told: tuple[float, Event]) -> None:
    """Each event on its day."""
    for number, event in told:
        key = str(getattr(event, "lead_id", None) or event.subject)
        await rig.hand_over([rig.record(event, key, at=day(number), recorded=day(number))])


async def ask(rig: Rig, path: str, **params: str) -> Any:
    """The answer of `/v1/<path>` over the fiscal year 2025, unless asked otherwise."""
    answer = await rig.client("viewer").get(f"/v1/{path}", params={**YEAR, **params})
    assert answer.is_success, answer.text
    return answer.json()


def closes(stages: Sequence[Mapping[str, Any]]) -> None:
    """The chain of a funnel: each base is made of its parts, and what came from before is the goal before."""
    for stage in stages:
        parts = stage["base"]["parts"]
        assert stage["base"]["value"] == parts["from_previous"] + parts["outside"] + parts["opening"]
        assert min(parts.values()) >= 0
    for before, after in pairwise(stages):
        assert after["base"]["parts"]["from_previous"] == before["goal"]["value"]
