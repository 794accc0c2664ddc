"""Uploads are gone when nobody needs them any more, whatever the homeserver says, and not while a person holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bridge.matrix.api.module_api import STILL_THERE, HomeserverUnreachable, ModuleClient, ModuleRequestRejected
from bridge.matrix.rooms.media import (
    DELAY_AFTER_JOIN,
    INVITE_GRACE,
    MAX_AGE,
    RETRY_SECONDS,
    UploadCleanup,
    record_linked_media,
    record_upload,
)
from bridge.matrix.rooms.room_state import Room, record_room, set_membership
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.storage.database import Database
from bridge.tables import room_events, threads
from tests.fakes.bridge_harness import ManualClock
from tests.fakes.database_engine import make_database

ROOM, BEN, MXC = "!r", "@ben:x", "mxc://x/one"


class RecordingModuleClient:
    """A module on paper. `room_message` is raised, if there is something, instead of deleting; `stuck` stay there.

    `on_delete` is called during a deletion.
    """

    def __init__(self) -> None:
        self.gone: list[str] = []
        self.stuck: set[str] = set()
        self.room_message: Exception | None = None
        self.on_delete: Callable[[], Awaitable[None]] | None = None

    async def delete_media(self, address: str) -> None:
        if self.room_message is not None:
            raise self.room_message
        if address in self.stuck:
            raise HomeserverUnreachable(503, STILL_THERE)
        if self.on_delete is not None:
            await self.on_delete()
        self.gone.append(address)


class UploadScene:
    """One noted upload for Ben, who is invited."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock, self.module_client = database, ManualClock(), RecordingModuleClient()
        self.uploads = UploadCleanup(
            database=database, module_client=cast("ModuleClient", self.module_client), clock=self.clock
        )

    async def becomes(self, membership: str) -> None:
        await self.database.commit(lambda transaction: set_membership(transaction, ROOM, BEN, membership))

    async def after(self, seconds: float) -> list[str]:
        """Let time pass and look; return what is gone by now."""
        self.clock.at += seconds
        await self.uploads.run_once()
        return self.module_client.gone

    async def noted(self) -> int:
        return int(await self.database.fetchval("SELECT COUNT(*) FROM matrix_upload"))


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[UploadScene]:
    database = make_database(tmp_path / "main.db", schema=MAIN_SCHEMA)
    await database.open()
    scene = UploadScene(database)
    room = Room(room_id=ROOM, kind="thread", owner="t1", key_owner="k")
    await database.commit(lambda transaction: record_room(transaction, room, members={BEN: "invite"}, levels={}))
    at = int(scene.clock.now() * 1000)
    await database.commit(lambda transaction: record_upload(transaction, MXC, room_id=ROOM, user_id=BEN, at_ms=at))
    yield scene
    await database.close()


async def test_minutes_after_the_join_and_not_after_the_invite(stand: UploadScene) -> None:
    """While its reader is only invited an upload stays; minutes after they came in it goes, and its row with it."""
    assert await stand.after(3600) == []
    await stand.becomes("join")
    assert await stand.after(1) == []
    assert await stand.after(DELAY_AFTER_JOIN - 1) == []
    assert await stand.after(1) == [MXC]
    assert await stand.noted() == 0


async def test_nobody_waits_longer_than_a_bundle_is_taken(stand: UploadScene) -> None:
    """Whoever never comes in, or declines, leaves no upload behind."""
    assert await stand.after(MAX_AGE - 1) == []
    assert await stand.after(1) == [MXC]


async def test_whoever_declines_needs_none(stand: UploadScene) -> None:
    """When a person declines or is removed, the upload that was for them goes."""
    await stand.becomes("leave")
    assert await stand.after(INVITE_GRACE) == [MXC]


async def test_a_row_stands_until_the_upload_is_gone(stand: UploadScene) -> None:
    """While the homeserver does not answer it is asked each time; when it refuses, later; nothing is forgotten."""
    await stand.becomes("leave")
    stand.module_client.room_message = HomeserverUnreachable(503)
    assert await stand.after(INVITE_GRACE) == []
    stand.module_client.room_message = ModuleRequestRejected(403, "M_FORBIDDEN")
    assert await stand.after(1) == []
    stand.module_client.room_message = None
    assert await stand.after(RETRY_SECONDS - 2) == [], "it is asked again too soon"
    assert await stand.noted() == 1
    assert await stand.after(2) == [MXC]


async def test_one_that_cannot_be_removed_holds_up_no_other(stand: UploadScene) -> None:
    """Its file stays, whatever the homeserver does: those behind it go, and it is asked for again later."""
    at = int(stand.clock.now() * 1000)
    await stand.database.commit(
        lambda transaction: record_upload(transaction, "mxc://x/two", room_id=ROOM, user_id=BEN, at_ms=at + 1)
    )
    stand.module_client.stuck.add(MXC)
    assert await stand.after(MAX_AGE + 1) == ["mxc://x/two"]
    assert await stand.noted() == 1
    stand.module_client.stuck.clear()
    assert await stand.after(RETRY_SECONDS - 1) == ["mxc://x/two"], "it is asked again too soon"
    assert await stand.after(1) == ["mxc://x/two", MXC]
    assert await stand.noted() == 0


async def test_what_a_message_pointed_to_goes_with_the_message(stand: UploadScene) -> None:
    """A colleague's picture stands while its message does, however long, and goes when the message has gone."""
    at = int(stand.clock.now() * 1000)
    note: dict[str, Any] = {"event_id": "$said", "room_id": ROOM, "owner": "t1", "place": "thread", "lifetime": 60}
    await stand.database.commit(lambda transaction: room_events.record(transaction, **note, at=at, now=stand.clock.now()))
    await stand.database.commit(
        lambda transaction: record_linked_media(transaction, "mxc://x/two", room_id=ROOM, event_id="$said", at_ms=at)
    )
    await stand.becomes("leave")
    assert await stand.after(10 * MAX_AGE) == [MXC]
    await stand.database.commit(lambda transaction: room_events.delete(transaction, ["$said"]))
    assert await stand.after(1) == [MXC, "mxc://x/two"]


async def test_nothing_of_a_thread_on_hold_is_deleted(stand: UploadScene) -> None:
    """Whatever its time: while a person holds the thread its uploads stay, and go when that ends."""
    insert = """INSERT INTO thread (id, phone_hash, phone, room_id, designation, aggregate, legal_hold)
                VALUES ('t1', $1, $1, $2, 'amber heron', $1, $3)"""
    await stand.database.commit(lambda transaction: transaction.execute(insert, b"", ROOM, True))
    await stand.becomes("leave")
    assert await stand.after(2 * MAX_AGE) == []
    await stand.database.commit(lambda transaction: transaction.execute("UPDATE thread SET legal_hold = $1", False))
    assert await stand.after(1) == [MXC]


async def test_a_hold_that_is_set_during_a_deletion_saves_the_rest(stand: UploadScene) -> None:
    """Two are due, and the hold comes while the first is deleted: the second and its row stay until the hold ends."""
    insert = """INSERT INTO thread (id, phone_hash, phone, room_id, designation, aggregate)
                VALUES ('t1', $1, $1, $2, 'amber heron', $1)"""
    await stand.database.commit(lambda transaction: transaction.execute(insert, b"", ROOM))
    at = int(stand.clock.now() * 1000)
    await stand.database.commit(
        lambda transaction: record_upload(transaction, "mxc://x/two", room_id=ROOM, user_id=BEN, at_ms=at + 1)
    )

    async def hold() -> None:
        await stand.database.commit(lambda transaction: threads.set_legal_hold(transaction, "t1", on=True))

    stand.module_client.on_delete = hold
    assert await stand.after(MAX_AGE + 1) == [MXC]
    assert await stand.noted() == 1
    stand.module_client.on_delete = None
    assert await stand.after(1) == [MXC]
    await stand.database.commit(lambda transaction: threads.set_legal_hold(transaction, "t1", on=False))
    assert await stand.after(1) == [MXC, "mxc://x/two"]
