"""Under which key a session stands: a thread's under its room's, those of desk and offices under a passing one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.matrix.room_keys.sealing import ratchet_seal_context, seal_session
from bridge.matrix.rooms.room_state import Room, RoomKind
from bridge.storage.vault import CannotOpen, passing_owner_of
from tests.fakes.open_vault import open_vault


def room_of(kind: RoomKind) -> Room:
    return Room(room_id="!r", kind=kind, owner="o", key_owner="room:!r")


@pytest.mark.parametrize("kind", ["desk", "office"])
async def test_rooms_that_live_on_have_a_passing_key(tmp_path: Path, kind: RoomKind) -> None:
    """It opens while that key is there, for its own place alone, and whether their room has a key or not."""
    async with open_vault(tmp_path) as vault:
        sealed = await seal_session(vault, room_of(kind), "here", b"a state")
        assert await vault.open_either("room:!r", "here", sealed) == b"a state"
        with pytest.raises(CannotOpen):
            await vault.open_either("room:!r", "elsewhere", sealed)
        await vault.destroy(passing_owner_of(sealed))
        with pytest.raises(CannotOpen):
            await vault.open_either("room:!r", "here", sealed)


async def test_a_thread_s_room_has_its_own(tmp_path: Path) -> None:
    """Without that key nothing is sealed, so that nothing stands behind an end."""
    async with open_vault(tmp_path) as vault:
        with pytest.raises(CannotOpen):
            await seal_session(vault, room_of("thread"), "here", b"a state")
        await vault.create("room:!r")
        sealed = await seal_session(vault, room_of("thread"), "here", b"a state")
        assert not passing_owner_of(sealed)
        assert await vault.open_either("room:!r", "here", sealed) == b"a state"


def test_a_ratchet_opens_in_the_history_it_was_sealed_in() -> None:
    """A server of which a replica was promoted begins another session."""
    assert ratchet_seal_context("s", "") != ratchet_seal_context("s", "2") != ratchet_seal_context("s", "3")
