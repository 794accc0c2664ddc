"""The table `thread`: a texter's phone and aggregate (sealed), room, designation, legal hold.

Rules of this module: a thread whose phone was not looked up (`screened`) has no room, and nothing is decided for it. A
thread on legal hold loses nothing. A parked thread has neither room nor designation, and is still found by its phone.
Values are sealed and opened by the caller, before a commit, because a commit waits for nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from bot.model.desk import Thread
from bridge.runtime.phone_number import Phone
from bridge.storage import serialization
from bridge.storage.database import Reader, Transaction
from bridge.storage.vault import Vault

AGGREGATE: Final = "aggregate"
"""The context under which an aggregate is sealed for its owner."""
PHONE: Final = "phone"
"""The context under which a phone is sealed for its thread."""
FEW: Final = 200
"""Threads of a flood without a room that are read at once; if there are more, each one that is shown is read by itself."""


def is_on_hold(thread: str) -> str:
    """Return SQL: the thread with this id (an expression) is on legal hold."""
    return f"EXISTS (SELECT 1 FROM thread t WHERE t.id = {thread} AND t.legal_hold)"  # noqa: S608 - expressions of ours


@dataclass(frozen=True, slots=True)
class StoredThread:
    """A thread as an event finds it: its sealed aggregate, and whether it is on legal hold."""

    aggregate: bytes
    legal_hold: bool


@dataclass(frozen=True, slots=True)
class StoredPhone:
    """A thread's sealed phone, the keyed hash that finds it, and whether it was looked up."""

    phone: bytes
    phone_hash: bytes
    screened: bool


@dataclass(frozen=True, slots=True)
class SealedThread:
    """The sealed data for a text to the phone. `number`: the line's number that was texted last (`reply_number`)."""

    phone: bytes
    number: bytes | None
    aggregate: bytes


@dataclass(frozen=True, slots=True)
class RoomlessThread:
    """A thread without a room."""

    id: str
    designation: str


async def seal_aggregate(vault: Vault, thread: Thread) -> bytes:
    """Seal a thread. Raises `CannotOpen` when it has no key."""
    return await vault.seal(thread.id, AGGREGATE, serialization.encode(thread))


async def open_aggregate(vault: Vault, thread: str, sealed: bytes) -> Thread:
    """Open a thread. Raises `CannotOpen` and `ValueError`."""
    return serialization.decode_as(Thread, await vault.open(thread, AGGREGATE, sealed))


async def seal_phone(vault: Vault, thread: str, phone: Phone) -> bytes:
    """Seal the phone of a thread. Raises `CannotOpen` when it has no key."""
    return await vault.seal(thread, PHONE, phone.reveal().encode())


async def open_phone(vault: Vault, thread: str, sealed: bytes) -> Phone:
    """Open the phone of a thread. Raises `CannotOpen`."""
    return Phone((await vault.open(thread, PHONE, sealed)).decode())


async def insert(
    transaction: Transaction,
    thread: str,
    *,
    phone_hash: bytes,
    phone: bytes,
    aggregate: bytes,
    number: bytes | None = None,
) -> None:
    """Insert a thread whose phone is not looked up yet: without a room and without a designation.

    `number`: the line's number that was texted, sealed, if known.
    """
    await transaction.execute(
        "INSERT INTO thread (id, phone_hash, phone, designation, aggregate, number) VALUES ($1, $2, $3, '', $4, $5)",
        thread,
        phone_hash,
        phone,
        aggregate,
        number,
    )


async def find_by_phone(reader: Reader, phone_hash: bytes) -> str | None:
    """Return the thread of a phone, by its keyed hash, or None."""
    thread_id: str | None = await reader.fetchval("SELECT id FROM thread WHERE phone_hash = $1", phone_hash)
    return thread_id


async def get(reader: Reader, thread: str) -> StoredThread | None:
    """Return a thread's aggregate and hold, or None when it has ended."""
    query = f"SELECT aggregate, {is_on_hold('$1')} AS on_hold FROM thread WHERE id = $1"  # noqa: S608 - ours
    row = await reader.fetchrow(query, thread)
    return None if row is None else StoredThread(row["aggregate"], bool(row["on_hold"]))


async def get_phone(reader: Reader, thread: str) -> StoredPhone | None:
    """Return a thread's phone, or None when it has ended."""
    row = await reader.fetchrow("SELECT phone, phone_hash, screened FROM thread WHERE id = $1", thread)
    return None if row is None else StoredPhone(row["phone"], bytes(row["phone_hash"]), bool(row["screened"]))


async def room_of(reader: Reader, thread: str) -> str | None:
    """Return a thread's room; None before it has one, and from the moment it is parked."""
    room_id: str | None = await reader.fetchval("SELECT room_id FROM thread WHERE id = $1", thread)
    return room_id


async def designation_of(reader: Reader, thread: str) -> str:
    """Return the designation that an alert about words of that thread names; empty where there is none."""
    designation: str | None = await reader.fetchval("SELECT designation FROM thread WHERE id = $1", thread)
    return designation or ""


async def is_on_legal_hold(reader: Reader, thread: str) -> bool:
    """Whether a thread is on legal hold. One that has ended is not."""
    query = f"SELECT {is_on_hold('$1')}"
    return bool(await reader.fetchval(query, thread))


async def is_unscreened(reader: Reader, thread: str) -> bool:
    """Whether a thread exists whose phone was not looked up."""
    return await reader.fetchval("SELECT 1 FROM thread WHERE id = $1 AND NOT screened", thread) is not None


async def unscreened_threads(reader: Reader) -> list[str]:
    """Return the threads whose phone is still to be looked up."""
    return [row["id"] for row in await reader.fetch("SELECT id FROM thread WHERE NOT screened")]


async def key_owners(reader: Reader) -> set[str]:
    """Return the owners of keys that are in use: every thread, and the owner of every room's key."""
    rows = await reader.fetch("SELECT id AS owner FROM thread UNION SELECT key_owner FROM matrix_room")
    return {row["owner"] for row in rows}


async def count_keyless(reader: Reader, owners: Collection[str]) -> int:
    """Count the conversations whose own key, or whose room's, is none of these."""
    query = "SELECT id, key_owner FROM thread LEFT JOIN matrix_room ON matrix_room.room_id = thread.room_id"
    rows = await reader.fetch(query)
    return sum(any(owner is not None and owner not in owners for owner in row) for row in rows)


async def not_on_hold(reader: Reader) -> list[str]:
    """Return the threads that are not on legal hold."""
    query = f"SELECT id FROM thread WHERE NOT {is_on_hold('thread.id')}"  # noqa: S608 - ours
    return [row["id"] for row in await reader.fetch(query)]


async def admit(
    transaction: Transaction,
    thread: str,
    *,
    room_id: str | None,
    designation: str,
    aggregate: bytes,
    in_flood: bool,
) -> None:
    """Let a thread begin whose phone was looked up. `in_flood`: it came in a flood, and its room waits for its card."""
    await transaction.execute(
        """UPDATE thread SET screened = TRUE, room_id = $2, designation = $3, aggregate = $4, in_flood = $5
           WHERE id = $1""",
        thread,
        room_id,
        designation,
        aggregate,
        int(in_flood),
    )


async def set_aggregate(transaction: Transaction, thread: str, aggregate: bytes) -> None:
    """Write a thread's aggregate; nothing when the same commit deleted the thread."""
    await transaction.execute("UPDATE thread SET aggregate = $2 WHERE id = $1", thread, aggregate)


async def set_designation(transaction: Transaction, thread: str, designation: str) -> None:
    """Write a thread's designation."""
    await transaction.execute("UPDATE thread SET designation = $2 WHERE id = $1", thread, designation)


async def set_number(transaction: Transaction, thread: str, number: bytes) -> None:
    """Write the sealed number that a thread is answered from."""
    await transaction.execute("UPDATE thread SET number = $2 WHERE id = $1", thread, number)


async def set_legal_hold(transaction: Transaction, thread: str, *, on: bool) -> bool:
    """Place a legal hold on a thread, or release it; False when there is no such thread."""
    query = "UPDATE thread SET legal_hold = $2 WHERE id = $1 RETURNING id"
    return await transaction.fetchval(query, thread, on) is not None


async def park(transaction: Transaction, thread: str) -> None:
    """Take room and designation from a thread whose conversation is over."""
    await transaction.execute("UPDATE thread SET room_id = NULL, designation = '' WHERE id = $1", thread)


async def delete(transaction: Transaction, thread: str) -> None:
    """Delete an ended thread, and with it the number of its phone."""
    await transaction.execute("DELETE FROM thread WHERE id = $1", thread)


async def sealed_thread(reader: Reader, thread: str) -> SealedThread | None:
    """Return the sealed data of a thread, or None when it has ended."""
    row = await reader.fetchrow("SELECT phone, number, aggregate FROM thread WHERE id = $1", thread)
    return None if row is None else SealedThread(row["phone"], row["number"], row["aggregate"])


async def sealed_phone(reader: Reader, thread: str) -> bytes | None:
    """Return the sealed phone of a thread, or None when it has ended."""
    phone: bytes | None = await reader.fetchval("SELECT phone FROM thread WHERE id = $1", thread)
    return phone


async def other_designations(reader: Reader, thread: str) -> list[str]:
    """Return the designations of all other threads that are not parked; of a flood only those with a room.

    Without a room nobody has used the designation, and so no text waits for reading thousands of them.
    """
    query = """SELECT designation FROM thread
        WHERE designation <> '' AND id <> $1 AND (in_flood = 0 OR room_id IS NOT NULL)"""
    rows = await reader.fetch(query, thread)
    return [row["designation"] for row in rows]


async def without_room(reader: Reader, shown: Iterable[str]) -> RoomlessThread | None:
    """Return a thread that should have a room and has none: of those that came in a flood only one that is `shown`."""
    query = "SELECT id, designation FROM thread WHERE room_id IS NULL AND in_flood = 0 AND designation <> '' LIMIT 1"
    if (row := await reader.fetchrow(query)) is not None:
        return RoomlessThread(row["id"], row["designation"])
    query = """SELECT id, designation FROM thread
        WHERE room_id IS NULL AND in_flood > 0 AND designation <> '' LIMIT $1"""
    crowd = {row["id"]: row["designation"] for row in await reader.fetch(query, FEW)}
    if len(crowd) < FEW:
        return next((RoomlessThread(thread, crowd[thread]) for thread in shown if thread in crowd), None)
    query = "SELECT designation FROM thread WHERE id = $1 AND room_id IS NULL AND designation <> ''"
    for thread in shown:
        if (designation := await reader.fetchval(query, thread)) is not None:
            return RoomlessThread(thread, designation)
    return None


async def lose_room(transaction: Transaction, room_id: str) -> bool:
    """Note that a room is lost, so that its thread waits for another; return whether it was a thread's."""
    query = "UPDATE thread SET room_id = NULL WHERE room_id = $1 RETURNING id"
    return await transaction.fetchval(query, room_id) is not None


async def assign_room(transaction: Transaction, thread: str, designation: str, room_id: str) -> bool:
    """Give a thread its room; return False when its conversation was over before its room was there."""
    query = "UPDATE thread SET room_id = $1 WHERE id = $2 AND room_id IS NULL AND designation = $3 RETURNING id"
    return await transaction.fetchval(query, room_id, thread, designation) is not None


async def set_legal_hold_by_phone(transaction: Transaction, phone_hash: bytes, *, on: bool) -> None:
    """Place or release the legal hold of a phone's thread, if it has one."""
    thread = await find_by_phone(transaction, phone_hash)
    if thread is not None:
        await set_legal_hold(transaction, thread, on=on)
