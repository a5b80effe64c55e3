"""Server-sent events of a service, read as they come. (httpx's ASGI transport waits for the end of an answer.)"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import FastAPI

from tests.support.rig import token


@dataclass
class Listener:
    """Who holds a stream open. `rest` is what came and was not read yet."""

    messages: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0
    rest: str = ""
    ended: bool = False

    async def block(self, seconds: float = 10) -> dict[str, str]:
        """The next block of lines by their names; a comment's name is empty."""
        async with asyncio.timeout(seconds):
            while "\r\n\r\n" not in self.rest:
                await self._more()
        block, _, self.rest = self.rest.partition("\r\n\r\n")
        return {name: value for name, _, value in (line.partition(": ") for line in block.splitlines())}

    async def event(self, seconds: float = 10) -> tuple[str, str, Any]:
        """The name, id and data of the next event."""
        while "data" not in (block := await self.block(seconds)):
            continue
        return block["event"], block["id"], orjson.loads(block["data"])

    async def silent(self, seconds: float) -> bool:
        """Whether no event comes for so long."""
        try:
            await self.event(seconds)
        except TimeoutError:
            return True
        return False

    async def _more(self) -> None:
        message = await self.messages.get()
        self.status = message.get("status", self.status)
        self.rest += message.get("body", b"").decode()
        self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}


@asynccontextmanager
async def listening(app: FastAPI, path: str, *roles: str, **params: str) -> AsyncIterator[Listener]:
    """A stream held open until the block ends, by somebody in these roles."""
    listener = Listener()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(params).encode(),
        "headers": [(b"host", b"test"), (b"authorization", f"Bearer {token(*roles)}".encode())],
        "server": ("test", 80),
        "client": ("test", 1),
    }

    async def send(message: Any) -> None:
        listener.messages.put_nowait(message)

    answering = asyncio.create_task(app(scope, listener.receive, send))
    try:
        yield listener
    finally:
        listener.gone.set()
        async with asyncio.timeout(5):
            await answering
