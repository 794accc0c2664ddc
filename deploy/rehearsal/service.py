"""The rehearsal carrier as a running service.

Rule of this module: every part is made here explicitly, once, and closed in the reverse order.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.record_store import RecordStore
from deploy.rehearsal.server import Server
from deploy.rehearsal.webhook_sender import WebhookSender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from deploy.rehearsal.exchange import SmsRecord
    from deploy.rehearsal.settings import Settings

_SHUTDOWN_SECONDS = 0.5
"""Seconds that pending requests have when the carrier stops; then they are cancelled."""


@asynccontextmanager
async def run_carrier(settings: Settings) -> AsyncIterator[int]:
    """Run the carrier; the value is the port it listens on.

    Raises `OSError` when it cannot listen, and :class:`ProblemsError` when its store has another key.
    """
    store, records = RecordStore.open(settings.store, settings.store_key) if settings.store else (None, [])
    put, note = (store.put, store.note) if store else (_keep_nothing, _keep_nothing)
    exchange = Exchange(number=settings.number, clock=time.time, put=put, records=records)
    webhooks = WebhookSender(settings=settings, faults=exchange.faults, clock=time.time, note=note)
    server = Server(settings=settings, exchange=exchange, webhooks=webhooks)
    # A client that gives up cancels its request, so a send that hangs ends with it.
    runner = web.AppRunner(
        server.application(),
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        webhooks.resume(exchange.unacknowledged_texts())
        yield site.port
    finally:
        await runner.cleanup()
        await webhooks.close()
        if store is not None:
            store.close()


def _keep_nothing(_record: SmsRecord) -> None:
    """Keep nothing over a restart."""
