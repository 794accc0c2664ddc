"""A web application, or one answer to every request, served on this machine during a block of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

HOST = "127.0.0.1"


@asynccontextmanager
async def served(application: web.Application, *, port: int = 0) -> AsyncIterator[str]:
    """Serve it during the block; yield its base URL. A request that is under way at the end is aborted."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def answering(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.Application:
    """Return an application that answers every request by this function."""
    application = web.Application(client_max_size=1 << 26)
    application.router.add_route("*", "/{path:.*}", answer)
    return application
