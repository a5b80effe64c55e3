"""Are the topics what the services need: there, twelve partitions, kept for ever, with all replicas in sync?"""

from collections.abc import AsyncIterator

from deploy.local.checks.finding import Finding, System, bad, ok, warning
from deploy.local.ports import SERVICES
from shared.messaging.kafka import PARTITIONS, KafkaError
from shared.messaging.kafka_admin import TopicState, describe
from shared.settings import Settings

FOR_EVER = -1


async def topics(system: System) -> AsyncIterator[Finding]:
    dead = [Settings(service=service).dead_letter_topic for service in SERVICES]
    kept, passing = [*system.publishers.values()], [*dead, system.settings.heartbeat_topic]
    try:
        cluster = await describe(system.kafka, [*kept, *passing])
    except (KafkaError, OSError):
        return  # said of Kafka
    well = True
    for name, state in cluster.topics.items():
        for finding in _wrong(name, state, keeps=name in kept):
            well = False
            yield finding
    if well:
        yield ok("topics", f"{len(cluster.topics)} topics are whole")


def _wrong(name: str, state: TopicState | None, *, keeps: bool) -> list[Finding]:
    area = f"topic {name}"
    if state is None:
        advice = "its service makes it at the start; if it was there before, see ConsumerHalted in docs/runbook.md"
        return [bad(area, "is not there", advice)]
    found = []
    if state.partitions != PARTITIONS:
        advice = "journeys would change their partition: restore the topic with twelve, never add partitions"
        found.append(bad(area, f"has {state.partitions} partitions, not {PARTITIONS}", advice))
    if state.leaderless:
        advice = "bring the broker back that led them; events wait in the outboxes meanwhile"
        found.append(bad(area, f"{state.leaderless} partitions have no leader", advice))
    if state.in_sync < state.replicas:
        level = bad if state.in_sync < state.min_in_sync else warning
        told = f"{state.in_sync} of {state.replicas} replicas are in sync, {state.min_in_sync} are needed to write"
        found.append(level(area, told, "bring the missing broker back; it catches up by itself"))
    if state.replicas > 2 and state.min_in_sync < 2:  # a cluster that could keep a second copy
        advice = "set min.insync.replicas=2 on it: an acknowledged event may be on one disk only"
        found.append(warning(area, "may acknowledge what only one broker has", advice))
    if keeps and (state.retention_ms != FOR_EVER or state.settings.get("cleanup.policy") != "delete"):
        told = f"retention.ms={state.retention_ms}, cleanup.policy={state.settings.get('cleanup.policy')}"
        advice = "set retention.ms=-1, cleanup.policy=delete: readers that are behind lose events, a replay its history"
        found.append(bad(area, f"does not keep events for ever ({told})", advice))
    return found
