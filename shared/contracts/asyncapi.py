"""The events as an AsyncAPI 3 document, generated from the classes and from nothing else."""

from typing import Any

from shared.contracts import PUBLISHERS, events_of
from shared.contracts.base import Event

CONTENT = "application/cloudevents+json"


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of an event's data, as readers may rely on it."""
    found = event.model_json_schema(mode="serialization")
    found["title"] = event.type
    return found


def summary_of(event: type[Event]) -> str:
    """What happened and who says so, in one line."""
    return (event.__doc__ or "").strip().splitlines()[0]


def _message(event: type[Event]) -> dict[str, Any]:
    envelope = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "partitionkey", "sequence", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "source": {"type": "string"},
            "type": {"const": event.type},
            "time": {"type": "string", "format": "date-time", "description": "when it occurred"},
            "recordedtime": {"type": "string", "format": "date-time", "description": "when it was written down"},
            "subject": {"type": "string"},
            "partitionkey": {"type": "string", "description": "the journey"},
            "sequence": {"type": "string", "pattern": "^[0-9]{12}$", "description": "gapless per source and key"},
            "correlationid": {"type": "string"},
            "causationid": {"type": "string"},
            "replayonly": {"type": "boolean"},
            "data": {"$ref": f"#/components/schemas/{event.type}"},
        },
    }
    return {"name": event.type, "summary": summary_of(event), "contentType": CONTENT, "payload": envelope}


def document(topic_prefix: str = "themodel") -> dict[str, Any]:
    """The whole document; `topic_prefix` as the installation has it."""
    channels, operations, messages, schemas = {}, {}, {}, {}
    for publisher in PUBLISHERS:
        events = events_of(publisher)
        channels[publisher] = {
            "address": f"{topic_prefix}.{publisher.replace('_', '-')}",
            "messages": {e.type: {"$ref": f"#/components/messages/{e.type}"} for e in events},
            "bindings": {"kafka": {"partitions": 12, "topicConfiguration": {"retention.ms": -1}}},
        }
        operations[f"{publisher}_tells"] = {"action": "send", "channel": {"$ref": f"#/channels/{publisher}"}}
        for event in events:
            messages[event.type] = _message(event)
            schema = schema_of(event)
            for name, definition in schema.pop("$defs", {}).items():
                schemas[name] = definition
            schemas[event.type] = schema
    found: dict[str, Any] = _pointing(
        {
            "asyncapi": "3.0.0",
            "info": {"title": "THE MODEL", "version": "1", "description": "What the departments tell each other."},
            "defaultContentType": CONTENT,
            "channels": channels,
            "operations": operations,
            "components": {"messages": messages, "schemas": schemas},
        }
    )
    return found


def _pointing(value: Any) -> Any:
    """Definitions moved from each schema to the document's components."""
    if isinstance(value, dict):
        return {
            key: f"#/components/schemas/{found.removeprefix('#/$defs/')}"
            if key == "$ref" and isinstance(found, str) and found.startswith("#/$defs/")
            else _pointing(found)
            for key, found in value.items()
        }
    return [_pointing(found) for found in value] if isinstance(value, list) else value
