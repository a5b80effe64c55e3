"""Identifiers: UUIDv7 for everything we mint, deterministic UUIDv5 for what another system told us."""

import os
import time
from uuid import NAMESPACE_URL, UUID, uuid5


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then randomness, so that ids sort by time of birth."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def told_id(kind: str, external_id: str) -> UUID:
    """The id of a thing another system told us of: the same for the same external id, whoever computes it."""
    return uuid5(NAMESPACE_URL, f"themodel:{kind}:{external_id}")
