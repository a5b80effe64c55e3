"""CloudEvents 1.0 over Kafka: written as structured JSON, read in structured and binary mode.

The sequence is completed by the relay: a number is only known just before commit, when the payload stands already.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.clock import wire_time
from shared.contracts.base import Event

CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
NAMESPACE = "urn:themodel:schema"
REQUIRED = ("specversion", "id", "source", "type")
LAST_NUMBER = 2**63 - 1  # no database holds a larger one


class Undecodable(ValueError):
    """Bytes that are no event of ours; the message says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Meta:
    """All of an envelope but its data."""

    id: str
    source: str
    type: str
    time: datetime  # when it occurred
    recorded: datetime  # when it was written down
    key: str  # the journey it belongs to
    sequence: int
    subject: str = ""
    correlation: str | None = None
    causation: str | None = None
    replay_only: bool = False

    @property
    def stream(self) -> tuple[str, str]:
        """What the sequence counts within."""
        return self.source, self.key

    @property
    def publisher(self) -> str:
        """`/marketing` and `/load/<name>/marketing` both speak for marketing."""
        return self.source.rsplit("/", 1)[-1]


def encode(event: Event, meta: Meta) -> bytes:
    """The structured JSON of an event, without its sequence (see `with_sequence`)."""
    envelope = {
        "specversion": "1.0",
        "id": meta.id,
        "source": meta.source,
        "type": meta.type,
        "time": wire_time(meta.time),
        "subject": meta.subject or event.subject,
        "datacontenttype": "application/json",
        "dataschema": f"{NAMESPACE}:{meta.type}",
        "partitionkey": meta.key,
        "recordedtime": wire_time(meta.recorded),
        "correlationid": meta.correlation or meta.id,
        **({"causationid": meta.causation} if meta.causation else {}),
        **({"replayonly": True} if meta.replay_only else {}),
        "data": event.data(),
    }
    return orjson.dumps(envelope)


def with_sequence(payload: bytes, sequence: int) -> bytes:
    return b'%b,"sequence":"%012d"}' % (payload[:-1], sequence)


def decode(value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> tuple[Meta, dict[str, Any]]:
    """Envelope and data of a Kafka record. Raises Undecodable."""
    if value is None:
        raise Undecodable("the record has no value")
    names = {name: content for name, content in headers}
    binary = "ce_id" in names
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"no JSON: {error}") from error
    try:
        fields = {k[3:]: v.decode() for k, v in names.items() if k.startswith("ce_")} if binary else body
    except UnicodeDecodeError as error:
        raise Undecodable("a header is no UTF-8") from error
    if not isinstance(fields, dict):
        raise Undecodable("the envelope is no object")
    data = body if binary else fields.get("data")
    return _meta(fields), _object(data)


def _object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise Undecodable("data is no object")
    return data


def _meta(fields: dict[str, Any]) -> Meta:
    for name in REQUIRED:
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise Undecodable(f"{name} is missing")
    try:
        sequence = _number(fields["sequence"])
        time = _instant(fields["time"])
        return Meta(
            id=fields["id"],
            source=fields["source"],
            type=fields["type"],
            time=time,
            recorded=_instant(fields["recordedtime"]) if "recordedtime" in fields else time,
            key=str(fields["partitionkey"]),
            sequence=sequence,
            subject=str(fields.get("subject", "")),
            correlation=fields.get("correlationid"),
            causation=fields.get("causationid"),
            replay_only=fields.get("replayonly") in (True, "true"),
        )
    except KeyError as error:
        raise Undecodable(f"{error.args[0]} is missing") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise Undecodable(f"the envelope is malformed: {error}") from error


def _number(told: Any) -> int:
    if (number := int(told)) > LAST_NUMBER:
        raise ValueError("a sequence beyond 63 bits")
    return number


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("a time without a zone")
    return instant.astimezone(UTC)
