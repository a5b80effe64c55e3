"""A way between a client and a server that can be slow, cut or swallow everything, without either of them knowing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """`delay` seconds each way; `swallows` takes what is sent and passes nothing on, with every connection open; or
    only what the server says (`half_open`)."""

    host: str
    port: int
    delay: float = 0.0
    swallows: bool = False
    half_open: bool = False
    address: str = ""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def reset(self) -> None:
        """Every connection ends as by a RST."""
        for writer in list(self._writers):
            writer.transport.abort()

    def heal(self) -> None:
        """New connections pass; what was swallowed stays lost, and its connections with it."""
        self.delay, self.swallows, self.half_open = 0.0, False, False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        ways = [asyncio.create_task(self._pass(*way)) for way in ((reader, back, True), (there, writer, False))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)  # one end has closed it
        finally:
            for way in ways:
                way.cancel()
            for each in (writer, back):
                self._writers.discard(each)
                each.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asks: bool) -> None:
        lost = False
        with suppress(OSError):
            while content := await reader.read(65_536):
                lost = lost or self.swallows or (self.half_open and not asks)
                if lost:
                    continue  # a stream that has lost something can never go on
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(content)
                await writer.drain()


@asynccontextmanager
async def proxied(host: str, port: int) -> AsyncIterator[Proxy]:
    """A way to there; nobody needs to be there yet."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.address = "{}:{}".format(*server.sockets[0].getsockname())
    try:
        yield proxy
    finally:
        server.close()
        proxy.reset()
        await asyncio.sleep(0.05)
