"""Seeded threads without texts: rows as the bridge writes them, by the tables' functions, for lines with many threads.

Rules of this module: it seeds the data of a thread in the database and in `keys.db`; no rooms are made at a homeserver, so
the room of a seeded open thread is only a row. The bridge does not run meanwhile.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Final, TypeAlias

from bot.model.actions import DESK
from bot.model.desk import Desk, QueueEntry, Thread
from bot.model.thread import Assignment, ConsentFlags, Lifecycle, ThreadState
from bridge.matrix.rooms.room_state import Room, record_room
from bridge.runtime.phone_number import Phone
from bridge.services import Services
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.tables import desk_state, threads, timers
from bridge.tables.threads import AGGREGATE
from bridge.tables.timers import Timer
from policies.designations import FIRST, SECOND

TOGETHER: Final = 500
KEPT_SECONDS: Final = 90 * 86_400
END_TIMER: Final = "end"
DAY: Final = 86_400
_Sealed: TypeAlias = tuple[Thread, bytes, bytes, bytes]
"""A thread, its phone as a hash and sealed, and its sealed aggregate."""


async def seed_parked(services: Services, line: str, count: int) -> None:
    """Seed ended conversations whose texters chose that number and flags stay (`!continue`)."""
    now = services.clock.now()

    for begin in range(0, count, TOGETHER):
        numbers = range(begin, min(begin + TOGETHER, count))
        life = Lifecycle(state=ThreadState.PARKED, since=now - DAY, continuing=True)
        flags = ConsentFlags(limits=now - DAY, rights=now - DAY, channel="call")
        batch = [Thread(id=secrets.token_hex(16), designation="", lifecycle=life, flags=flags) for _ in numbers]
        sealed = await asyncio.gather(
            *(_sealed(services, line, each, f"+1312{2_000_000 + n}") for each, n in zip(batch, numbers, strict=True))
        )

        async def rows(transaction: Transaction, sealed: Sequence[_Sealed] = sealed) -> None:
            for thread, phone_hash, phone, aggregate in sealed:
                await _insert(transaction, services, thread, phone_hash, phone, aggregate, room_id=None)
                due = now + DAY + secrets.randbelow(KEPT_SECONDS)
                await timers.put(transaction, Timer(thread.id, END_TIMER, due), destroys=True)

        await services.database.commit(rows)


async def seed_open(services: Services, line: str, count: int, *, advocates: Sequence[str], members: Sequence[str]) -> Desk:
    """Seed open conversations, each with one of these advocates and a room row; return the desk that has them.

    `members`: the other members of each room. The desk's row must exist.
    """
    now = services.clock.now()
    entries: list[QueueEntry] = []
    names = islice(product(SECOND, FIRST), count)
    while names_now := list(islice(names, TOGETHER)):
        batch: list[Thread] = []
        for second, first in names_now:
            who = advocates[len(batch) % len(advocates)]
            life = Lifecycle(state=ThreadState.OPEN, since=now - 600, last_inbound=now - 60)
            thread = Thread(
                id=secrets.token_hex(16),
                designation=f"{first} {second}",
                lifecycle=life,
                assignment=Assignment(assignee=who, epoch=1, members=frozenset({who})),
            )
            batch.append(thread)
        begin = len(entries)
        sealed = await asyncio.gather(
            *(_sealed(services, line, each, open_phone(begin + n).reveal()) for n, each in enumerate(batch))
        )

        async def rows(transaction: Transaction, sealed: Sequence[_Sealed] = sealed) -> None:
            for thread, phone_hash, phone, aggregate in sealed:
                room_id = f"!seeded{thread.id}"
                await _insert(transaction, services, thread, phone_hash, phone, aggregate, room_id=room_id)
                room = Room(room_id=room_id, kind="thread", owner=thread.id, key_owner=f"room:{room_id}")
                joined = dict.fromkeys([*members, str(thread.assignment.assignee)], "join")
                await record_room(transaction, room, members=joined, levels={})

        await services.database.commit(rows)
        entries += [
            QueueEntry(
                thread=each.id,
                designation=each.designation,
                since=now - 600,
                assignee=each.assignment.assignee,
                opened_at=now - 900,
                last_activity=now - 60,
            )
            for each in batch
        ]
    stored = await desk_state.get(services.database)
    desk = Desk() if stored is None else serialization.decode_as(Desk, await services.vault.open(DESK, AGGREGATE, stored))
    desk = replace(desk, threads=(*desk.threads, *entries))
    body = await services.vault.seal(DESK, AGGREGATE, serialization.encode(desk))
    await services.database.commit(lambda transaction: desk_state.set_aggregate(transaction, body))
    return desk


def open_phone(number: int) -> Phone:
    """Return the phone of a seeded open thread."""
    return Phone(f"+1415{2_000_000 + number}")


async def _sealed(services: Services, line: str, thread: Thread, number: str) -> _Sealed:
    vault, phone = services.vault, Phone(number)
    await vault.create(thread.id)
    sealed_phone = await threads.seal_phone(vault, thread.id, phone)
    aggregate = await threads.seal_aggregate(vault, thread)
    return thread, vault.phone_hash(line, phone), sealed_phone, aggregate


async def _insert(
    transaction: Transaction,
    services: Services,
    thread: Thread,
    phone_hash: bytes,
    phone: bytes,
    aggregate: bytes,
    *,
    room_id: str | None,
) -> None:
    await threads.insert(transaction, thread.id, phone_hash=phone_hash, phone=phone, aggregate=aggregate)
    await threads.admit(
        transaction,
        thread.id,
        room_id=room_id,
        designation=thread.designation,
        aggregate=aggregate,
        in_flood=False,
    )
