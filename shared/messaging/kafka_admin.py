"""What the brokers say of themselves and of topics; asked by people, not by services."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.messaging.kafka import CLOSE_TIMEOUT, MessageSizeTooLargeError, close_within

NO_ERROR = 0
LARGEST_BATCH = 1_048_588  # what a broker takes by default


@dataclass(frozen=True)
class TopicState:
    """Of its partitions the worst: the fewest replicas, the fewest of them in sync."""

    partitions: int
    leaderless: int
    replicas: int
    in_sync: int
    settings: dict[str, str] = field(default_factory=dict)  # as Kafka names them

    @property
    def retention_ms(self) -> int:
        """-1: for ever."""
        return int(self.settings["retention.ms"])

    @property
    def min_in_sync(self) -> int:
        return int(self.settings["min.insync.replicas"])


@dataclass(frozen=True)
class ClusterState:
    """`topics` holds None for one that is not there."""

    brokers: int
    topics: dict[str, TopicState | None]


async def describe(servers: str, names: Sequence[str]) -> ClusterState:
    """The cluster and these topics. Raises KafkaError or OSError where it does not answer."""
    async with _admin(servers) as admin:
        cluster = await admin.describe_cluster()
        there = set(await admin.list_topics()) & set(names)
        found = {each["topic"]: each for each in await admin.describe_topics(sorted(there))} if there else {}
        settings = await _settings(admin, sorted(there)) if there else {}
    states = {
        name: _state(found[name]["partitions"], settings.get(name, {}))
        if name in found and found[name]["error_code"] == NO_ERROR
        else None
        for name in names
    }
    return ClusterState(len(cluster["brokers"]), states)


async def _settings(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    return {
        resource["resource_name"]: {each["config_names"]: each["config_value"] for each in resource["config_entries"]}
        for response in await admin.describe_configs(asked)
        for resource in response.to_object()["resources"]
    }


def _state(partitions: Sequence[Any], settings: dict[str, str]) -> TopicState:
    return TopicState(
        partitions=len(partitions),
        leaderless=sum(each["leader"] < 0 for each in partitions),
        replicas=min(len(each["replicas"]) for each in partitions),
        in_sync=min(len(each["isr"]) for each in partitions),
        settings=settings,
    )


@asynccontextmanager
async def _admin(servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=10_000)
    try:
        await admin.start()
        yield admin
    finally:
        await close_within(CLOSE_TIMEOUT, admin.close())


@dataclass(frozen=True, slots=True)
class Record:
    """As it lies on a topic; `timestamp` in milliseconds since the epoch."""

    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


async def append(servers: str, topic: str, records: Mapping[int, Sequence[Record]]) -> None:
    """Put records at the ends of partitions exactly as they are, in order: for what a backup holds."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        max_batch_size=LARGEST_BATCH,
        max_request_size=2 * LARGEST_BATCH,
    )
    try:
        await producer.start()
        for partition, found in records.items():
            batch = producer.create_batch()
            for record in found:
                if not _added(batch, record):
                    await (await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    if not _added(batch, record):
                        raise MessageSizeTooLargeError(f"{topic}/{partition}: {len(record.value or b'')} bytes")
            await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await close_within(CLOSE_TIMEOUT, producer.stop())


def _added(batch: Any, record: Record) -> bool:
    told = batch.append(key=record.key, value=record.value, timestamp=record.timestamp, headers=record.headers)
    return told is not None


async def committed(servers: str, group: str) -> dict[tuple[str, int], int]:
    """What Kafka knows of a group's offsets, by topic and partition: for lag tools, never what a reader goes by."""
    async with _admin(servers) as admin:
        found = await admin.list_consumer_group_offsets(group)
    return {(place.topic, place.partition): told.offset for place, told in found.items() if told.offset >= 0}
