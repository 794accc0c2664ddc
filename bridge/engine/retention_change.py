"""Applies a retention that the agency has shortened since the last start to what is stored already.

Rules of this module: nothing gets a later time, and nothing an earlier one than the present retention gives it. A thread's
timers only fire earlier: each is checked against its thread, whose retention is `bot.model.retention`, and set again.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from bot.lifecycle.retention import TIMER_OF_SETTING
from bot.model.retention import retention_of_pack
from bot.model.thread import Retention
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.errors import Corrupt
from bridge.tables import line_state, room_events, timers
from policies.pack import Pack


async def apply(services: Services, pack: Pack) -> None:
    """Compare the retention with that of the last start; make stored times earlier where it is shorter now."""
    present = asdict(retention_of_pack(pack))
    stored = await line_state.get(services.database, line_state.RETENTION)
    if stored == json.dumps(present):
        return
    try:
        before: dict[str, int] = asdict(Retention()) if stored is None else json.loads(stored)
    except ValueError:
        raise Corrupt("the retention of the last start cannot be read") from None
    shorter = {name: before[name] - seconds for name, seconds in present.items() if before.get(name, 0) > seconds}
    earlier: dict[str, int] = {}
    for name, seconds in shorter.items():
        key = TIMER_OF_SETTING[name]
        earlier[key] = max(seconds, earlier.get(key, 0))
    now = int(services.clock.now())

    async def commit(transaction: Transaction) -> None:
        for key, seconds in earlier.items():
            await timers.make_earlier(transaction, key, now=now, seconds=seconds)
        if seconds := shorter.get("message_ttl", 0):
            await room_events.shorten_lifetimes(transaction, now=now, seconds=seconds, lifetime=present["message_ttl"])
        await line_state.put(transaction, line_state.RETENTION, json.dumps(present))

    await services.database.commit(commit)
    if shorter:
        log.event("bridge.retention_shortened", count=len(shorter))
