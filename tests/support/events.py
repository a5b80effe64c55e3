"""Any event of ours, as Hypothesis draws it from its JSON Schema."""

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from shared.contracts.asyncapi import schema_of
from shared.contracts.base import Event

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)
FORMATS: dict[str, st.SearchStrategy[Any]] = {
    "uuid": st.uuids().map(str),
    "date": st.dates(date(2000, 1, 1), date(2100, 1, 1)).map(str),
    "date-time": st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  # Hypothesis adds the zone
        datetime.isoformat
    ),
}


def events(cls: type[Event]) -> st.SearchStrategy[Event]:
    schema = schema_of(cls)
    return _object(schema, schema.get("$defs", {})).map(cls.model_validate)


def _object(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    required = schema.get("required", [])
    fields = {name: _value(found, definitions) for name, found in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: fields[name] for name in required}, optional={n: f for n, f in fields.items() if n not in required}
    )


def _value(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "anyOf" in schema:
        return st.one_of(*(_value(found, definitions) for found in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            return _object(schema, definitions)
        case "array":
            return st.lists(_value(schema["items"], definitions), max_size=3)
        case "string" if "pattern" in schema:
            return st.sampled_from(["JPY", "USD", "EUR"])
        case "string":
            return FORMATS.get(schema.get("format", ""), TEXT)
        case "integer":
            return st.integers(schema.get("minimum", -(10**9)), schema.get("maximum", 10**9))
        case "number":
            return st.floats(schema.get("minimum", -1e9), schema.get("maximum", 1e9))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    raise AssertionError(f"no way to draw {schema}")
