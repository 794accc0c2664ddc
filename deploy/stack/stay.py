"""A refusal in a container: the engine would restart it for ever, so the process does not end, and does nothing.

Rules of this module: it ends with SIGTERM or SIGINT; until then it repeats no call, holds no file and accepts no webhook.
`/live` is 503, so that the health check fails; `/running` is 200, so that Kubernetes does not restart it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from bridge.runtime.settings import split_listen_address
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable

RUNNING: Final = b"GET /running "
READ_SECONDS: Final = 5.0
BIND_SECONDS: Final = 5.0
"""Seconds between two attempts to bind the port: another process may have it, which may be the refusal's cause."""


REFUSED: Final = 2
STAYS: Final = "quietline: another start cannot mend this, so none is made; put it right, then restart the container"


def run_or_stay(verb: Callable[[], object], answer: str | None) -> NoReturn:
    """Run a verb, which ends with `SystemExit`; after exit code 2 wait for SIGTERM or SIGINT, then exit with that code.

    `answer`: HOST:PORT on which requests are answered meanwhile. Raises :class:`SetupError` when it is not valid.
    """
    try:
        where = None if answer is None else split_listen_address(answer)
    except ValueError as error:
        raise SetupError([f"--answer: {error}"]) from None
    try:
        verb()
    except SystemExit as error:
        if error.code != REFUSED:
            raise
    else:
        sys.exit(0)
    sys.stderr.write(f"{STAYS}\n")
    sys.stderr.flush()
    asyncio.run(_stay(where))
    sys.exit(REFUSED)


async def _stay(answer: tuple[str, int] | None) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    answering = loop.create_task(_answer_at(*answer)) if answer is not None else None
    await stop.wait()
    if answering is not None:
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering


async def _answer_at(host: str, port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            async with await asyncio.start_server(_answer, host, port) as server:
                await server.serve_forever()
        await asyncio.sleep(BIND_SECONDS)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request by its first line; the rest is not read."""
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(READ_SECONDS):
            request_line = await reader.readline()
            status = b"200 OK" if request_line.startswith(RUNNING) else b"503 Service Unavailable"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
    writer.close()
