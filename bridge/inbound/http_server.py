"""The HTTP server that carriers call.

Rule of this module: it logs no request, and refuses no length that an adapter would accept: a request that aiohttp refuses
before our code runs is a text lost without notice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiohttp import web

MAX_LINE_BYTES: Final = 64 * 1024
"""Bytes of a request's first line. aiohttp's own limit is 8190, and a gateway that calls by GET writes each byte of a text
with three letters: some 1300 letters of a script beyond Latin are more."""


def make_runner(routes: Iterable[web.AbstractRouteDef], *, largest: int, patience: float = 1.0) -> web.AppRunner:
    """Make the server of these routes. `largest`: bytes of a body; `patience`: seconds that a stop waits for requests."""
    application = web.Application(client_max_size=largest)
    application.add_routes(routes)
    return web.AppRunner(
        application, access_log=None, handle_signals=False, shutdown_timeout=patience, max_line_size=MAX_LINE_BYTES
    )
