"""A line restored on an agency's own Synapse: the rooms from before stay until a person says that no hold concerns them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from deploy.backup.backup import MIN_PASSPHRASE
from tests.e2e.first_answer import HANDSET
from tests.e2e.joined_synapse import JoinedSynapse
from tests.e2e.polling import wait_until
from tests.e2e.stack import Stack, run
from tests.e2e.test_erasure import rows
from tests.e2e.test_join import PATH_SECRET, SERVER, bridge, init
from tests.fakes import database_file
from tests.fakes.kannel import FakeKannel

TEXT = "cormorantpier texted before the backup"
FATE = "SELECT value FROM line WHERE name = 'old_rooms'"


async def test_old_rooms_are_kept_until_a_person_accepts(tmp_path: Path) -> None:
    """A conversation, a backup, a lost server, a restore: the conversation's room stays. `erasure old-rooms` erases it.

    The next start erases it and certifies that. The desk and the other rooms that the line made since stay.
    """
    stack = Stack(tmp_path)
    synapse = JoinedSynapse(tmp_path / "agency", stack.base, SERVER)
    gateway = FakeKannel(webhook=f"http://127.0.0.1:{stack.base + 1}/carriers/main", path_secret=PATH_SECRET)
    passphrase, file = tmp_path / "passphrase", tmp_path / "line.backup"
    passphrase.touch(mode=0o600)
    passphrase.write_text("w" * MIN_PASSPHRASE)
    await gateway.start()
    try:
        synapse.set_up()
        await init(stack, synapse, gateway)
        synapse.paste(stack.data / "synapse")
        async with synapse.running():
            async with bridge(stack):
                gateway.call(gateway.inbound(HANDSET, TEXT, ()))
                old_room = await wait_until("the text is in a room", partial(_room_of_text, stack))
                words = ("--to", str(file), "--passphrase-file", str(passphrase))
                await _do(stack, "backup", *words)
            stack.data.rename(tmp_path / "the lost server")
            await _do(stack, "restore", str(file), "--passphrase-file", str(passphrase))

            async with bridge(stack, take_over=True) as ready:
                await wait_until("the desk is told", partial(_fate, stack, "told"), within=90)
                assert await _events(synapse, old_room)
                assert rows(stack, "SELECT id FROM thread") == []
                desk = ready.desk_room
            await _do(stack, "erasure", "old-rooms")
            async with bridge(stack) as ready:
                await wait_until("the room is erased", partial(_erased, stack, synapse, old_room), within=90)
                assert ready.desk_room == desk
                assert await _events(synapse, desk)
                assert await _fate(stack, None)
            audit = json.loads(await _do(stack, "audit", "--json"))["entries"]
            assert [entry["kind"] for entry in audit].count("accept_facts") == 1
    finally:
        await gateway.stop()
        await stack.end()


async def _do(stack: Stack, *words: str) -> str:
    code, output = await run(stack.command(*words, "--data", str(stack.data)))
    assert code == 0, output
    return output


async def _room_of_text(stack: Stack) -> str | None:
    """Return the room of the only conversation, when its text has been sent to it."""
    in_rooms = rows(stack, "SELECT room_id FROM thread WHERE room_id IS NOT NULL")
    return in_rooms[0][0] if in_rooms and not rows(stack, "SELECT id FROM outbox") else None


async def _fate(stack: Stack, value: str | None) -> bool | None:
    return rows(stack, FATE) == ([(value,)] if value else []) or None


async def _erased(stack: Stack, synapse: JoinedSynapse, room: str) -> bool | None:
    return (not await _events(synapse, room) and not rows(stack, "SELECT id FROM erasure")) or None


async def _events(synapse: JoinedSynapse, room: str) -> int:
    ((count,),) = database_file.rows(
        synapse.directory / "homeserver.db", "SELECT count(*) FROM events WHERE room_id = ?", room
    )
    return int(count)
