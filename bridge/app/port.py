"""The port of a bridge: one rule for leader and standby.

Rule of this module: a port that is taken, or an address that does not exist yet, is tried again for half a minute, because
a bridge that ends frees its port, and the address may come with the network. Then the start ends with a sentence that names
the remedy.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any, Final

from aiohttp import web

from bridge.app.line_files import CannotStart

PORT_WAIT_SECONDS: Final = 30.0
"""For how long a port may still be taken, for instance by a bridge that is ending."""
PORT_RETRY_SECONDS: Final = 0.5
WHY_NOT: Final = {
    errno.EADDRINUSE: "in use by another program",
    errno.EACCES: "not allowed to this account",
    errno.EADDRNOTAVAIL: "its address is none of this machine's",
}
QUEUE: Final = 1024
"""Connections that the kernel keeps for us. One that finds no room comes again after a second."""
PASSING: Final = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)


async def listen_patiently(runner: web.AppRunner, host: str, port: int, *, remedy: str) -> None:
    """Listen there, and try for up to `PORT_WAIT_SECONDS`. Raises `CannotStart` with the remedy."""
    deadline = asyncio.get_running_loop().time() + PORT_WAIT_SECONDS
    while (error := await try_to_listen(runner, host, port)) is not None:
        if error not in PASSING or asyncio.get_running_loop().time() >= deadline:
            raise CannotStart([f"port {port}: {WHY_NOT.get(error, 'cannot be listened on')}. {remedy}."])
        await asyncio.sleep(PORT_RETRY_SECONDS)


async def try_to_listen(runner: web.AppRunner, host: str, port: int) -> int | None:
    """Listen there; return None, or the errno that prevents it at the moment."""
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await site.stop()
        # From Python 3.13 on asyncio skips addresses that do not exist, and its error has no errno (gh-75743).
        return error.errno or errno.EADDRNOTAVAIL
    server: Any = site._server  # noqa: SLF001 - aiohttp's argument also sets how many are accepted at once, each a file
    for listening in server.sockets if server is not None else ():
        with socket.fromfd(listening.fileno(), listening.family, listening.type) as same:
            same.listen(QUEUE)
    return None
