"""Second external ids of people and companies."""

from collections.abc import Collection
from uuid import UUID

from shared.database import Transaction

_ALIASES = "SELECT target_id, external_id FROM alias WHERE kind = $1 AND external_id = ANY($2)"


async def aliases_of(tx: Transaction, kind: str, external_ids: Collection[str]) -> dict[UUID, str]:
    """Who goes by one of these besides their own."""
    if not external_ids:
        return {}
    return {row["target_id"]: row["external_id"] for row in await tx.fetch(_ALIASES, kind, list(external_ids))}
