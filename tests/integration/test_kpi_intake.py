"""How kpi takes events in: a set, so nothing is lost or counted twice, whatever comes in whatever order."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from sqlalchemy import text

from services.kpi.app import SERVICE
from services.kpi.commands import reading
from services.kpi.commands.folding import BY_INDEX
from services.kpi.commands.storing import by_key
from services.kpi.consumers import FactStore
from services.kpi.domain.periods import Period
from services.kpi.exporter import view_of
from services.kpi.metrics.standing import gaps
from shared import instruments
from shared.contracts import customer_success, field_sales, marketing
from shared.contracts.envelope import Meta, encode, with_sequence
from shared.ids import new_id, told_id
from shared.messaging.consumer import Batch
from shared.messaging.kafka import partition_of
from shared.messaging.offsets import Fenced
from shared.money import Money
from tests.support.kpi import replaced
from tests.support.rig import MakeRig, Rig

LEAD = told_id("lead", "L1")
AT = datetime(2026, 4, 3, tzinfo=UTC)


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def created(lead: UUID = LEAD, **more: Any) -> marketing.LeadCreated:
    return marketing.LeadCreated(lead_id=lead, cycle=1, external_id="L1", **more)


async def rows(rig: Rig, query: str, **bound: Any) -> list[Any]:
    async with rig.database.reading() as session:
        return list(await session.execute(text(query), bound))


async def one(rig: Rig, query: str, **bound: Any) -> Any:
    return (await rows(rig, query, **bound))[0][0]


async def leads(rig: Rig) -> int:
    params = {"from": "2026-04-01", "to": "2026-05-01"}
    answer = await rig.client("viewer").get("/v1/metrics/lead_cycles", params=params)
    found: int = answer.json()["value"]
    return found


async def test_an_event_told_again_changes_nothing(kpi: Rig) -> None:
    record = kpi.record(created(), LEAD, at=AT)
    await kpi.hand_over([record])
    await kpi.hand_over(replaced(kpi, [record, record]))
    assert await leads(kpi) == 1
    assert await one(kpi, "SELECT count(*) FROM fact") == 1
    assert (await rows(kpi, "SELECT seen, highest, gap_since FROM stream_state")) == [(1, 1, None)]


async def test_a_missing_number_is_watched_and_holds_nothing_up(kpi: Rig) -> None:
    late = kpi.record(created(), LEAD, at=AT, sequence=1)
    second = kpi.record(marketing.MqlCreated(lead_id=LEAD, cycle=1), LEAD, at=AT, sequence=2)
    kpi.offsets.clear()
    await kpi.hand_over(replaced(kpi, [second]))
    assert await one(kpi, "SELECT count(*) FROM passage WHERE milestone = 'mql'") == 1
    assert await one(kpi, "SELECT count(*) FROM stream_state WHERE gap_since IS NOT NULL") == 1
    assert await _gaps(kpi, timedelta(seconds=30)) == 0
    assert await _gaps(kpi, timedelta(seconds=90)) == 1
    await kpi.hand_over(replaced(kpi, [late]))
    assert await _gaps(kpi, timedelta(seconds=90)) == 0
    assert await leads(kpi) == 1


async def _gaps(rig: Rig, later: timedelta) -> int:
    async with rig.database.reading() as session:
        view = await view_of(session, rig.runtime, Period(AT.date(), AT.date() + timedelta(days=1)))
        return await gaps(view.with_question(as_of=view.question.as_of + later))


@pytest.mark.parametrize(
    "value",
    [b"", b"{", None, b'{"specversion": "1.0"}'],
)
async def test_what_is_no_event_goes_to_the_dead_letters(kpi: Rig, value: bytes | None) -> None:
    await kpi.hand_over([kpi.raw("/marketing", "k", value), kpi.record(created(), "k", at=AT)])
    assert await leads(kpi) == 1
    (letter,) = await rows(kpi, "SELECT topic, payload FROM outbox WHERE type = 'dead_letter'")
    assert letter.topic == "themodel.dead-letters.kpi"
    assert orjson.loads(letter.payload)["value"] == (value or b"").hex()


async def test_an_event_of_a_publisher_that_does_not_speak_there_is_no_event(kpi: Rig) -> None:
    meta = Meta(str(new_id()), "/inside_sales", created().type, AT, AT, "k", 1)
    await kpi.hand_over([kpi.raw("/marketing", "k", with_sequence(encode(created(), meta), 1))])
    assert await one(kpi, "SELECT count(*) FROM outbox WHERE type = 'dead_letter'") == 1


def envelope(kind: str, data: dict[str, Any], event_id: str | None = None, sequence: int = 1) -> bytes:
    body = {"specversion": "1.0", "id": event_id or str(new_id()), "source": f"/{kind.partition('.')[0]}", "type": kind}
    more = {"time": "2026-04-03T00:00:00Z", "partitionkey": "k", "sequence": str(sequence), "data": data}
    return orjson.dumps({**body, **more})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (envelope("marketing.lead_created.v2", {"lead_id": str(LEAD)}), "newer"),
        (envelope("marketing.lead_created.v1", {"lead_id": "nobody", "cycle": 1}), "schema"),
        (envelope("marketing.lead_created.v1", {"lead_id": str(LEAD), "cycle": 1}, "not-a-uuid"), "UUID"),
        (envelope("marketing.lead_created.v1", {"lead_id": str(LEAD), "cycle": 1, "channel": "a\u0000b"}), "u0000"),
    ],
)
async def test_an_event_that_cannot_be_used_waits_and_holds_nothing_up(kpi: Rig, value: bytes, why: str) -> None:
    bad = kpi.raw("/marketing", "k", value)
    await kpi.hand_over([bad, kpi.record(created(told_id("lead", "L2")), "k", at=AT, sequence=2)])
    assert await leads(kpi) == 1
    (parked,) = await rows(kpi, "SELECT reason, error, value FROM parked_event")
    assert parked.reason == "poison"
    assert bytes(parked.value) == value
    assert why in parked.error.lower() or why in parked.error


async def test_what_waits_is_taken_once_it_can_be(kpi: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"lead_id": str(LEAD), "cycle": 1}
    monkeypatch.setitem(reading.VERSIONS, "marketing.lead_created", 0)
    await kpi.hand_over([kpi.raw("/marketing", "k", envelope("marketing.lead_created.v1", data))])
    assert await kpi.run_rule("redrive") == 0
    assert await one(kpi, "SELECT count(*) FROM parked_event") == 1
    monkeypatch.undo()
    assert await kpi.run_rule("redrive") == 1
    assert await one(kpi, "SELECT count(*) FROM parked_event") == 0
    assert await leads(kpi) == 1


async def test_an_event_nobody_told_us_of_is_kept(kpi: Rig) -> None:
    await kpi.hand_over([kpi.raw("/marketing", "k", envelope("marketing.voided.v1", {"type": "x"}))])
    assert await one(kpi, "SELECT type FROM fact") == "marketing.voided.v1"


async def test_batches_are_counted_by_outcome(kpi: Rig) -> None:
    def number(outcome: str) -> float:
        labels = {"service": "kpi", "type": "marketing.lead_created.v1", "outcome": outcome}
        return instruments.registry.get_sample_value("themodel_consumer_events_total", labels) or 0

    before = number("applied"), number("duplicate")
    record = kpi.record(created(), LEAD, at=AT)
    await kpi.hand_over([record, *replaced(kpi, [record])])
    assert (number("applied"), number("duplicate")) == (before[0] + 1, before[1] + 1)


async def test_what_a_person_was_called_goes_with_them_whatever_was_told_first(kpi: Rig) -> None:
    await kpi.deliver(created(), LEAD, at=AT)
    await kpi.deliver(marketing.LeadErased(lead_id=LEAD), LEAD, at=AT + timedelta(days=1))
    mql = marketing.MqlCreated(lead_id=LEAD, cycle=1, external_id="L1", channel="ads")
    await kpi.deliver(mql, LEAD, at=AT + timedelta(hours=1))
    assert await one(kpi, "SELECT count(*) FROM fact WHERE data::text LIKE '%L1%' OR reference = 'L1'") == 0
    assert await leads(kpi) == 1
    assert (await kpi.client("viewer").get(f"/v1/journeys/{LEAD}")).status_code == 200


async def test_people_found_to_be_one_are_counted_once_until_taken_apart(kpi: Rig) -> None:
    other = told_id("lead", "L2")
    await kpi.deliver(created(), LEAD, at=AT)
    await kpi.deliver(created(other), other, at=AT)

    async def people() -> list[int]:
        params = {"from": "2026-04-01", "to": "2026-05-01"}
        funnel = (await kpi.client("viewer").get("/v1/funnel", params=params)).json()
        step = next(step for step in funnel["steps"] if step["milestone"] == "lead")
        return [step["passes"], step["unique"]]

    assert await people() == [2, 2]
    await kpi.deliver(marketing.LeadMerged(lead_id=LEAD, merged_lead_id=other), LEAD, at=AT + timedelta(days=1))
    assert await people() == [2, 1]
    await kpi.deliver(marketing.LeadUnmerged(lead_id=LEAD, merged_lead_id=other), LEAD, at=AT + timedelta(days=2))
    assert await people() == [2, 2]


async def test_merged_companies_are_one_customer(kpi: Rig) -> None:
    one_company, other = told_id("account", "A"), told_id("account", "B")
    for number, account in enumerate((one_company, other)):
        contract = new_id()
        started = customer_success.ContractStarted(
            account_id=account,
            contract_id=contract,
            opening_key=str(contract),
            mrr=Money(amount=100, currency="JPY"),
            starts_on=AT.date(),
        )
        await kpi.deliver(started, account, at=AT + timedelta(days=number))
    assert await _kinds(kpi) == ["new", "new"]
    merged = marketing.AccountMerged(account_id=one_company, merged_account_id=other)
    await kpi.deliver(merged, one_company, at=AT + timedelta(days=9))
    assert await _kinds(kpi) == ["new", "expansion"]


async def _kinds(rig: Rig) -> list[str]:
    return [row.kind for row in await rows(rig, "SELECT kind FROM movement WHERE basis = 'booked' ORDER BY at")]


async def test_facts_are_looked_up_by_key_however_few_there_were_when_that_was_planned(kpi: Rig) -> None:
    for lead in (told_id("lead", str(number)) for number in range(40)):
        await kpi.deliver(created(lead), lead, at=AT)
    async with kpi.database.transaction() as tx:
        await tx.fetch("ANALYZE fact")
        await tx.fetch(BY_INDEX, "off")
        for column in ("lead_id", "opportunity_id", "account_id", "reference"):
            await tx.fetch(f"PREPARE by_{column} AS {by_key(column)}")
            plan = "\n".join(row[0] for row in await tx.fetch(f"EXPLAIN EXECUTE by_{column}('{{}}', '{{}}')"))
            assert f"Index Cond: ({column} = k.key)" in plan


async def test_two_workers_that_learn_of_one_journey_at_once_both_count(kpi: Rig) -> None:
    """Its lead's events and its opportunity's lie in different partitions, so nothing else keeps them apart."""
    opportunity = told_id("opportunity", "D1")
    key = next(name for name in map(str, range(100)) if partition_of(name) != partition_of(str(LEAD)))
    opened = field_sales.OpportunityOpened(opportunity_id=opportunity)
    linked = field_sales.OpportunityLinked(opportunity_id=opportunity, lead_id=LEAD, cycle=1)
    told = [
        kpi.record(created(channel="ads"), LEAD, at=AT),
        kpi.record(opened, key, at=AT + timedelta(days=1)),
        kpi.record(linked, key, at=AT + timedelta(days=1)),
        kpi.record(field_sales.DealWon(opportunity_id=opportunity), key, at=AT + timedelta(days=2)),
    ]
    publishers = {kpi.runtime.settings.topic(name): name for name in SERVICE.listens}
    await asyncio.gather(*(_worker(FactStore(kpi.runtime, publishers), [record]) for record in told[:2]))
    await asyncio.gather(*(_worker(FactStore(kpi.runtime, publishers), [record]) for record in told[2:]))
    assert await rows(kpi, "SELECT lead_id, channel FROM passage WHERE milestone = 'won'") == [(LEAD, "ads")]


async def _worker(store: FactStore, records: list[ConsumerRecord]) -> None:
    batch: Batch = {TopicPartition(record.topic, record.partition): [record] for record in records}
    await store.load(list(batch))
    for _ in range(50):
        try:
            await store.apply({place: (found[0].offset, found[0].offset + 1) for place, found in batch.items()}, batch)
            await store.close()
            return
        except Fenced:  # the other worker has a partition of the same number
            await asyncio.sleep(0.02)
    raise AssertionError("never owned its partition")
