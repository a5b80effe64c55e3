"""The topics a service needs exist before it reads or writes; a broker that is away is waited for."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from shared.messaging.kafka import KEPT_FOR_EVER, KafkaError, ensure_topics

log = structlog.get_logger()


async def await_topics(
    servers: str, names: Sequence[str], replication: int, config: Mapping[str, str] = KEPT_FOR_EVER
) -> None:
    """Create what is missing, trying again until the broker answers."""
    while True:
        try:
            await ensure_topics(servers, names, replication, config)
            return
        except (KafkaError, OSError) as error:
            log.warning("topics wait for the broker", error=str(error)[:200])
            await asyncio.sleep(1)
