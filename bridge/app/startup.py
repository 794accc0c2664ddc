"""What a start does with what is stored: keys without rows, rows without keys, a shorter retention, and its notices.

Rules of this module: a key without rows is destroyed. Rows without a key stay, because the newest `keys.db` may still be
restored, until a person says that it is lost for good (`quietline erasure lost-keys`). Then conversations without a key are
ended, each in a commit of its own, except those on legal hold: their rooms are purged after `client_grace`, and the phone's
next text begins another conversation. A room whose key is missing gets another key, if its conversation still has its own.

A notice is given once: that the line was restored, that its configuration changed (of which a keyed hash is stored), that
keys or commits are missing. Texts that were on their way when the backup was made are unknown: counted, and never sent.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Final

from bot.lifecycle.retention import TIMER_OF_SETTING
from bot.model.actions import DESK
from bot.model.audit_kinds import AuditKind
from bot.model.desk import SHIFTS_TIMER
from bot.model.line_incidents import GapKind, KeysMissing, LineRestored, TextsMissing
from bot.model.retention import retention_of_pack
from bot.model.thread import Retention
from bot.model.thread_desk_events import ThreadParked
from bot.model.transactional_actions import EraseTexter, ParkThread
from bridge.config.sections import Config, Staff
from bridge.engine.transactional_actions import TransactionalActions
from bridge.erasure.carrier_copies import COPIES
from bridge.matrix.room_keys.sealing import forget_sessions_in
from bridge.matrix.rooms.room_state import delete_unassigned_rooms, rooms_of_ours
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.services import Services
from bridge.storage.database import Database, Transaction
from bridge.storage.errors import Corrupt
from bridge.storage.vault import CannotOpen, Vault
from bridge.tables import erasure_jobs, inbox, line_state, room_events, threads, timers, warm_rooms
from bridge.tables.audit_log import AuditLog
from bridge.tables.timers import Timer
from policies.pack import Pack

LINE_SUBJECT: Final = "line"
"""The subject of the audit entry."""


async def destroy_orphans(services: Services) -> set[str]:
    """Destroy keys whose thread or room was never made because of a crash; return the owners of the remaining keys."""
    await services.database.commit(delete_unassigned_rooms)
    needed = await threads.key_owners(services.database)
    owners = await services.vault.owners()
    orphans = owners - needed - {DESK, COPIES}
    for owner in orphans:
        await services.vault.destroy(owner)
    if orphans:
        log.event("bridge.orphan_keys_destroyed", count=len(orphans))
    return owners - orphans


async def end_lost(services: Services, actions: TransactionalActions, *, grace: float) -> None:
    """End conversations whose key is missing or damaged, if a person has said that the keys are lost.

    `grace`: see `ParkThread`.
    """
    if await line_state.get(services.database, line_state.KEYS_LOST) is None:
        return
    count = 0
    for thread in await threads.not_on_hold(services.database):
        try:
            await services.vault.load(thread)
        except CannotOpen:
            await _end(services, actions, thread, grace)
            count += 1
    await services.database.commit(lambda transaction: line_state.delete(transaction, line_state.KEYS_LOST))
    if count:
        log.event("bridge.lost_conversations_ended", count=count)


async def _end(services: Services, actions: TransactionalActions, thread: str, grace: float) -> None:
    inbox_row = await inbox.seal(services.vault, DESK, ThreadParked(thread=thread))

    async def commit(transaction: Transaction) -> None:
        await actions.perform(transaction, thread, ParkThread(grace=grace, drop_unsent=True))
        await actions.perform(transaction, thread, EraseTexter())
        await inbox.append(transaction, inbox_row)

    await services.database.commit(commit)


async def replace_room_keys(services: Services, owners: Collection[str], policy: str) -> None:
    """Give another key to rooms in use without a readable one: warm rooms, and rooms of conversations that have their key.

    Without a key nothing can be sent there, and the next texters would get such warm rooms. Earlier messages stay
    unreadable. Clients keep their sessions in these rooms and send the keys of them to the new device that the policy bot
    gets. Desk and offices need no such key (`bridge/matrix/room_keys/sealing.py`).
    """
    used, count = set(await warm_rooms.used_rooms(services.database)), 0
    for room in await rooms_of_ours(services.database):
        if room.room_id not in used or room.is_permanent or (room.owner and room.owner not in owners):
            continue
        try:
            await services.vault.load(room.key_owner)
        except CannotOpen:
            await forget_sessions_in(services.database, room.room_id, policy)
            await services.vault.destroy(room.key_owner)
            await services.vault.create(room.key_owner)
            count += 1
    if count:
        log.event("bridge.room_keys_replaced", count=count)


async def apply_shorter_retention(services: Services, pack: Pack) -> None:
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


async def report_restore(database: Database, vault: Vault, clock: Clock) -> None:
    """Tell the desk once that the line was restored. At the start, once the desk has its key."""
    text = await line_state.get(database, line_state.RESTORE)
    if text is None:
        return
    restore, now = json.loads(text), clock.now()
    hours = max(0, int(now - int(restore["made"])) // 3600)
    inbox_row = await inbox.seal(vault, DESK, LineRestored(hours=hours, unfinished=int(restore["unfinished"])))
    audit = AuditLog(vault=vault)

    async def commit(transaction: Transaction) -> None:
        await inbox.append(transaction, inbox_row)
        await audit.record(transaction, LINE_SUBJECT, [AuditKind.RESTORE], now=now)
        await line_state.put(transaction, line_state.OLD_ROOMS, line_state.KEPT)
        await line_state.delete(transaction, line_state.RESTORE)

    await database.commit(commit)
    log.event("bridge.restored")


async def is_promoted(database: Database) -> bool:
    """Whether the database's server has another history than at the last start, and may lack the last commits."""
    return bool(database.history) and bool(await line_state.has_other_history(database, database.history))


async def report_promotion(services: Services, *, grace: float) -> None:
    """Note the history of the database's server; tell the desk once if it is another one. At the start, before all else.

    Then a warm room may have the words of a conversation that the database lacks: the next texter must not get it. `grace`:
    seconds in which clients learn that it is gone.
    """
    database, now = services.database, services.clock.now()
    if not database.history or (changed := await line_state.has_other_history(database, database.history)) is False:
        return
    inbox_row = await inbox.seal(services.vault, DESK, TextsMissing(kind=GapKind.PROMOTED)) if changed else None

    async def commit(transaction: Transaction) -> None:
        await line_state.note_history(transaction, database.history, changed=now if changed else 0.0)
        if inbox_row is None:
            return
        await inbox.append(transaction, inbox_row)
        await line_state.put(transaction, line_state.EVENTS_LOST, str(int(now * 1000)))
        for room_id in await warm_rooms.stock(transaction):
            await warm_rooms.delete(transaction, room_id)
            await erasure_jobs.begin(transaction, kind=erasure_jobs.ROOM, subject=room_id, thread="", grace=grace, now=now)

    await database.commit(commit)
    if changed:
        log.event("bridge.database_promoted")


async def report_missing_keys(database: Database, vault: Vault, owners: Collection[str]) -> None:
    """Tell the desk how many conversations have no key, if these are more than at the last start.

    `owners`: the owners that have a key.
    """
    count = await threads.count_keyless(database, owners)
    last_count = int(await line_state.get(database, line_state.KEYS_MISSING) or 0)
    if count == last_count:
        return
    inbox_row = await inbox.seal(vault, DESK, KeysMissing(conversations=count)) if count > last_count else None

    async def commit(transaction: Transaction) -> None:
        if inbox_row is not None:
            await inbox.append(transaction, inbox_row)
        if count:
            await line_state.put(transaction, line_state.KEYS_MISSING, str(count))
        else:
            await line_state.delete(transaction, line_state.KEYS_MISSING)

    await database.commit(commit)
    if inbox_row is not None:
        log.event("bridge.keys_missing", count=count)


async def request_shift_check(database: Database, clock: Clock) -> None:
    """Make the desk check its calendar of shifts at once: it may have changed since the last start."""
    timer = Timer(DESK, SHIFTS_TIMER, clock.now())
    await database.commit(lambda transaction: timers.put(transaction, timer, destroys=False))


async def first_roster(database: Database, configured: list[Staff]) -> list[Staff]:
    """Return the people to invite to a new desk: its former members, or the first roster of the configuration.

    A backup that was made before the line had a desk has no members.
    """
    roster = await line_state.get(database, line_state.RESTORED_ROSTER)
    return [Staff(mxid=seat["mxid"], role=seat["role"]) for seat in json.loads(roster or "[]")] or configured


async def record_configuration(database: Database, vault: Vault, clock: Clock, config: Config) -> None:
    """Note in the audit that the configuration changed since the last start; the first start notes no change."""
    digest = vault.keyed_hash("configuration", config.model_dump_json()).hex()
    before = await line_state.get(database, line_state.CONFIGURATION)
    if digest == before:
        return
    audit = AuditLog(vault=vault)

    async def commit(transaction: Transaction) -> None:
        if before is not None:
            await audit.record(transaction, LINE_SUBJECT, [AuditKind.CONFIGURATION], now=clock.now())
        await line_state.put(transaction, line_state.CONFIGURATION, digest)

    await database.commit(commit)
