"""What PostgreSQL keeps of a conversation that has ended: data directory, archive, replica, base backup of before, log.

Rules of this module: what is looked for is first found where it must be, so that a search that finds nothing means
something; what is left of keys is `keys.db` as it is after the end, and the key files of the operator.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from bot.model.actions import DESK, OFFICE, THREAD
from bot.model.events import MessageSent
from bridge.erasure.expiry import PRUNE_INTERVAL
from bridge.matrix.olm.cross_signing import Device
from bridge.matrix.olm.olm_store import OlmStore
from bridge.matrix.olm.vodozemac_olm import Account, InboundGroupSession, OlmGroupSessionError, OutboundGroupSession
from bridge.matrix.room_keys import inbound_table, outbound_table
from bridge.matrix.room_keys.sealing import (
    first_key_seal_context,
    inbound_seal_context,
    ratchet_seal_context,
    seal_session,
)
from bridge.matrix.rooms.room_state import Room, record_room
from bridge.runtime.phone_number import Phone
from bridge.storage.database import Transaction
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import PASSING, CannotOpen, Vault
from tests.bridge.engine.test_codeword_matching import in_office
from tests.fakes.bridge_harness import LINE, BridgeHarness
from tests.fakes.database_engine import VARIABLE
from tests.fakes.erasure_harness import ADA, ROOM, SOL, ErasureHarness, FakeRooms
from tests.fakes.key_file_reader import wrapped_keys
from tests.fakes.postgres_server import PostgresServer, bridge_server, running_postgres
from tests.outside_programs import OutsidePrograms

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.practice(14, 16, 17, 18)]

NUMBER: Final = "+12065550147"
DESK_ROOM, POLICY = "!desk", "@policy:x"
CODEWORD, DURESS = "velvetquagga", "brasszeppelin"
PLANTED: Final = {
    "number": (NUMBER, NUMBER[1:], NUMBER[2:]),
    "her words": ("kestrelfjord is where I hide",),
    "her name": ("Wilhelmina Quist",),
    "the answer": ("ask for Theodora at the marmaladegate",),
    "codeword": (CODEWORD, "VELVETQUAGGA"),
    "duress word": (DURESS,),
    "a session's key": ("ratchetofthisroom",),
    "words about her at the desk": ("she hides at the heliotropemill",),
    "a number that was typed": ("+12065550148",),
}
"""By what it is, each form that is looked for."""
EMPTY: Final = bytes(8192)
"""A block with nothing in it. A server's log has megabytes of them behind what was written."""


@dataclass(slots=True)
class Remains:
    """What can be taken after the end. `places`: all bytes by place; `sealed`: what was sealed, by its owner and context.

    `of_desk`: what was sealed for others of it, such as the desk, whose own key stays; `said_at_desk`: what the
    homeserver had of words at the desk; `read_before`: with how many states of sessions something of that was read before.

    `clear`: ids that are not sealed, the thread's first; `phone_hash`: of the number; `opened`: how much of `sealed` could
    be opened before; `keys_before`: the wrapped keys of that time; `vault`: over what is left of them.
    """

    places: dict[str, bytes]
    sealed: list[tuple[str, str, bytes]]
    of_desk: list[tuple[str, str, bytes]]
    said_at_desk: tuple[str, ...]
    read_before: int
    clear: tuple[str, ...]
    phone_hash: bytes
    opened: int
    keys_before: dict[str, bytes]
    vault: Vault


class RecordingVault:
    """Has a harness note all that its vault seals."""

    def __init__(self, vault: Vault) -> None:
        self.sealed: list[tuple[str, str, bytes]] = []
        seal = vault.seal

        async def recorded(owner: str, context: str, data: bytes) -> bytes:
            sealed = await seal(owner, context, data)
            self.sealed.append((owner, context, sealed))
            return sealed

        vault.seal = recorded  # type: ignore[method-assign]  # one vault of one test


async def converse(erasure: ErasureHarness) -> str:
    """Let a person text, agree on words, be answered and have a room; return the thread."""
    harness = erasure.harness
    owner = await erasure.create_thread_room(sender=NUMBER)
    text = f"This is {PLANTED['her name'][0]}, {PLANTED['her words'][0]}"
    await harness.receive_text(text, message_id="planted", sender=NUMBER)
    await harness.wait_until_drained()
    await erasure.send_message(owner, "!claim", sender=ADA)
    await erasure.send_message(owner, "!codeword", sender=ADA)
    for n, body in enumerate((CODEWORD, DURESS)):
        office = in_office(body, place=OFFICE + ADA, sender=ADA, event_id=f"$w{n}", at=harness.clock.now())
        await harness.deliver(DESK, office)
        await harness.wait_until_drained()
    at = harness.clock.now()
    about = PLANTED["words about her at the desk"][0]
    await harness.deliver(DESK, MessageSent(place=DESK, sender=ADA, event_id="$d", body=about, at=at))
    typed = f"!text {PLANTED['a number that was typed'][0]}"
    await harness.deliver(DESK, MessageSent(place=OFFICE + ADA, sender=ADA, event_id="$n", body=typed, at=at))
    await harness.wait_until_drained()
    said = MessageSent(place=THREAD, sender=ADA, event_id="$a", body=PLANTED["the answer"][0], at=harness.clock.now())
    await harness.deliver(owner, said)
    await harness.wait_until_drained()
    await harness.receive_text(f"it is {CODEWORD}", message_id="code", sender=NUMBER)
    await harness.wait_until_drained()
    key = await harness.vault.seal(f"room:{ROOM}", "first key", PLANTED["a session's key"][0].encode())

    async def keep(transaction: Transaction) -> None:
        await transaction.execute("UPDATE matrix_session SET first_key = $1 WHERE room_id = $2", key, ROOM)

    await harness.database.commit(keep)
    return owner


async def talk_at_desk(harness: BridgeHarness) -> tuple[str, ...]:
    """Have Ada say something at the desk and be answered there, and both be over; return what the homeserver had of it.

    A key of the room is handed out to her device before that.
    """
    desk = Room(room_id=DESK_ROOM, kind="desk", owner=DESK, key_owner=f"room:{DESK_ROOM}")
    ours, theirs = OutboundGroupSession(), OutboundGroupSession()
    inbound, account, hers = InboundGroupSession.from_key(theirs.session_key), Account(), Account()
    hers.generate_one_time_keys(1)
    device = Device(user_id=ADA, device_id="HERS", curve25519=hers.identity_key, ed25519=hers.signing_key)
    store = OlmStore(user_id=POLICY, device_id="DEVICE", vault=harness.vault)

    async def begin(transaction: Transaction) -> None:
        await record_room(transaction, desk, members={}, levels={})
        await store.save(transaction, account)
        await store.open(transaction, account, device, next(iter(hers.one_time_keys.values())))
        first_key = ours.session_key.encode()
        await outbound_table.begin(
            transaction,
            session_id=ours.id,
            room_id=DESK_ROOM,
            user_id=POLICY,
            first_key=await seal_session(harness.vault, desk, first_key_seal_context(ours.id), first_key),
            ratchet=await seal_session(harness.vault, desk, ratchet_seal_context(ours.id, ""), ours.pickle()),
            next_index=1,
            begun_ms=0,
        )
        await inbound_table.put(
            transaction,
            room_id=DESK_ROOM,
            session_id=theirs.id,
            sender=ADA,
            sender_key="k",
            signing_key="s",
            first_index=0,
            ratchet=await seal_session(harness.vault, desk, inbound_seal_context(theirs.id), inbound.pickle()),
            learned_ms=0,
            floor=0,
        )
        await inbound_table.claim_index(transaction, DESK_ROOM, theirs.id, 0, "$said")

    async def go_on(transaction: Transaction) -> None:
        await store.encrypt(transaction, account, device, "m.room_key", {"session_key": "a room's key"})
        await outbound_table.rotate_sessions(transaction, DESK_ROOM)

    await harness.database.commit(begin)
    await harness.database.commit(go_on)
    about = PLANTED["words about her at the desk"][0]
    return theirs.encrypt(about), ours.encrypt(about)


async def states_that_read(vault: Vault, sealed: list[tuple[str, str, bytes]], said: tuple[str, ...]) -> int:
    """Count the states of sessions that open, and with which something of that is read."""
    count = 0
    for owner, context, data in sealed:
        try:
            plain = await vault.open(owner, context, data)
        except CannotOpen:
            continue
        if context.startswith("matrix inbound "):
            session = InboundGroupSession.from_pickle(plain)
        elif not context.startswith("matrix first key "):
            continue
        else:
            session = InboundGroupSession.from_key(plain.decode())
        for each in said:
            with contextlib.suppress(OlmGroupSessionError):
                session.decrypt(each)
                count += 1
    return count


def read_all(directory: Path) -> bytes:
    """Return every byte below a directory, and every name; of a file every byte, but of a run of empty blocks the first.

    What is looked for is shorter than a block, so it is found as if all were there.
    """
    if directory.is_file():
        return _with_short_runs(directory)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return b"".join(str(path.relative_to(directory)).encode() + b"\0" + _with_short_runs(path) for path in files)


def _with_short_runs(path: Path) -> bytes:
    blocks, last = [], b""
    with path.open("rb") as file:
        while block := file.read(len(EMPTY)):
            if not block == last == EMPTY:
                blocks.append(block)
            last = block
    return b"".join(blocks)


async def openable(vault: Vault, sealed: list[tuple[str, str, bytes]]) -> int:
    """Count what a vault opens."""
    number = 0
    for owner, context, data in sealed:
        try:
            await vault.open(owner, context, data)
        except CannotOpen:
            continue
        number += 1
    return number


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def remains(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Remains]:
    directory = tmp_path_factory.mktemp("line")
    with running_postgres(OutsidePrograms(missing=[])) as base_server, pytest.MonkeyPatch.context() as patch:
        server = bridge_server(base_server)
        patch.setenv(VARIABLE, server.url("postgres"))
        yield await _take(directory, server)


async def _take(directory: Path, server: PostgresServer) -> Remains:
    """Have a conversation and its end, and take all that there is."""
    archive, backup = server.directory / "archive", server.directory / "before"
    archive.mkdir(mode=0o700)
    if server.user is not None:
        os.chown(archive, server.user, pwd.getpwuid(server.user).pw_gid)
    await asyncio.to_thread(server.stop)
    settings = ("archive_mode=on", f"archive_command=cp %p {archive}/%f", "full_page_writes=on", "wal_level=replica")
    talkative = ("log_statement=all", "log_parameter_max_length=-1")  # the most that a server writes into its log
    await asyncio.to_thread(server.start, *settings, *talkative)
    replica = await asyncio.to_thread(server.make_replica)
    await asyncio.to_thread(replica.start)
    harness = BridgeHarness(directory)
    try:
        await harness.open()
        recording = RecordingVault(harness.vault)
        await harness.run()
        erasure = ErasureHarness(harness, FakeRooms())
        owner = await converse(erasure)
        said_at_desk = await talk_at_desk(harness)
        assert (await harness.thread(owner)).codeword.digests is not None
        assert PLANTED["the answer"][0] in [word for text in harness.carrier.sent for word in text]
        await asyncio.to_thread(server.base_backup, backup, "-X", "stream")
        sealed = [each for each in recording.sealed if each[0] in {owner, f"room:{ROOM}"}]
        opened, keys_before = await openable(harness.vault, sealed), wrapped_keys(directory / "keys.db")
        read_before = await states_that_read(harness.vault, recording.sealed, said_at_desk)
        clear = (owner, ROOM, "$e0", ADA)
        await erasure.send_message(owner, "!close now", sender=SOL)
        await erasure.run_to_end()
        assert await harness.count("thread") == 0
        for _ in range(3):
            harness.clock.at += PRUNE_INTERVAL
            await erasure.expiry.run_once()
        assert await harness.database.vacuum()
        phone_hash = harness.vault.phone_hash(LINE, Phone(NUMBER))
    finally:
        await harness.close()
    await asyncio.to_thread(server.execute, "postgres", "SELECT pg_switch_wal()", "CHECKPOINT")
    await asyncio.to_thread(server.wait_until_replayed, replica)
    replica.execute("postgres", "CHECKPOINT")
    await asyncio.to_thread(replica.stop)
    await asyncio.to_thread(server.stop)
    keys = KeyFile(path=directory / "keys.db")
    await keys.open()
    places = {
        "data directory": server.directory / "data",
        "log archive": archive,
        "streaming replica": replica.directory / "data",
        "base backup of before": backup,
        "server's log": server.directory / "log",
        "replica's log": replica.directory / "log",
        "bridge's directory": directory,
    }
    return Remains(
        places={name: read_all(path) for name, path in places.items()},
        sealed=sealed,
        of_desk=[each for each in recording.sealed if each[0] not in {owner, f"room:{ROOM}"}],
        said_at_desk=said_at_desk,
        read_before=read_before,
        clear=clear,
        phone_hash=phone_hash,
        opened=opened,
        keys_before=keys_before,
        vault=Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33))),
    )


def holds(raw: bytes, data: bytes) -> bool:
    """Whether these bytes are there. In the log the header of a page may stand among them: then one half is whole."""
    half = len(data) // 2
    return data[:half] in raw or data[half:] in raw


SERVERS: Final = ("data directory", "log archive", "streaming replica", "base backup of before")


async def test_nothing_planted_is_in_any_byte(remains: Remains) -> None:
    """Number, words, name, answer, agreed words, key of a session: in clear nowhere, in whatever case it was written."""
    for place, raw in remains.places.items():
        for what, forms in PLANTED.items():
            assert not [form for form in forms if form.encode() in raw], f"{what} in {place}"
            assert not [form for form in forms if form.encode().hex().encode() in raw], (
                f"{what} in {place}, as a server logs it"
            )


async def test_what_was_sealed_is_there_and_cannot_be_opened(remains: Remains) -> None:
    """Every server's copy has ciphertext of the conversation, all of which opened before; with what is left none does."""
    assert remains.opened == len(remains.sealed) > 20
    for place in SERVERS:
        there = [each for each in remains.sealed if each[2] in remains.places[place]]
        assert there, f"no ciphertext in {place}: the search proves nothing"
        opened = await openable(remains.vault, there)
        sys.stdout.write(f"{place}: {len(remains.places[place]) >> 20} MiB, {len(there)} ciphertexts, {opened} opened\n")
        assert opened == 0, place
    assert await openable(remains.vault, remains.sealed) == 0


async def test_nothing_planted_is_under_a_key_that_stays(remains: Remains) -> None:
    """Agreed words and a number said in an office, words about her said at the desk: sealed for the desk, and as gone.

    What the desk's own key still opens is what it was told of the thread: its two words, who had it, when.
    """
    opened = []
    for owner, context, data in remains.of_desk:
        with contextlib.suppress(CannotOpen):
            opened.append(await remains.vault.open(owner, context, data))
    assert len(opened) > 20, "the desk's key is there: a search that finds nothing means something"
    for what, forms in PLANTED.items():
        assert not [form for form in forms for plain in opened if form.encode() in plain], what
    passing = [data for owner, _, data in remains.of_desk if owner.startswith(PASSING)]
    for place in SERVERS:
        assert sum(holds(remains.places[place], data) for data in passing) >= 4, place


async def test_what_was_pruned_is_read_with_no_state_of_a_session(remains: Remains) -> None:
    """Words at the desk, hers and ours, are over while the desk goes on: each copy has states with which they were read.

    Who has also what the homeserver had reads nothing; nor does the state of an Olm session from before a room's key was
    handed out open, though that session goes on.
    """
    assert remains.read_before == 2
    states = [each for each in remains.of_desk if each[1].startswith(("matrix inbound", "matrix first key"))]
    olm = [each for each in remains.of_desk if each[1].startswith("olm session")]
    for place in SERVERS:
        assert sum(holds(remains.places[place], data) for _, _, data in states) >= 2, place
    # The first that there was: of the servers' own files it is gone once the oldest of their log are used again.
    assert holds(remains.places["log archive"], olm[0][2])
    assert await states_that_read(remains.vault, remains.of_desk, remains.said_at_desk) == 0
    assert await openable(remains.vault, olm[:1]) == 0
    assert await openable(remains.vault, olm[-1:]) == await openable(remains.vault, states[-1:]) == 1, "they go on"


async def test_the_server_s_log_has_ciphertext_alone(remains: Remains) -> None:
    """It was made to log each statement with its values: what was sealed stands there, so that a search means something."""
    raw = remains.places["server's log"]
    there = [each for each in remains.sealed if each[2].hex().encode() in raw]
    assert len(there) > 20
    assert await openable(remains.vault, there) == 0


async def test_keys_are_in_no_byte_of_postgresql(remains: Remains) -> None:
    """Neither a wrapped key of the conversation's, which `keys.db` has no more either, nor the operator's."""
    destroyed_keys = [
        wrapped for name, wrapped in remains.keys_before.items() if name in {remains.clear[0], f"room:{ROOM}"}
    ]
    assert len(destroyed_keys) == 2
    for place, raw in remains.places.items():
        for key in (*destroyed_keys, bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34))):
            assert key not in raw, place
            assert key.hex().encode() not in raw, place


async def test_what_stays_in_clear_is_what_the_exposure_sheet_says(remains: Remains) -> None:
    """Ids of thread, room, event and staff, and the keyed hash of the number: written down, and found in the archive."""
    for place in ("log archive", "streaming replica"):
        assert all(clear.encode() in remains.places[place] for clear in remains.clear), place
        assert remains.phone_hash in remains.places[place]
    assert remains.phone_hash not in remains.places["bridge's directory"]
