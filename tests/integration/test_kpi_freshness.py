"""A figure says up to when everything is counted in it, and of which departments news may be missing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka import ConsumerRecord

from services.kpi.app import SERVICE
from services.kpi.consumers import keep_fresh
from services.kpi.domain.freshness import Freshness
from shared import clock
from shared.contracts import marketing
from shared.ids import told_id
from shared.messaging import heartbeat
from shared.messaging.kafka import Outgoing, ensure_topics
from shared.messaging.loading import publish
from shared.messaging.relay import Relay
from tests.support.messaging import MakeSide, records_of, until
from tests.support.rig import MakeRig, Rig

NOON = datetime(2026, 4, 3, 3, tzinfo=UTC)


@pytest.fixture
async def kpi(make_rig: MakeRig) -> AsyncIterator[Rig]:
    """On topics of its own, listening to heartbeats."""
    rig = await make_rig(SERVICE)
    settings = rig.runtime.settings = rig.runtime.settings.model_copy(update={"topic_prefix": f"t{uuid4().hex[:8]}"})
    await ensure_topics(settings.kafka, [settings.heartbeat_topic, *map(settings.topic, SERVICE.listens)])
    task = asyncio.create_task(keep_fresh(rig.runtime))
    yield rig
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def heard(rig: Rig, *publishers: str, complete_to: datetime) -> None:
    told = [orjson.dumps({"publisher": name, "complete_to": complete_to}) for name in publishers]
    topic = rig.runtime.settings.heartbeat_topic
    await publish(rig.runtime.settings.kafka, [Outgoing(0, topic, None, "heartbeat", None, value) for value in told])


async def said(rig: Rig, **asked: str) -> dict[str, Any]:
    answer = await rig.client("viewer").get("/v1/funnel", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _late(rig: Rig, *names: str) -> bool:
    late: list[str] = (await said(rig))["late"]
    return late == list(names)


async def told(rig: Rig) -> ConsumerRecord:
    """An event that is on its topic, and that kpi has yet to take in."""
    lead = told_id("lead", "A")
    record = rig.record(marketing.LeadCreated(lead_id=lead, cycle=1), lead, at=NOON)
    await publish(rig.runtime.settings.kafka, [Outgoing(0, record.topic, record.key.decode(), "x", None, record.value)])
    return record


async def test_until_every_department_has_been_heard_a_figure_says_who_may_be_missing(kpi: Rig) -> None:
    found = await said(kpi)
    assert (found["fresh_to"], found["late"]) == (None, list(SERVICE.listens))
    now = clock.utc_now()
    await heard(kpi, "marketing", "inside_sales", "customer_success", complete_to=now)
    await until(lambda: _late(kpi, "field_sales"))
    assert (await said(kpi))["fresh_to"] is None
    earlier = now - timedelta(seconds=20)
    await heard(kpi, "field_sales", complete_to=earlier)
    await until(lambda: _late(kpi))
    assert datetime.fromisoformat((await said(kpi))["fresh_to"]) == earlier
    metric = (await kpi.client("viewer").get("/v1/metrics/lead_new")).json()
    assert (metric["fresh_to"], metric["late"]) == ((await said(kpi))["fresh_to"], [])


async def test_what_is_not_taken_in_yet_holds_the_moment_back(kpi: Rig) -> None:
    before = clock.utc_now() - timedelta(minutes=10)
    await heard(kpi, *SERVICE.listens, complete_to=before)
    await until(lambda: _is_known(kpi, before))
    record = await told(kpi)
    await heard(kpi, *SERVICE.listens, complete_to=clock.utc_now())
    await until(lambda: _late(kpi, "marketing"))
    assert datetime.fromisoformat((await said(kpi))["fresh_to"]) == before
    await kpi.hand_over([record])
    await until(lambda: _late(kpi))


async def test_a_look_at_the_past_is_fresh_where_that_past_is_known(kpi: Rig) -> None:
    known = clock.utc_now() - timedelta(hours=2)
    await heard(kpi, *SERVICE.listens, complete_to=known)
    await until(lambda: _is_known(kpi, known))
    assert (await said(kpi))["late"] == list(SERVICE.listens)
    assert (await said(kpi, as_of=(known - timedelta(hours=1)).isoformat()))["late"] == []


async def _is_known(rig: Rig, moment: datetime) -> bool:
    found = (await said(rig))["fresh_to"]
    return found is not None and datetime.fromisoformat(found) == moment


async def test_what_is_no_heartbeat_is_passed_over(kpi: Rig) -> None:
    topic, servers = kpi.runtime.settings.heartbeat_topic, kpi.runtime.settings.kafka
    junk = [
        *(b"", b"junk", b"[]", b'{"publisher": "marketing"}', b'{"publisher": [], "complete_to": 1}'),
        b'{"publisher": "marketing", "complete_to": "0001-01-01T00:00:00"}',
    ]
    await publish(servers, [Outgoing(0, topic, None, "heartbeat", None, value) for value in junk])
    await heard(kpi, "nobody", *SERVICE.listens, complete_to=clock.utc_now())
    await until(lambda: _late(kpi))


async def test_the_page_says_it_in_words(kpi: Rig) -> None:
    page = await kpi.client("viewer").get("/", headers={"accept-language": "ja"})
    assert "フィールドセールスからの新しい情報が届いていません" in page.text
    await heard(kpi, *SERVICE.listens, complete_to=clock.utc_now())
    await until(lambda: _late(kpi))
    page = await kpi.client("viewer").get("/", headers={"accept-language": "ja"})
    assert "新しい情報が届いていません" not in page.text


def test_a_department_is_late_when_its_news_are_older_than_the_bound() -> None:
    fresh = Freshness({"a": NOON, "b": NOON - timedelta(seconds=40), "c": None}, timedelta(seconds=30))
    assert fresh.late(NOON) == ["b", "c"]
    assert fresh.fresh_to is None
    assert Freshness({"a": NOON, "b": NOON - timedelta(seconds=40)}).fresh_to == NOON - timedelta(seconds=40)


async def test_a_relay_says_up_to_when_all_it_was_told_is_sent(
    sides: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.1)
    publisher, topic = await sides("marketing"), f"t{uuid4().hex[:8]}.heartbeats"
    await ensure_topics(publisher.kafka, [topic])
    publisher.start(Relay(publisher.database, publisher.kafka, "marketing", topic).run())
    await publisher.say(told_id("lead", "A"))
    since = clock.utc_now()

    async def said_since() -> bool:
        found = [orjson.loads(record.value) for record in await records_of(publisher.kafka, topic)]
        assert all(one["publisher"] == "marketing" for one in found)
        return any(datetime.fromisoformat(one["complete_to"]) > since for one in found)

    await until(said_since)
    assert await publisher.count("outbox") == 0
    await publisher.database.engine.dispose()


async def test_a_relay_whose_heartbeats_have_no_topic_goes_on_sending(sides: MakeSide) -> None:
    publisher = await sides("marketing")
    publisher.start(Relay(publisher.database, publisher.kafka, "marketing", f"t{uuid4().hex[:8]}.none").run())
    for number in range(3):
        await publisher.say(told_id("lead", str(number)))
        await until(lambda: publisher.has(0, "outbox"), 40)
