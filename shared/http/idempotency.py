"""Idempotency-Key: the same key and body get the first 2xx answer again for 24 hours, decided by one row.

The row is claimed in the act's own transaction, so a refused act leaves no trace and a concurrent twin waits for
the first to end. An answer is remembered with the roles it was given to, for it may show what only they may see. The
same subject gets it again while holding all of them, or admin; otherwise is refused, and never acts a second time.
"""

import hashlib
from datetime import timedelta

import orjson
from sqlalchemy import Column, DateTime, Integer, LargeBinary, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from shared import clock
from shared.auth import User
from shared.errors import Forbidden, Invalid, Refused
from shared.line import fetch
from shared.messaging.outbox import plumbing
from shared.sqlerrors import sqlstate

KEEP = timedelta(hours=24)
LONGEST = 255
KEPT_HEADERS = ("etag", "location", "content-type")
ROLES = "roles"  # kept beside the headers: no header of ours has that name

idempotency_key = Table(
    "idempotency_key",
    plumbing,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("status", Integer),
    Column("headers", JSONB),
    Column("body", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
)

_CLAIM = text("""
INSERT INTO idempotency_key (scope, key, body_hash) VALUES (:scope, :key, :hash)
ON CONFLICT (scope, key) DO UPDATE SET body_hash = excluded.body_hash, status = NULL, created_at = now()
WHERE idempotency_key.created_at < :expired RETURNING 1
""")
_STORED = text("SELECT body_hash, status, headers, body FROM idempotency_key WHERE scope = :scope AND key = :key")
_REMEMBER = """
UPDATE idempotency_key SET status = $3, headers = $4::text::jsonb, body = $5 WHERE scope = $1 AND key = $2
"""
_FORGET = text("DELETE FROM idempotency_key WHERE created_at < :expired")


class Claim:
    """One request's hold on its key; without a key nothing is held and nothing remembered."""

    def __init__(self, request: Request, user: User, body: bytes) -> None:
        self.key = request.headers.get("idempotency-key")
        self._user = user
        self._scope = f"{user.subject} {request.method} {request.url.path}"
        self._hash = hashlib.sha256(request.url.query.encode() + b"\n" + body).digest()
        if self.key is not None and (not 0 < len(self.key) <= LONGEST or not self.key.isprintable()):
            raise Invalid("Idempotency-Key", f"1 to {LONGEST} printable characters")

    async def take(self, session: AsyncSession) -> Response | None:
        """The remembered answer of an earlier twin, or None: go on. Raises Refused `in_flight`, Forbidden, Invalid."""
        if self.key is None:
            return None
        place = {"scope": self._scope, "key": self.key}
        try:
            expired = clock.utc_now() - KEEP
            mine = await session.scalar(_CLAIM, {**place, "hash": self._hash, "expired": expired})
        except Exception as error:
            if sqlstate(error) == "55P03":
                raise Refused("The first request with this key is still running", rule="in_flight") from error
            raise
        if mine:
            return None
        stored = (await session.execute(_STORED, place)).one()
        kept = dict(stored.headers or {})
        if not self._user.covers(kept.pop(ROLES, ())):
            raise Forbidden("The first request with this key was made in roles you do not hold now")
        if stored.body_hash != self._hash:
            raise Invalid("Idempotency-Key", "this key was used with another body", rule="idempotency_key_reused")
        return Response(stored.body, stored.status, {**kept, "Idempotency-Replayed": "true"})

    async def remember(self, session: AsyncSession, response: Response) -> None:
        if self.key is None:
            return
        headers = {name: value for name, value in response.headers.items() if name in KEPT_HEADERS}
        kept = orjson.dumps({**headers, ROLES: sorted(self._user.roles)}).decode()
        await fetch(session, _REMEMBER, self._scope, self.key, response.status_code, kept, bytes(response.body))


async def forget_expired(session: AsyncSession) -> None:
    await session.execute(_FORGET, {"expired": clock.utc_now() - KEEP})
