"""People speaking to the product over its public HTTP APIs, each signed in as themselves."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.local.errors import CommandError
from deploy.local.ports import SERVICES
from deploy.simulate.company import OPERATIONS, Person

PATIENCE = 120.0  # seconds: for a department to hear of the step before, or for a program to come back
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
BEHIND = re.compile(r"^themodel_(?:consumer_lag_events|outbox_unsent_rows)(?:{[^}]*})? (\S+)$", re.MULTILINE)
BUSY = frozenset({429, 502, 503, 504})


class Refused(Exception):
    """What the product said no to: `rule` is the last part of the problem's type."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            self.problem: Mapping[str, Any] = response.json()
        except ValueError:
            self.problem = {"title": response.text[:200]}
        self.status = response.status_code
        self.rule = str(self.problem.get("type", self.status)).rpartition("/")[2]
        words = self.problem.get("detail") or self.problem.get("title")
        told = f"{response.request.method} {response.request.url.path}: {self.status} {self.rule}: {words}"
        super().__init__(f"{told} {self.problem.get('errors', '')}".strip())


class NotHeard(Exception):
    """A department did not hear of the step before in all that time."""


@dataclass
class Tally:
    """What came of the calls. `known`: told before; `refused` counts by rule, with the first words of each."""

    told: int = 0
    known: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"told": self.told, "known": self.known, "refused": dict(self.refused), "words": self.words}

    def refuse(self, refused: "Refused | NotHeard") -> None:
        rule = refused.rule if isinstance(refused, Refused) else "not_heard"
        self.refused[rule] += 1
        self.words.setdefault(rule, str(refused))


class Voices:
    """`token_of` signs a person in, `patience` is in seconds. Use as an async context."""

    def __init__(
        self, address_of: Callable[[str], str], token_of: Callable[[Person], str], patience: float = PATIENCE
    ) -> None:
        self._address_of = address_of
        self._token_of = token_of
        self.patience = patience
        self._tokens: dict[str, str] = {}
        self._http = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=64))
        self.tally = Tally()

    async def __aenter__(self) -> "Voices":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def get(self, service: str, path: str, who: Person = OPERATIONS, **query: Any) -> Any:
        return (await self._send(who, "GET", service, path, params=query)).json()

    async def find(self, service: str, path: str, who: Person = OPERATIONS, **query: Any) -> Any:
        """The same, but None at once for what is not known there now."""
        try:
            return (await self._send(who, "GET", service, path, params=query, awaited=False)).json()
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    async def every(self, service: str, path: str, **query: Any) -> AsyncIterator[Any]:
        """All items of a list."""
        cursor: str | None = None
        while True:
            after = {"cursor": cursor} if cursor else query
            page = await self.get(service, path, limit=500, **(query | after))
            for item in page["items"]:
                yield item
            if (cursor := page["next_cursor"]) is None:
                return

    async def first(self, service: str, path: str, **query: Any) -> Any:
        """The first item of a list, as soon as there is one. Raises NotHeard after too long."""
        deadline, pause = time.monotonic() + self.patience, FIRST_PAUSE
        while True:
            items = (await self.get(service, path, limit=1, **query))["items"]
            if items:
                return items[0]
            if time.monotonic() > deadline:
                raise NotHeard(f"{service} {path} has nothing for {query}")
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)

    async def say(
        self, who: Person, method: str, service: str, path: str, body: Mapping[str, Any], key: str | None = None
    ) -> Any:
        """The answer. Raises Refused; what other departments have not heard of yet is said again until they have."""
        headers = {"Idempotency-Key": key} if key else {}
        response = await self._send(who, method, service, path, json=body, headers=headers)
        if "idempotency-replayed" in response.headers:
            self.tally.known += 1
        else:
            self.tally.told += 1
        return response.json() if response.content else None

    async def send_file(
        self, who: Person, service: str, resource: str, name: str, content: bytes, *, again: bool = False
    ) -> Any:
        """The import's job when it is over; that of the same file sent before, unless `again`.

        Raises Refused for a file that cannot be taken at all.
        """
        query, files = {"resource": resource, "again": again}, {"file": (name, content, "text/csv")}
        job = (await self._send(who, "POST", service, "/v1/imports", params=query, files=files)).json()
        while job["status"] not in {"finished", "failed"}:
            await asyncio.sleep(0.2)
            job = await self.get(service, f"/v1/imports/{job['id']}")
        if job["status"] == "failed":
            raise CommandError(f"{resource} could not be imported: {job['problem']['explanation']}")
        return job

    async def refused_rows(self, who: Person, service: str, job: str) -> str:
        """The page of the rows an import refused, with the reasons."""
        return (await self._send(who, "GET", service, f"/v1/imports/{job}/errors.csv")).text

    async def behind(self) -> int:
        """Events that departments have told or been told and not yet sent or read, as their metrics say."""
        total = 0.0
        for service in SERVICES:
            page = (await self._send(OPERATIONS, "GET", service, "/metrics")).text
            total += sum(float(found) for found in BEHIND.findall(page))
        return round(total)

    async def heard(self, service: str, path: str, until: Mapping[str, Any]) -> None:
        """Returns once the resource has these values. Raises NotHeard after too long."""
        deadline, pause = time.monotonic() + self.patience, FIRST_PAUSE
        while True:
            found = await self.get(service, path)
            if all(found.get(name) == value for name, value in until.items()):
                return
            if time.monotonic() > deadline:
                known = {name: found.get(name) for name in until}
                raise NotHeard(f"{service} {path} stays {known} and does not become {dict(until)}")
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)

    async def empty(self, service: str, path: str) -> None:
        """Returns once the list has nothing in it, or after a while, since others may have put something there."""
        for _ in range(30):
            if not (await self.get(service, path, limit=1))["items"]:
                return
            await asyncio.sleep(LONGEST_PAUSE)

    async def _send(
        self, who: Person, method: str, service: str, path: str, *, awaited: bool = True, **more: Any
    ) -> httpx.Response:
        """A good answer. A program that is away is waited for, as is (`awaited`) news that is on its way."""
        deadline, pause = time.monotonic() + self.patience, FIRST_PAUSE
        given = more.pop("headers", {})
        while True:
            refused: Refused | httpx.TransportError
            try:
                url, headers = f"{self._address_of(service)}{path}", {**given, **self._signed_in(who)}
                response = await self._http.request(method, url, headers=headers, **more)
                if response.is_success:
                    return response
                refused = Refused(response)
                if response.status_code == 401:
                    self._tokens.pop(who.id, None)  # it held for a while only
                elif response.status_code not in BUSY and not (awaited and "retry-after" in response.headers):
                    raise refused
            except httpx.TransportError as error:
                refused = error
            if time.monotonic() > deadline:
                if isinstance(refused, Refused):
                    raise refused
                raise CommandError(f"{service} does not answer: is `themodel up` running?") from refused
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)

    def _signed_in(self, who: Person) -> dict[str, str]:
        if who.id not in self._tokens:
            self._tokens[who.id] = self._token_of(who)
        return {"Authorization": f"Bearer {self._tokens[who.id]}"}
