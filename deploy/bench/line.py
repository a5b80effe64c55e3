"""A few connections that are kept open: a load must not cost more than what it measures."""

import asyncio
import json
import time
from typing import Any

KEPT_SECONDS = 3.0  # less than the server keeps an idle connection
_Open = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Line:
    """Posts JSON to one server."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._idle: list[tuple[float, _Open]] = []

    async def post(self, path: str, body: Any) -> None:
        """Raises RuntimeError for any answer but a 2xx."""
        reader, writer = await self._open()
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        text = await reader.readexactly(int(answer.split(b"content-length:")[1].split(b"\r\n")[0]))
        if not answer.split(b" ")[1].startswith(b"2"):
            raise RuntimeError(f"{path}: {text[:300]!r}")
        self._idle.append((time.monotonic(), (reader, writer)))

    async def _open(self) -> _Open:
        while self._idle:
            since, line = self._idle.pop()
            if time.monotonic() - since < KEPT_SECONDS:
                return line
            line[1].close()
        return await asyncio.open_connection("127.0.0.1", self._port)
