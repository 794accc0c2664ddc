"""A mail server on a real socket: it accepts every mail, and can be slow at a step that the test names."""

from __future__ import annotations

import asyncio
import email
import ssl
from collections.abc import Awaitable, Callable
from email.message import Message
from typing import Self


async def nothing() -> None:
    """Wait for nothing."""


class MailServer:
    """`taken`: mails, and their `recipients`. `greet`, `on_data`: awaited before the greeting, and before a mail's content.

    `begun`: the number of connections. `commands`: every line except a mail's content. `goodbye`: the answer to QUIT.
    `refused`: an address that it does not take. `tls`: TLS begins at once.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.taken: list[Message] = []
        self.recipients: list[str] = []
        self.commands: list[bytes] = []
        self.begun, self.port, self.goodbye = 0, 0, b"221 bye"
        self.refused = ""
        self.greet: Callable[[], Awaitable[object]] = nothing
        self.on_data: Callable[[], Awaitable[object]] = nothing

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.begun += 1
        await self.greet()
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            self.commands.append(line)
            match line.split(b":")[0].split()[0].upper():
                case b"DATA":
                    await self.on_data()
                    writer.write(b"354 go\r\n")
                    try:
                        self.taken.append(email.message_from_bytes(await reader.readuntil(b"\r\n.\r\n")))
                    except asyncio.IncompleteReadError:
                        break
                case b"RCPT":
                    if self.refused and self.refused in line.decode():
                        writer.write(b"550 no such person\r\n")
                        continue
                    self.recipients.append(line.decode().strip())
                case b"QUIT":
                    writer.write(self.goodbye + b"\r\n")
                    break
            writer.write(b"250 ok\r\n")
        writer.close()
