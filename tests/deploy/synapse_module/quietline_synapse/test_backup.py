"""Server-side key backup: keys of line rooms are accepted and not kept, and a strict client has its recovery."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import matrix_sdk_python as sdk
import pytest
import pytest_asyncio

from deploy.stack.provision import mxid
from tests.deploy.module_homeserver import ModuleHomeserver, module_homeserver
from tests.e2e.polling import wait_until
from tests.e2e.staff_client import Account
from tests.e2e.strict_client import StrictClient

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

KEY = {"first_message_index": 0, "forwarded_count": 0, "is_verified": True, "session_data": {"ciphertext": "keyCANARY"}}

NEW_BACKUP = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {"public_key": "x", "signatures": {}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ModuleHomeserver]:
    async with module_homeserver(tmp_path_factory.mktemp("backup")) as shared_line:
        yield shared_line


def kept(line: ModuleHomeserver) -> set[str]:
    """Rooms of which any key lies in a backup."""
    with closing(sqlite3.connect(f"file:{line.database}?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("SELECT room_id FROM e2e_room_keys")}


async def own_room(line: ModuleHomeserver, user: str) -> str:
    """Make a room that is not ours; encrypted by the homeserver's default."""
    status, room = await line.request_as(user, "POST", "createRoom", {"preset": "private_chat"})
    assert status == 200
    return str(room["room_id"])


async def test_all_ways_of_uploading(line: ModuleHomeserver) -> None:
    """By session, by room and in bulk: 200 each; kept is all but ours, also of rooms unknown here."""
    status, backup = await line.request_as("sol", "POST", "room_keys/version", NEW_BACKUP)
    assert status == 200
    version = backup["version"]
    theirs, ours, unknown = await own_room(line, "sol"), line.desk, "!unknown"
    rooms = {room: {"sessions": {"s3": KEY}} for room in (theirs, ours, unknown)}
    for room in (theirs, ours, unknown):
        for path, what in (
            (f"room_keys/keys/{room}/s1", KEY),
            (f"room_keys/keys/{room}", {"sessions": {"s2": KEY}}),
            ("room_keys/keys", {"rooms": rooms}),
        ):
            status, answer = await line.request_as("sol", "PUT", f"{path}?version={version}", what)
            assert status == 200, answer
            assert set(answer) == {"etag", "count"}
    assert kept(line) == {theirs, unknown}
    assert (await line.request_as("sol", "GET", f"room_keys/version/{version}"))[1]["count"] == 6
    assert (await line.request_as("sol", "GET", f"room_keys/keys/{ours}?version={version}"))[1] == {"sessions": {}}


async def test_a_strict_client_has_recovery(line: ModuleHomeserver) -> None:
    """Its recovery says "enabled", its keys count as backed up, and the server has none of a line room.

    And a room in which such a client was, with threads, receipts and reactions by sliding sync, is purged to the last row.
    """
    (ada,) = (account for account in line.server.accounts if account.user == "ada")
    account = Account(user="ada", mxid=mxid("ada"), password=ada.password, role=ada.role)
    ours, theirs = await line.room("thread", "ada"), await own_room(line, "ada")
    client = StrictClient(line.server.url, account)
    await client.start()
    try:
        for room_id in (ours, theirs):

            async def there(room_id: str = room_id) -> bool | None:
                return room_id in await client.joined() or None

            await wait_until("the client shows the room", there)
            await client.say(room_id, "hello")

        class Progress(sdk.EnableRecoveryProgressListener):  # type: ignore[misc]
            def on_update(self, status: Any) -> None:
                pass

        encryption = client._client.encryption()
        assert await encryption.enable_recovery(True, None, Progress())
        assert encryption.recovery_state() == sdk.RecoveryState.ENABLED
        assert encryption.backup_state() == sdk.BackupState.ENABLED
        assert theirs in kept(line)
        assert ours not in kept(line)
        assert line.desk not in kept(line)
        # And what is said from then on.
        root = await client.say(ours, "again")
        await client.say_in_thread(ours, root, "in a thread")
        await client.react(ours, root, "✅")
        await encryption.wait_for_backup_upload_steady_state(None)
        assert encryption.recovery_state() == sdk.RecoveryState.ENABLED
        assert ours not in kept(line)
    finally:
        await client.stop()
    assert any("sliding_sync" in table for table in line.rows_with(ours))
    assert (await line.module_client.sign_out(mxid("ada"))).devices > 1
    await line.purged(ours)
    version = (await line.request_as("bea", "POST", "room_keys/version", NEW_BACKUP))[1]["version"]
    assert (await line.request_as("bea", "PUT", f"room_keys/keys/{ours}/s1?version={version}", KEY))[0] == 200
    assert line.rows_with(ours) == {}
    await line.module_client.vacuum()
    assert line.holding(ours) == {}
