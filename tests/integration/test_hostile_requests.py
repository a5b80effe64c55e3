"""Nothing a client can send makes a 500: every operation of every service, with hostile values in every place.

The requests are built from what each service says of itself in OpenAPI, one bad value at a time beside good ones, so
that each is met by the rule behind it and not by another one before.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from services.customer_success.app import SERVICE as CUSTOMER_SUCCESS
from services.field_sales.app import SERVICE as FIELD_SALES
from services.inside_sales.app import SERVICE as INSIDE_SALES
from services.kpi.app import SERVICE as KPI
from services.marketing.app import SERVICE as MARKETING
from shared.ids import new_id
from shared.service import Service
from tests.support.rig import MakeRig, Rig

# By the type a property has: what passes a first look and may break what lies behind it; and one of another type.
HOSTILE: dict[str, tuple[Any, ...]] = {
    "string": ("a\x00b", "\ud83d", "😀𠮷ｱ" * 5_000, 7),
    "date": ("0001-01-01", "9999-12-31", "2026-02-30"),
    "date-time": ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", 1e308),
    "integer": (-1, 2**31, 10**30, 0.5),
    "number": (-1, 1e308, "NaN"),
    "boolean": ("maybe",),
    "array": ([], [None], {}),
    "object": ({"a\x00b": 1}, {"amount": 10**20, "currency": "JPY"}, {"amount": 0.001, "currency": "ZZZ"}, []),
}
PLACES = ("nonsense", "ext:", "ext:%00", quote("ext:😀"), "%2e%2e%2f", "ext:" + "x" * 2_000)
ASKED = ("", "nonsense", "%00", str(2**70), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "x" * 3_000)
BODIES = (
    b"",
    b"{",
    b"nul",
    b"[]",
    b'"x"',
    b"\xff\xfe",
    b'{"a":' * 2_000,
    b'{"a":NaN}',
    b'{"a":1,"a":2}',
    b'{"\\u0000":1}',
)

Operation = tuple[str, str, dict[str, Any]]


def resolved(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    options = [one for kind in ("anyOf", "oneOf", "allOf") for one in schema.get(kind, ()) if one.get("type") != "null"]
    return resolved(options[0], known) if options else schema


def good(schema: dict[str, Any], known: dict[str, Any], depth: int = 0) -> Any:
    """Some value the schema allows, with every property."""
    for source in (schema, schema := resolved(schema, known)):
        for told in ("const", "default"):
            if source.get(told) is not None:
                return source[told]
        if examples := source.get("examples"):
            return examples[0]
        if enum := source.get("enum"):
            return enum[0]
    if schema.get("type") == "object":
        return {name: good(part, known, depth + 1) for name, part in schema.get("properties", {}).items() if depth < 4}
    if schema.get("type") == "array":
        return [good(schema.get("items", {}), known, depth + 1)] if depth < 4 else []
    formats = {"uuid": str(new_id()), "date": "2026-10-01", "date-time": "2026-10-01T09:00:00+09:00", "email": "a@b.jp"}
    simple = {"integer": 1, "number": 1, "boolean": True, "string": formats.get(schema.get("format", ""), "x1")}
    return simple.get(schema.get("type", ""), "x")


def operations(api: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in sorted(api["paths"].items()):
        for method, operation in sorted(methods.items()):
            yield method.upper(), path, operation


def bodies(operation: dict[str, Any], known: dict[str, Any]) -> Iterator[bytes]:
    """Each property in turn with each hostile value, also one level down; then what is no such object at all."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return
    whole = good(schema, known)
    yield dumped(whole)
    for path, kind in places(schema, known):
        for value in (*HOSTILE.get(kind, ()), None):
            yield dumped(changed(whole, path, value))
    yield from BODIES


def places(
    schema: dict[str, Any], known: dict[str, Any], depth: int = 0
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where something may stand in a body, down to what is inside a list, and of which type it is."""
    schema = resolved(schema, known)
    kind = next((said for name in ("format", "type") if (said := schema.get(name)) in HOSTILE), "string")
    yield (), kind
    if depth < 3:
        for name, part in schema.get("properties", {}).items():
            for rest, inner in places(part, known, depth + 1):
                yield (name, *rest), inner
        if "items" in schema:
            for rest, inner in places(schema["items"], known, depth + 1):
                yield (0, *rest), inner


def changed(whole: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        return [changed(whole[0] if whole and isinstance(whole, list) else None, rest, value)]
    held = whole if isinstance(whole, dict) else {}
    return {**held, head: changed(held.get(head), rest, value)}


def dumped(body: Any) -> bytes:
    """As JSON with escapes, so that half of a surrogate pair can be said."""
    return json.dumps(body).encode()


def addresses(path: str, operation: dict[str, Any], some: dict[str, str]) -> Iterator[str]:
    """The path with a known, an unknown and hostile places; then hostile questions."""
    names = [part["name"] for part in operation.get("parameters", ()) if part["in"] == "path"]
    usual = {name: some.get(path.split("{")[0].rstrip("/"), str(new_id())) for name in names}
    base = filled(path, usual)
    yield base
    for name, place in itertools.product(names, (str(new_id()), *PLACES)):
        yield filled(path, {**usual, name: place})
    for part in operation.get("parameters", ()):
        if part["in"] == "query":
            for value in ASKED:
                yield f"{base}?{part['name']}={value}"


def filled(path: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        path = path.replace(f"{{{name}}}", place)
    return path


class Hostile:
    """A client of one service that remembers which answers were none."""

    def __init__(self, client: httpx.AsyncClient, api: dict[str, Any]) -> None:
        self.client, self.known = client, api["components"]["schemas"]
        self.operations = [found for found in operations(api) if not _endless(found[2])]
        self.sent, self.broken = 0, list[str]()

    async def send(self, method: str, address: str, content: bytes | None = None) -> httpx.Response:
        headers = {"Content-Type": "application/json"} if content is not None else {}
        answer = await self.client.request(method, address, content=content, headers=headers)
        self.sent += 1
        problem = answer.headers.get("content-type", "").startswith("application/problem+json")
        if answer.status_code >= 500 or (answer.status_code >= 400 and not problem):
            said = (content or b"")[:200]
            self.broken.append(f"{method} {address[:150]} {said!r}: {answer.status_code} {answer.text[:300]}")
        return answer

    async def make_some(self) -> dict[str, str]:
        """One of each thing that can be made from nothing, by the path of its list."""
        for method, path, operation in self.operations:
            if method in ("POST", "PUT") and "{" not in path:
                await self.send(method, path, next(bodies(operation, self.known), None))
        found = {}
        for method, path, _ in self.operations:
            if method == "GET" and "{" not in path and path.startswith("/v1/"):
                answer = await self.send(method, path)
                told = answer.json() if answer.is_success else None
                items = told.get("items") if isinstance(told, dict) else None
                if items and "id" in items[0]:
                    found[path] = str(items[0]["id"])
        return found

    async def walk(self) -> None:
        some = await self.make_some()
        for method, path, operation in self.operations:
            for address in addresses(path, operation, some):
                await self.send(method, address, next(bodies(operation, self.known), None))
            address = next(addresses(path, operation, some))
            for content in bodies(operation, self.known):
                await self.send(method, address, content)


def _endless(operation: dict[str, Any]) -> bool:
    return "text/event-stream" in operation.get("responses", {}).get("200", {}).get("content", {})


@pytest.mark.parametrize("service", [MARKETING, INSIDE_SALES, FIELD_SALES, CUSTOMER_SUCCESS, KPI], ids=lambda s: s.name)
async def test_every_answer_is_an_answer(make_rig: MakeRig, service: Service) -> None:
    rig: Rig = await make_rig(service)
    client = rig.client("admin")
    hostile = Hostile(client, (await client.get("/openapi.json")).json())
    await hostile.walk()
    assert hostile.broken == []
    assert hostile.sent > 500
