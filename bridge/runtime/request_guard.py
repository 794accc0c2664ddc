"""A check that is made immediately before bytes of a request leave this process, for every HTTP client.

Rule of this module: the check is made once the connection is open, before each part of a request, so that a process that
was frozen in between checks when it resumes. If the check raises, the request ends and no further byte is written.

Source: docs.aiohttp.org/en/stable/tracing_reference.html (`on_request_headers_sent` and `on_request_chunk_sent` are awaited
before aiohttp writes them; aiohttp 3.14, `http_writer.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import aiohttp

Question: TypeAlias = Callable[[], Awaitable[None]]
"""Returns when bytes may leave; raises when they may not."""


def guard(session: aiohttp.ClientSession, question: Question) -> None:
    """Ask before each part of each request of a session."""
    import aiohttp  # noqa: PLC0415 - as in `bridge/carriers/http_request.py`: carriers' modules import this one

    async def ask(*_told: object) -> None:
        await question()

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(ask)
    trace.on_request_chunk_sent.append(ask)
    trace.freeze()
    session.trace_configs.append(trace)
