"""Two acts at once about the same unwritten person or company: the second waits for the first."""

from collections.abc import Iterable
from zlib import crc32

from sqlalchemy import text

from shared.database import Transaction

BUCKETS = 1_024  # a batch of a thousand takes at most this many of the server's locks
_SPACE = 0x4D4B
_LOCK = text("SELECT pg_advisory_xact_lock(:space, bucket) FROM unnest(CAST(:buckets AS integer[])) AS bucket")


async def lock_spellings(tx: Transaction, spellings: Iterable[str]) -> bool:
    """Hold these spellings until the act ends; always in one order, so that two batches cannot deadlock.

    What is only read and known by a unique column needs no lock. False where there was nothing to hold.
    """
    buckets = sorted({crc32(spelling.encode()) % BUCKETS for spelling in spellings})
    if buckets:
        await tx.session.execute(_LOCK, {"space": _SPACE, "buckets": buckets})
    return bool(buckets)
