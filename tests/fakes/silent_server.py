"""A forwarder between a bridge and its PostgreSQL server that can be cut: no byte passes, and no connection breaks.

Rule of this module: bytes that were under way at a cut arrive after the repair, as a network repeats them.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class SilentServer:
    """One forwarder to the server, at a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._passes = asyncio.Event()
        self._passes.set()
        self._port, self._own_port = port, 0
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, url: str) -> str:
        """Return the URL that leads through this forwarder."""
        return url.replace(f":{self._port}/", f":{self._own_port}/")

    def cut(self) -> None:
        """Forward nothing from now on, in either direction, not even the end of a connection."""
        self._passes.clear()

    def mend(self) -> None:
        """Forward everything again."""
        self._passes.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._own_port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:  # the server cannot be reached: end this connection too
            writer.close()
            return
        for source, target in ((reader, ours), (theirs, writer)):
            self._tasks.add(asyncio.create_task(self._pass_on(source, target)))

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    await self._passes.wait()
                    target.write(data)
                    await target.drain()
            await self._passes.wait()
        finally:
            target.close()
