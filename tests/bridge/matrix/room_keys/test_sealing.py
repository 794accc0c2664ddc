"""Sessions of desk and offices, and Olm's: they go on, and the keys of what they were before open nothing any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.model.actions import Speaker
from bridge.app.startup import replace_room_keys
from bridge.erasure.expiry import destroy_passing_keys, seal_again
from bridge.matrix.olm import olm_store
from bridge.matrix.room_keys import sealing
from bridge.matrix.room_keys.sealing import inbound_seal_context, prune_ratchets, ratchet_seal_context
from bridge.storage.vault import CannotOpen, Passing, passing_owner_of
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, hear_ada, record_our_room, sync_with, timeline

pytestmark = pytest.mark.practice(14, 16)

TEXT = {"msgtype": "m.text", "body": "hello"}


async def at_desk(rig: Rig, server: ScriptedHomeserver) -> ClientDevice:
    """Have Ada at the desk, and her first words heard and answered."""
    server.knows_devices = True
    await record_our_room(rig, kind="desk")
    ada = ClientDevice("@ada:x")
    server.register(ada)
    await rig.matrix.devices.refresh_stale([ada.mxid])
    for table in ("inbox (owner TEXT, kind TEXT, body {0})", "dead_letter (owner TEXT, kind TEXT, body {0})"):
        query = f"CREATE TABLE IF NOT EXISTS {table}".format(rig.database.dialect.blob)
        await rig.database.commit(lambda transaction, query=query: transaction.execute(query))  # type: ignore[misc]
    query = "CREATE TABLE IF NOT EXISTS event (event_id TEXT, room_id TEXT, state BOOLEAN, at BIGINT)"
    await rig.database.commit(lambda transaction: transaction.execute(query))
    await hear(rig, server, ada, "one", key=True)
    await answer(rig, "1")
    return ada


async def hear(rig: Rig, server: ScriptedHomeserver, ada: ClientDevice, body: str, *, key: bool = False) -> None:
    """Have the policy bot sync what Ada says; `key`: with the key of her session."""
    to_device = {"to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]}} if key else {}
    await sync_with(rig, server, {**to_device, **timeline(ada.room_message(ROOM, body))})


async def answer(rig: Rig, txn: str) -> str:
    """Say something at the desk as both; return the policy bot's session."""
    await rig.room_client.send(ROOM, Speaker.TEXTER, f"t{txn}", "m.room.message", TEXT)
    await rig.room_client.send(ROOM, Speaker.POLICY, f"p{txn}", "m.room.message", TEXT)
    return str(await rig.database.fetchval("SELECT session_id FROM matrix_session WHERE user_id = $1 AND active", POLICY))


class Died(Exception):  # noqa: N818 - a moment
    """The bridge ends here."""


SEALED = (
    ("main", "SELECT session_id AS name, ratchet AS sealed FROM matrix_inbound", "matrix inbound {}"),
    ("main", "SELECT session_id AS name, first_key AS sealed FROM matrix_session", "matrix first key {}"),
    ("main", "SELECT account_id AS name, account AS sealed FROM crypto_account", "olm account {}"),
    ("puppet", "SELECT account_id AS name, account AS sealed FROM crypto_account", "olm account {}"),
    ("main", "SELECT session_id AS name, session AS sealed FROM crypto_olm_session", f"olm session {POLICY} {{}}"),
    ("puppet", "SELECT session_id AS name, session AS sealed FROM crypto_olm_session", f"olm session {PUPPET} {{}}"),
)


async def sealed(rig: Rig) -> list[tuple[str, bytes]]:
    """Return context and bytes of what is under passing keys, a part of each table."""
    pairs = []
    for where, query, context in SEALED:
        database = rig.database if where == "main" else rig.puppet_database
        rows = await database.fetch(query)
        assert rows, query
        pairs += [(context.format(row["name"]), bytes(row["sealed"])) for row in rows]
    return pairs


async def opened(rig: Rig, each: list[tuple[str, bytes]]) -> int:
    count = 0
    for context, data in each:
        try:
            await rig.vault.open_either(f"room:{ROOM}", context, data)
        except CannotOpen:
            continue
        count += 1
    return count


async def look(rig: Rig, *, everything: bool = True) -> None:
    """Do what expiry does once an hour, twice."""
    for _ in range(2):
        await destroy_passing_keys(rig.services)
        await prune_ratchets(rig.database, rig.vault)
        await seal_again(rig.services, now=rig.clock.now(), everything=everything)
    await destroy_passing_keys(rig.services)


async def test_all_goes_on_and_nothing_of_before_opens(rig: Rig, server: ScriptedHomeserver) -> None:
    """Words are heard and said in the same sessions, with the same devices, also after a new start.

    What stood before is ciphertext for ever, and of keys there are two at most.
    """
    ada = await at_desk(rig, server)
    session, devices = await answer(rig, "2"), (rig.matrix.policy.device_id, rig.matrix.puppet.device_id)
    before = await sealed(rig)
    assert all(passing_owner_of(data) for _, data in before)
    assert await opened(rig, before) == len(before) > 6
    for n in range(3):
        await look(rig)
        assert await opened(rig, before) == 0
        assert len(await rig.vault.passing_owners()) <= 2
        await hear(rig, server, ada, f"after {n}")
        assert await answer(rig, f"after{n}") == session
    await rig.stop()
    await rig.start(run=False)
    await hear(rig, server, ada, "again")
    assert bodies(rig.events) == ["one", "after 0", "after 1", "after 2", "again"]
    assert await answer(rig, "3") == session
    assert (rig.matrix.policy.device_id, rig.matrix.puppet.device_id) == devices


async def test_a_look_that_ends_anywhere_loses_no_session(rig: Rig, server: ScriptedHomeserver) -> None:
    """Before each commit and each destroyed key the bridge dies once: sessions and devices are the same afterwards.

    The next look comes to its end.
    """
    ada = await at_desk(rig, server)
    session, devices = await answer(rig, "2"), (rig.matrix.policy.device_id, rig.matrix.puppet.device_id)
    step, has_ended = 0, False
    before = await sealed(rig)
    while not has_ended:
        has_ended = await _ends(rig, step)
        await rig.stop()
        await rig.start(run=False)
        await hear(rig, server, ada, f"after {step}")
        assert await answer(rig, f"after{step}") == session
        assert (rig.matrix.policy.device_id, rig.matrix.puppet.device_id) == devices
        step += 1
    assert step > 10
    assert bodies(rig.events) == ["one", *(f"after {n}" for n in range(step))]
    await look(rig)
    assert await opened(rig, before) == 0
    assert len(await rig.vault.passing_owners()) <= 2


async def _ends(rig: Rig, step: int) -> bool:
    """Look, and die after so many commits and destroyed keys; return whether the look had come to its end before."""
    steps_left = step

    def counted(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def work(*args: Any, **more: Any) -> Any:
            nonlocal steps_left
            if steps_left == 0:
                raise Died
            steps_left -= 1
            return await call(*args, **more)

        return work

    with pytest.MonkeyPatch.context() as patch:
        for where, name in ((rig.database, "commit"), (rig.puppet_database, "commit"), (rig.vault, "destroy")):
            patch.setattr(where, name, counted(getattr(where, name)))
        try:
            await look(rig)
        except Died:
            return False
        return True


@pytest.mark.parametrize("leftover", ["sessions", "main", "puppet"])
async def test_what_was_not_sealed_again_keeps_its_key(rig: Rig, server: ScriptedHomeserver, leftover: str) -> None:
    """Megolm sessions, or the Olm account and sessions of one of us: the key of before stays while they stand under it."""
    await at_desk(rig, server)
    await rig.vault.renew_passing(Passing.SESSIONS)
    if leftover != "sessions":
        await sealing.reseal_sessions(rig.database, rig.vault, now_ms=int(rig.clock.now() * 1000))
    for where, database in (("main", rig.database), ("puppet", rig.puppet_database)):
        if leftover != where:
            await olm_store.reseal(database, rig.vault)
    await destroy_passing_keys(rig.services)
    now = await sealed(rig)
    assert len({passing_owner_of(data) for _, data in now}) == 2
    assert await opened(rig, now) == len(now)


async def test_what_was_pruned_cannot_be_read_with_any_copy(rig: Rig, server: ScriptedHomeserver) -> None:
    """Every state of a session that the database ever had: after the message is off the index none reads it."""
    ada = await at_desk(rig, server)
    before = await rig.database.fetch("SELECT session_id, ratchet FROM matrix_inbound")
    await rig.database.commit(lambda transaction: transaction.execute("DELETE FROM event"))
    await look(rig, everything=False)
    assert await rig.database.fetchval("SELECT first_index FROM matrix_inbound") == 1
    for row in before:
        with pytest.raises(CannotOpen):
            await rig.vault.open_either(f"room:{ROOM}", inbound_seal_context(row["session_id"]), bytes(row["ratchet"]))
    await hear(rig, server, ada, "two")
    assert bodies(rig.events) == ["one", "two"]


async def test_a_line_that_lost_its_passing_keys_hears_and_speaks_again(rig: Rig, server: ScriptedHomeserver) -> None:
    """An older `keys.db`, or a database that was put back: both identities get a new device, once.

    Clients send it the keys of the sessions that they are in. What was heard before is not heard a second time.
    """
    ada = await at_desk(rig, server)
    session = await answer(rig, "2")
    said = ada.room_message(ROOM, "while keys were lost")
    await rig.database.commit(lambda transaction: transaction.execute("DELETE FROM event"))
    await prune_ratchets(rig.database, rig.vault)
    for owner in await rig.vault.passing_owners():
        await rig.vault.destroy(owner)
    devices = (rig.matrix.policy.device_id, rig.matrix.puppet.device_id)
    await rig.stop()
    await rig.start(run=False)
    now = (rig.matrix.policy.device_id, rig.matrix.puppet.device_id)
    assert not set(now) & set(devices)
    assert set(server.device_table[POLICY]) == {now[0]}
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_inbound") == 0
    ada._to.clear()  # a client begins an Olm session with a new device
    await hear(rig, server, ada, "two", key=True)
    assert bodies(rig.events) == ["one", "two"]
    assert await rig.database.fetchval("SELECT floor FROM matrix_inbound") == 1, "nothing below is said again"
    assert await answer(rig, "3") != session
    await sync_with(rig, server, timeline(said))
    await rig.stop()
    await rig.start(run=False)
    assert (rig.matrix.policy.device_id, rig.matrix.puppet.device_id) == now
    await hear(rig, server, ada, "three")
    assert bodies(rig.events)[-1] == "three"


async def test_a_thread_s_sessions_are_under_its_room_s_key(rig: Rig) -> None:
    """They end with their room: no look writes them, and no passing key stands for them."""
    await record_our_room(rig, "!thread")
    await rig.room_client.send("!thread", Speaker.POLICY, "p", "m.room.message", TEXT)
    query = "SELECT first_key, ratchet FROM matrix_session"
    before: Any = dict(await rig.database.fetchrow(query) or {})
    await seal_again(rig.services, now=rig.clock.now(), everything=True)
    after: Any = dict(await rig.database.fetchrow(query) or {})
    assert before == after
    assert not any(passing_owner_of(bytes(each)) for each in after.values())


async def test_who_speaks_in_a_room_that_gets_another_key_is_read(rig: Rig, server: ScriptedHomeserver) -> None:
    """A conversation's room after an older `keys.db`: at the start it gets another key.

    Its people's clients go on with the sessions they have, and give them to the new device of the policy bot, once.
    """
    ada = await hear_ada(rig, server)
    await hear(rig, server, ada, "one")
    query = "INSERT INTO warm_room (room_id, designation) VALUES ($1, '')"
    await rig.database.commit(lambda transaction: transaction.execute(query, ROOM))
    owner, device = f"room:{ROOM}", rig.matrix.policy.device_id
    await rig.vault.destroy(owner)
    devices = []
    for _ in range(2):
        await rig.stop()
        await rig.start(run=False)
        await replace_room_keys(rig.services, {"t"}, POLICY)
        await rig.stop()
        await rig.start(run=False)
        devices.append(rig.matrix.policy.device_id)
    assert devices[0] == devices[1] != device
    ada._to.clear()  # a client begins an Olm session with a new device
    await hear(rig, server, ada, "two", key=True)
    assert bodies(rig.events) == ["one", "two"]
    await rig.room_client.send(ROOM, Speaker.POLICY, "p", "m.room.message", TEXT)


def test_a_ratchet_opens_in_the_history_it_was_sealed_in() -> None:
    """A server of which a replica was promoted begins another session."""
    assert ratchet_seal_context("s", "") != ratchet_seal_context("s", "2") != ratchet_seal_context("s", "3")
