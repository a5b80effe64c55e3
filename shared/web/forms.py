"""What a person typed into a form, as the body of an API call; and that call, inside the process."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
from fastapi import Request

from shared.web.lists import Act, Ask, Body, Field

FORWARDED = ("authorization", "cookie", "origin", "referer", "host", "traceparent")


async def call(request: Request, method: str, path: str, **more: Any) -> httpx.Response:
    """The service's own API as the person who is signed in: same door, same rules, same answer as for any client."""
    headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
    headers |= {"accept": "application/json", **more.pop("headers", {})}
    transport = httpx.ASGITransport(app=request.app)
    async with httpx.AsyncClient(transport=transport, base_url=str(request.base_url)) as client:
        return await client.request(method, path, headers=headers, **more)


def read(given: Mapping[str, str], fields: tuple[Field, ...], zone: ZoneInfo) -> Body:
    """The values that were typed; an empty field is no value. What is no number goes on as it is, to be refused."""
    typed = {field.name: given.get(field.name, "").strip() for field in fields}
    body: Body = {}
    for field in fields:
        if typed[field.name]:
            _put(body, field.name, _value(field.ask, typed[field.name], zone))
    return body


def _put(body: Body, name: str, value: Any) -> None:
    """`appointment.start_at` stands inside `appointment`."""
    *outer, last = name.split(".")
    for part in outer:
        body = body.setdefault(part, {})
    body[last] = value


def _value(ask: Ask, text: str, zone: ZoneInfo) -> Any:
    match ask:
        case Ask.NUMBER | Ask.MONEY:
            return _number(text)
        case Ask.YES_NO:
            return {"yes": True, "no": False}.get(text, text)
        case Ask.LINES:
            return [line.strip() for line in text.splitlines() if line.strip()]
        case Ask.MOMENT:
            return _instant(text, zone)
        case _:
            return text


def _number(text: str) -> int | float | str:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _instant(text: str, zone: ZoneInfo) -> str:
    """A browser's local date and time means the company's zone."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).isoformat()
    except ValueError:
        return text


def target(act: Act, record_id: str, body: Body) -> tuple[str, Body]:
    """Where the act goes and what is left for its body."""
    named = {name: value for name, value in body.items() if f"{{{name}}}" in act.to}
    rest = {name: value for name, value in body.items() if name not in named}
    places = {name: quote(str(value), safe="") for name, value in {"id": record_id, **named}.items()}
    return act.to.format(**places), act.shape(rest)
