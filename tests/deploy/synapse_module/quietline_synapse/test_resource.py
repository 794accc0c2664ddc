"""The module in a real Synapse: what it does for the bridge, and for nothing that is not ours."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from urllib.parse import quote

import pytest
import pytest_asyncio

from bridge.matrix.api.module_api import (
    DeviceCounts,
    HomeserverUnreachable,
    ModuleRequestRejected,
    RoomState,
    SignOutResult,
)
from bridge.matrix.room_client import NOT_ACCESSIBLE
from deploy.stack.provision import mxid
from tests.deploy.module_homeserver import POLICY, PUPPET, ModuleHomeserver, module_homeserver
from tests.e2e.polling import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ModuleHomeserver]:
    async with module_homeserver(tmp_path_factory.mktemp("module")) as shared_line:
        yield shared_line


async def test_a_purged_room_is_nowhere(line: ModuleHomeserver) -> None:
    """While it is there it is counted; afterwards it answers 404 and no row names it, and after a vacuum no byte does.

    Before that SQLite may have a copy of a row where it was before its page was balanced.
    """
    name = "velvet cormorant"
    room_id = await line.room("thread", "ada", name=name)
    event_id = await line.said(PUPPET, room_id)
    before = await line.module_client.room(room_id)
    assert before.state is RoomState.PRESENT
    assert before.events > 8
    first = await line.module_client.purge(room_id)
    assert first in {RoomState.PURGING, RoomState.GONE}
    await line.purged(room_id)
    after = await line.module_client.room(room_id)
    assert (after.state, after.events, after.uncensored, after.leftovers) == (RoomState.GONE, 0, 0, 0)
    for user in (POLICY, "ada"):
        assert (await line.request_as(user, "GET", f"rooms/{room_id}/event/{event_id}"))[0] in {403, 404}
    assert line.rows_with(room_id) == {}
    assert line.rows_with(event_id) == {}
    assert line.rows_with(name) == {}
    await line.module_client.vacuum()
    assert line.holding(room_id, event_id, name) == {}
    assert await line.module_client.purge(room_id) is RoomState.GONE


async def test_a_purged_room_leaves_the_search_index(line: ModuleHomeserver) -> None:
    """A joined Synapse with `enable_search` has the room's name in it: the purge removes the words, not only the row."""
    room_id = await line.room("thread", "ada")
    # The index leaves out what a word shares with the word before it, so a word of ASCII may be cut: "quartz" after an id
    # that begins with "q". No other word begins with this letter.
    word = "øquartz"
    with closing(sqlite3.connect(line.database, timeout=10)) as db:
        for room, name in ((room_id, word), ("!other", "lunch"), ("!another", "choir")):
            row = (f"$event of {room}", room, "content.name", name)
            with db:
                db.execute("INSERT INTO event_search (event_id, room_id, key, value) VALUES (?, ?, ?, ?)", row)
    assert set(line.rows_with(word)) == {"event_search", "event_search_content", "event_search_segdir"}
    await line.purged(room_id)
    assert line.rows_with(word) == {}
    assert "event_search_content" in line.rows_with("lunch")
    await line.module_client.vacuum()
    assert line.holding(word) == {}


async def test_a_purged_room_is_in_nobodys_notifications(line: ModuleHomeserver) -> None:
    """Whoever muted a room did so by its id: the rule goes with it and so does what is told of its changes; others stay."""
    room_id, other = await line.room("thread", "ada"), await line.room("thread", "ada")

    async def mute(room: str) -> None:
        for kind, body in {
            "room": {"actions": []},
            "override": {"actions": [], "conditions": [{"kind": "event_match", "key": "room_id", "pattern": room}]},
        }.items():
            rule = f"pushrules/global/{kind}/{quote(room)}"
            assert (await line.request_as("ada", "PUT", rule, body))[0] == 200
            assert (await line.request_as("ada", "PUT", f"{rule}/enabled", {"enabled": False}))[0] == 200

    await mute(room_id)
    await mute(other)
    await line.purged(room_id)
    assert (await line.module_client.room(room_id)).leftovers == 0
    assert line.rows_with(room_id) == {}
    assert {table: count for table, count in line.rows_with(other).items() if table.startswith("push_rules")} == {
        "push_rules": 2,
        "push_rules_enable": 2,
        "push_rules_stream": 4,
    }
    # Her client may still show the rule of the room that is gone; the others she changes as before.
    assert (await line.request_as("ada", "DELETE", f"pushrules/global/room/{quote(room_id)}"))[0] == 404
    assert (await line.request_as("ada", "DELETE", f"pushrules/global/room/{quote(other)}"))[0] == 200
    await mute(other)
    await line.module_client.vacuum()
    assert line.holding(room_id) == {}


async def test_a_vacuum_leaves_nothing_that_was_deleted(line: ModuleHomeserver) -> None:
    """Also what was deleted without being overwritten, by Synapse itself or before the module was there."""
    mark = "deletedWORDS"
    with closing(sqlite3.connect(line.database, timeout=10)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        with db:
            db.execute("CREATE TABLE planted (words TEXT)")
            db.executemany("INSERT INTO planted VALUES (?)", [(f"{mark}{number}",) for number in range(1000)])
        with db:
            db.execute("DROP TABLE planted")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert line.holding(mark) == {mark: ["homeserver.db"]}
    report = await line.module_client.vacuum()
    assert (report.engine, report.bytes) == ("sqlite", line.database.stat().st_size)
    assert line.holding(mark) == {}
    # The vacuum wrote all of the database to the log; Synapse may have begun it again, with a few pages of its own.
    assert line.database.with_name("homeserver.db-wal").stat().st_size < line.database.stat().st_size / 10


async def test_what_is_not_ours_is_refused(line: ModuleHomeserver) -> None:
    """A room that another person created is neither purged, censored nor looked at; the desk itself is not purged."""
    status, room = await line.request_as("bea", "POST", "createRoom", {"name": "lunch"})
    assert status == 200
    theirs = str(room["room_id"])
    for call in (line.module_client.purge, line.module_client.room, line.module_client.censor):
        with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_OURS"):
            await call(theirs)
    with pytest.raises(ModuleRequestRejected, match="QUIETLINE_DESK"):
        await line.module_client.purge(line.desk)
    assert (await line.request_as("bea", "GET", f"rooms/{theirs}/state/m.room.name"))[1] == {"name": "lunch"}
    assert (await line.module_client.room(line.desk)).state is RoomState.PRESENT


async def test_redacted_words_are_overwritten_at_once(line: ModuleHomeserver) -> None:
    """120 redacted texts, more than Synapse does at a time, are counted, censored, and in no byte after a vacuum."""
    room_id = await line.room("thread", "ada")
    other_id = await line.said(PUPPET, room_id, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "keptWORDS"})
    mark = "redactedWORDS"
    for number in range(120):
        event_id = await line.said(
            PUPPET, room_id, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": f"{mark}{number}", "session_id": "s"}
        )
        status, _ = await line.request_as(POLICY, "PUT", f"rooms/{room_id}/redact/{event_id}/r{number}", {})
        assert status == 200
    assert (await line.module_client.room(room_id)).uncensored == 120
    assert line.rows_with(mark) != {}
    assert await line.module_client.censor(room_id) == 0
    assert (await line.module_client.room(room_id)).uncensored == 0
    assert line.rows_with(mark) == {}
    assert line.rows_with("keptWORDS") == {"event_json": 1}
    await line.module_client.vacuum()
    assert line.holding(mark) == {}
    status, event = await line.request_as(POLICY, "GET", f"rooms/{room_id}/event/{other_id}")
    assert (status, event["content"]["ciphertext"]) == (200, "keptWORDS")


async def test_an_upload_is_deleted_from_the_disk(line: ModuleHomeserver) -> None:
    """Ours, and what a person at the desk uploaded: file and row go, twice is as good as once; of others it is refused."""
    for user in (PUPPET, "ada"):
        data = f"picture of {user}".encode()
        status, uploaded = await line.upload(user, data)
        assert status == 200, uploaded
        address = str(uploaded["content_uri"])
        assert not await line.module_client.is_media_deleted(address)
        assert line.holding(data.decode()) != {}
        for _ in range(2):
            await line.module_client.delete_media(address)
            assert await line.module_client.is_media_deleted(address)
        assert line.holding(data.decode()) == {}
        assert line.rows_with(address.rsplit("/", 1)[1]) == {}
    status, uploaded = await line.upload("bea", b"her own picture")
    with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_OURS"):
        await line.module_client.delete_media(uploaded["content_uri"])
    assert not await line.module_client.is_media_deleted(uploaded["content_uri"])
    with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_OURS"):
        await line.module_client.is_media_deleted("mxc://elsewhere.example/abcdefghijkl")


async def test_sign_out_is_for_people_at_the_desk(line: ModuleHomeserver) -> None:
    """All devices and tokens of a member go; nobody else's, and never our own identities'."""
    sol = next(account for account in line.server.accounts if account.user == "sol")
    second = await line.server.sign_in(sol)
    assert await line.module_client.sign_out(mxid("sol")) == SignOutResult(devices=2)
    for token in (line.tokens["sol"], second):
        status, answer = await line.server.ask("GET", "/_matrix/client/v3/account/whoami", token)
        assert (status, answer["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    assert await line.module_client.sign_out(mxid("sol")) == SignOutResult(devices=0)
    line.tokens["sol"] = await line.server.sign_in(sol)
    for nobody in (mxid("bea"), POLICY, PUPPET, "@nobody:quietline.localhost", "@ada:elsewhere.example", "sol"):
        with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_AT_DESK"):
            await line.module_client.sign_out(nobody)
    assert (await line.request_as("bea", "GET", "account/whoami"))[0] == 200
    # A person in a thread is not thereby at a desk.
    await line.room("thread", "bea")
    with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_AT_DESK"):
        await line.module_client.sign_out(mxid("bea"))


async def test_who_can_be_reached_is_counted(line: ModuleHomeserver) -> None:
    """Devices and pushers of a person at the desk; of nobody else."""
    before = await line.module_client.count_devices(mxid("ada"))
    assert before.devices > 0
    pusher = {
        "kind": "http",
        "app_id": "example.app",
        "pushkey": "canary",
        "app_display_name": "a",
        "device_display_name": "d",
        "lang": "en",
        "data": {"url": "https://push.example/_matrix/push/v1/notify"},
    }
    assert (await line.request_as("ada", "POST", "pushers/set", pusher))[0] == 200
    assert await line.module_client.count_devices(mxid("ada")) == DeviceCounts(
        devices=before.devices, pushers=before.pushers + 1
    )
    assert (await line.request_as("ada", "POST", "pushers/set", {**pusher, "kind": None}))[0] == 200
    for nobody in (mxid("bea"), POLICY, PUPPET, "@nobody:quietline.localhost"):
        with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_AT_DESK"):
            await line.module_client.count_devices(nobody)


async def test_old_key_backups_go_with_the_room(line: ModuleHomeserver) -> None:
    """Keys that were backed up before the module was there are counted when the room is gone, and go then."""
    room_id = await line.room()
    with closing(sqlite3.connect(line.database, timeout=10)) as db, db:
        db.execute(
            """INSERT INTO e2e_room_keys
               (user_id, room_id, session_id, version, first_message_index, forwarded_count, is_verified, session_data)
               VALUES (?, ?, 's', 1, 0, 0, 0, '{}')""",
            (mxid("ada"), room_id),
        )
    assert line.rows_with(room_id)["e2e_room_keys"] == 1
    await line.module_client.purge(room_id)

    async def gone() -> bool | None:
        return (await line.module_client.room(room_id)).state is RoomState.GONE or None

    await wait_until("the room is gone", gone)
    assert (await line.module_client.room(room_id)).leftovers > 1
    await line.purged(room_id)
    assert (await line.module_client.room(room_id)).leftovers == 0
    assert line.rows_with(room_id) == {}


async def test_what_is_written_of_a_room_after_its_purge_goes_too(line: ModuleHomeserver) -> None:
    """Synapse sums up statistics and notifications in its own time, and a client may write of a room that it has left."""
    room_id = await line.room("thread", "ada")
    await line.purged(room_id)
    with closing(sqlite3.connect(line.database, timeout=10)) as db, db:
        db.execute(
            """INSERT INTO event_push_summary (user_id, room_id, notif_count, stream_ordering, thread_id)
               VALUES (?, ?, 1, 1, 'main')""",
            (mxid("ada"), room_id),
        )
        db.execute("INSERT INTO room_stats_state (room_id) VALUES (?)", (room_id,))
    user, event_id = quote(mxid("ada")), "$" + "e" * 43
    path = f"user/{user}/rooms/{quote(room_id)}/account_data/m.marked_unread"
    assert (await line.request_as("ada", "PUT", path, {"unread": False, "event": event_id}))[0] == 200
    assert line.rows_with(room_id).keys() == {"event_push_summary", "room_stats_state", "room_account_data"}
    assert (await line.module_client.room(room_id)).leftovers == 3
    await line.purged(room_id)
    assert line.rows_with(room_id) == {}


async def test_what_waits_for_a_device_names_no_room_that_is_gone(line: ModuleHomeserver) -> None:
    """A client asks other devices for a key in the clear: one that is never on again would have that for ever."""
    room_id, other = await line.room("thread", "ada"), await line.room("thread", "ada")
    for room in (room_id, other):
        body = {"action": "request", "body": {"room_id": room, "session_id": "s"}, "request_id": "r"}
        message = {"messages": {mxid("ada"): {"*": body}}}
        path = f"sendToDevice/m.room_key_request/{quote(room)}"
        assert (await line.request_as("ada", "PUT", path, message))[0] == 200
    assert line.rows_with(room_id)["device_inbox"] == 1
    await line.purged(room_id)
    assert line.rows_with(room_id) == {}
    assert line.rows_with(other)["device_inbox"] == 1


@pytest.mark.parametrize("rows_gone", [False, True], ids=["people are gone", "all but state groups is gone"])
async def test_a_purge_that_failed_half_way_is_done_again(line: ModuleHomeserver, rows_gone: bool) -> None:
    """We are out of the room and cannot look into it, which is said as that; another purge leaves nothing."""
    room_id = await line.room("thread")
    event_id = await line.said(PUPPET, room_id)
    if rows_gone:
        await line.purged(room_id)
        change, values = "INSERT INTO state_groups (id, room_id, event_id) VALUES (1000000, ?, ?)", (room_id, event_id)
    else:
        for user in (PUPPET, POLICY):
            for act in ("leave", "forget"):
                assert (await line.request_as(user, "POST", f"rooms/{room_id}/{act}", {}))[0] == 200
        # Synapse goes on with what everybody forgot by itself, unless that failed.
        change, values = "UPDATE scheduled_tasks SET status = ? WHERE resource_id = ?", ("failed", room_id)
    with closing(sqlite3.connect(line.database, timeout=10)) as db, db:
        assert db.execute(change, values).rowcount == 1
    assert (await line.module_client.room(room_id)).state is RoomState.PRESENT
    status, answer = await line.request_as(POLICY, "GET", f"rooms/{room_id}/messages?dir=b")
    assert (status in {403, 404}, answer["errcode"] in NOT_ACCESSIBLE) == (True, True), answer
    await line.purged(room_id)
    assert line.rows_with(room_id) == {}


@pytest.mark.timeout(900)
async def test_a_purge_survives_a_kill(line: ModuleHomeserver) -> None:
    """Killed in the middle of a purge, the homeserver goes on with it by itself.

    Its task begins again within a minute; the lock of the process that died is believed for two more.
    """
    room_id = await line.room("thread", "ada", "sol")
    for _ in range(50):
        await line.said(PUPPET, room_id)
    assert await line.module_client.purge(room_id) is RoomState.PURGING
    os.kill(int(line.server.layout.pid("homeserver").read_text()), signal.SIGKILL)
    states = []

    async def gone() -> bool | None:
        try:
            states.append((await line.module_client.room(room_id)).state)
        except HomeserverUnreachable:
            return None
        return states[-1] is RoomState.GONE or None

    async def seen() -> str:
        return str(states[-3:])

    await wait_until("the purge is finished without being asked again", gone, within=300, every=3.0, seen=seen)
    await line.purged(room_id)
    assert line.rows_with(room_id) == {}


async def test_no_account_is_an_administrator(line: ModuleHomeserver) -> None:
    """Neither staff nor our identities, after setup and after everything above."""
    with closing(sqlite3.connect(f"file:{line.database}?mode=ro", uri=True)) as db:
        assert db.execute("SELECT COUNT(*), SUM(admin) FROM users").fetchone() == (5, 0)
