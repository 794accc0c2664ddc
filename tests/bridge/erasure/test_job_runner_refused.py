"""What is refused for days, and tried again all the while, is never called well."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from bridge.carriers.adapter import DeleteOutcome, NotYet
from bridge.erasure import carrier_copies
from bridge.matrix.api.module_api import Away
from bridge.matrix.room_client import Permanent
from deploy.inspect.erasure_receipts import verify

if TYPE_CHECKING:
    from bridge.config import Config
    from tests.fakes.nerves import Nerves
    from tests.fakes.paper_rooms import WayDown

HOUR, DAY = 3600, 86_400


def wrong(nerves: Nerves) -> set[str]:
    """Return what `erasure verify` names beside this line."""
    for name, key in (("vault", bytes(range(32))), ("index", bytes(range(1, 33)))):
        (nerves.directory / name).write_text(key.hex(), encoding="utf-8")
    keys = SimpleNamespace(vault_key_file=nerves.directory / "vault", index_key_file=nerves.directory / "index")
    config = cast("Config", SimpleNamespace(data_dir=nerves.directory, keys=keys))
    return {check.name for check in verify(config, now=nerves.clock.at).checks if not check.ok}


async def test_a_copy_that_the_carrier_refuses_to_delete(nerves: Nerves, monkeypatch: pytest.MonkeyPatch) -> None:
    """A carrier answers every deletion with an error: from the first alert at the desk on, no look calls it well."""

    async def refuse(_id: str) -> DeleteOutcome:
        return NotYet(60.0)

    monkeypatch.setattr(nerves.paper, "delete_copy", refuse)
    owner = await nerves.arrive("words", message_id="SM1")
    ref = await nerves.store.fetchval("SELECT ref FROM carrier_copy")
    await nerves.store.commit(lambda conn: carrier_copies.shown(conn, owner, f"{ref}:0", nerves.clock.at))
    assert wrong(nerves) == set()
    looks = []
    for _ in range(24):
        nerves.clock.at = float(await nerves.store.fetchval("SELECT due FROM carrier_copy"))
        await nerves.copies.once()
        looks.append((bool(nerves.alarms), wrong(nerves)))
    assert {named == ({"carrier"} if told else set()) for told, named in looks} == {True}
    assert looks[-1] == (True, {"carrier"})


async def test_an_event_that_the_homeserver_refuses_to_redact(way: WayDown) -> None:
    """A homeserver refuses for three days: an hour after the event should have gone, and ever after, it is named."""
    await way.furnish(events=1, uploads=0)
    clock = way.nerves.clock
    start = int(clock.at)
    await way.nerves.store.commit(lambda conn: conn.execute("UPDATE event SET expires = $1", start))
    while clock.at < start + 3 * DAY:
        way.rooms.faults.clear()
        way.rooms.faults.append(Permanent(403, "M_FORBIDDEN"))
        await way.sweep.once()
        assert ("events" in wrong(way.nerves)) is (clock.at > start + HOUR), clock.at - start
        clock.at += 600
    way.rooms.faults.clear()
    clock.at += HOUR
    await way.sweep.once()
    assert "events" not in wrong(way.nerves)


async def test_a_room_that_the_homeserver_does_not_let_go(way: WayDown) -> None:
    """A thread is closed at once, and the homeserver's module answers with errors for five hours: the room is named."""
    owner = await way.furnish(events=1, uploads=0)
    await way.say(owner, "!close now")
    clock = way.nerves.clock
    start = clock.at
    while clock.at < start + 5 * HOUR:
        way.rooms.faults.clear()
        way.rooms.faults.extend([Away(503)] * 60)
        clock.at += max(await way.erasure.once(), 1)
        if clock.at > start + HOUR:
            assert "on the way down" in wrong(way.nerves), clock.at - start
