"""The wire: what every reader may rely on, and what may never be on it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts import EVENTS, PUBLISHERS, Event
from shared.contracts.asyncapi import document, schema_of, summary_of
from shared.contracts.envelope import Meta, Undecodable, decode, encode, with_sequence
from shared.contracts.evolution import breaks, golden_file
from tests.support.events import events

KINDS = sorted(EVENTS)
PERSONAL = {"name", "first_name", "last_name", "name_kana", "email", "phone", "mobile", "address", "note", "comment"}
ALLOWED_TEXT = {"feedback_given", "deal_won"}  # about the work and the product; the pages say so where it is written


def meta(event: Event, **more: Any) -> Meta:
    now = datetime(2026, 4, 1, tzinfo=UTC)
    values = {"id": "1", "source": "/x", "type": event.type, "time": now, "recorded": now, "key": "k", "sequence": 0}
    return Meta(**{**values, **more})


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_is_spelled_out_in_the_past_with_its_version(kind: str) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+\.v\d+", kind)
    assert kind.split(".")[0] in PUBLISHERS
    assert EVENTS[kind].__module__.endswith(kind.split(".")[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_the_golden_one(kind: str) -> None:
    golden = orjson.loads(golden_file(kind).read_bytes())
    assert orjson.loads(orjson.dumps(schema_of(EVENTS[kind]))) == golden, "run `make schemas` and read its difference"


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_line_says_who_says_it(kind: str) -> None:
    who = {"marketing": "arketing", "inside_sales": "nside sales", "field_sales": "ield sales"}
    line = summary_of(EVENTS[kind])
    assert (
        who.get(kind.split(".")[0], {"customer_success": "ustomer success", "kpi": "kpi"}.get(kind.split(".")[0], ""))
        in line
    )
    assert line.endswith(".")


def fields(schema: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, found in schema.get("properties", {}).items():
        yield f"{at}{name}", found
    for name, definition in schema.get("$defs", {}).items():
        yield from fields(definition, f"{name}.")


@pytest.mark.parametrize("kind", KINDS)
def test_no_personal_data_is_on_the_wire(kind: str) -> None:
    for path, _ in fields(schema_of(EVENTS[kind])):
        name = path.rpartition(".")[2]
        assert name not in PERSONAL, f"{kind} carries {path}"
        if name == "text":
            assert kind.split(".")[1] in ALLOWED_TEXT, f"{kind} carries free text"


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_an_event_survives_the_wire(kind: str, data: st.DataObject) -> None:
    event = data.draw(events(EVENTS[kind]))
    told = meta(event)
    found, body = decode(with_sequence(encode(event, told), 7), [])
    assert EVENTS[kind].model_validate(body) == event
    assert (found.sequence, found.type, found.key) == (7, kind, "k")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_reader_ignores_what_it_does_not_know(kind: str, data: st.DataObject) -> None:
    event = data.draw(events(EVENTS[kind]))
    assert EVENTS[kind].model_validate({**event.data(), "a_field_of_tomorrow": {"x": 1}}) == event


BASE: dict[str, Any] = {
    "properties": {
        "a": {"type": "string"},
        "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "c": {"enum": ["x"]},
    },
    "required": ["a"],
}


@pytest.mark.parametrize(
    ("change", "harmless"),
    [
        ({"properties": {**BASE["properties"], "d": {"type": "string"}}}, True),
        ({"properties": {"a": {"type": "string"}, "c": {"enum": ["x"]}}}, False),
        ({"properties": {**BASE["properties"], "a": {"type": "integer"}}}, False),
        ({"properties": {**BASE["properties"], "b": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}, False),
        ({"properties": {**BASE["properties"], "c": {"enum": ["x", "y"]}}}, False),
        ({"required": ["a", "c"]}, False),
        ({"required": []}, False),
    ],
)
def test_only_a_new_optional_field_keeps_the_version(change: dict[str, Any], harmless: bool) -> None:
    assert (breaks(BASE, {**BASE, **change}) == []) is harmless


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"null",
        b"[1]",
        b'"text"',
        b'{"id": 1}',
        b"\xff",
        b'{"specversion":"1.0","id":"1","source":"/m","type":"t","time":"2026-01-01","partitionkey":"k","sequence":"1","data":{}}',
        b'{"specversion":"1.0","id":"1","source":"/m","type":"t","time":"2026-01-01T00:00:00Z","partitionkey":"k","sequence":"one","data":{}}',
        b'{"specversion":"1.0","id":"1","source":"/m","type":"t","time":"2026-01-01T00:00:00Z","partitionkey":"k","sequence":"1","data":[]}',
    ],
)
def test_what_is_no_event_is_undecodable(value: bytes | None) -> None:
    with pytest.raises(Undecodable):
        decode(value, [])


def test_binary_mode_of_a_foreign_producer_is_read() -> None:
    names = {"specversion": "1.0", "id": "1", "source": "/m", "type": "t", "time": "2026-01-01T00:00:00Z"}
    more = {"partitionkey": "k", "sequence": "3"}
    found, data = decode(b'{"a": 1}', [(f"ce_{n}", v.encode()) for n, v in {**names, **more}.items()])
    assert (found.sequence, data) == (3, {"a": 1})


def test_the_document_points_only_to_what_it_holds() -> None:
    text = orjson.dumps(document()).decode()
    components = document()["components"]
    for place in re.findall(r'"\$ref":"#/components/([^"]+)"', text):
        kind, name = place.split("/", 1)
        assert name in components[kind]
    assert set(components["messages"]) == set(EVENTS)
