"""Erasure jobs: every step once, in order, and nothing signed that was not looked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from bot.model.events import TimerDue
from bot.model.thread import ThreadState
from bridge.erasure.certificate import ErasureCertificate
from bridge.erasure.job_runner import REDACTION_DELIVERY_SECONDS
from bridge.matrix.api.http_client import Permanent, Transient
from bridge.matrix.api.module_api import STILL_THERE, HomeserverUnreachable, ModuleNotLoaded, ModuleRequestRejected
from bridge.tables.erasure_jobs import IMMEDIATE, PERSON_COLUMNS, ROOM_COLUMNS
from bridge.tables.inbox import KnownTexter
from policies.schema import SettingsPart
from tests.fakes.bridge_harness import HANDSET
from tests.fakes.erasure_harness import ROOM, ErasureHarness, FakeRooms

GRACE, CLIENTS = 72 * 3600.0, 7 * 86_400.0
PERSON_STEPS = ("key", "copies", "person", "flush")
STEPS = ("redact", "empty", "censor", "uploads", "destroy", "purge", "look", "forget", "sign", *PERSON_STEPS)


@pytest.mark.practice(16, 17)
async def test_closed_now_everything_goes_and_the_receipts_say_so(erasure: ErasureHarness) -> None:
    """`!close now`: room, people, uploads, keys, number, rows and the carrier's copies go, and were looked for."""
    owner = await erasure.create_thread_room(events=120, uploads=2)
    number_of_texts = len(erasure.harness.carrier.sent) + 1
    await erasure.send_message(owner, "!close now")
    assert await erasure.harness.database.fetchrow("SELECT id FROM thread") is None
    began = erasure.harness.clock.at
    await erasure.run_to_end()
    assert erasure.harness.clock.at - began <= 60

    rooms = erasure.rooms
    assert (rooms.present, rooms.members, rooms.media) == (False, set(), set())
    assert not any(rooms.events.values())
    assert rooms.requests.index("empty") > max(n for n, request in enumerate(rooms.requests) if request == "redact")
    assert rooms.requests.index("purge") > rooms.requests.index("censor") > rooms.requests.index("empty")
    assert erasure.on_keys_destroyed == [ROOM]
    assert await erasure.harness.vault.owners() == {"desk", "copies"}
    for table, _ in {*ROOM_COLUMNS, *PERSON_COLUMNS} - {("timer", "owner"), ("event", "owner")}:
        assert await erasure.harness.count(table) == 0, table
    conversation, person = await erasure.certificates()
    assert conversation["gone"] == {"events": 120, "keys": 1, "rooms": 1, "uploads": 2}
    assert person["carrier"] == {"copies deleted, confirmed": number_of_texts}
    assert person["gone"] == {"keys": 1, "people": 1}


@pytest.mark.practice(16, 17)
async def test_a_close_leaves_number_and_flags_for_the_grace_and_the_room_for_its_clients(erasure: ErasureHarness) -> None:
    """Parked: content goes at once, the room after `client_grace`, number and flags after `grace`; each has its receipt."""
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close")
    assert (await erasure.harness.thread(owner)).lifecycle.closes_at
    await _pass(erasure, owner, 600, "close")
    thread = await erasure.harness.thread(owner)
    assert (thread.lifecycle.state, thread.designation) == (ThreadState.PARKED, "")
    (row,) = await erasure.harness.database.fetch("SELECT room_id, designation, phone FROM thread WHERE id = $1", owner)
    assert (row["room_id"], row["designation"]) == (None, "")
    await erasure.run_until_grace()
    assert not any(erasure.rooms.events.values())
    assert (erasure.rooms.members, erasure.rooms.present) == (set(), True)
    assert not await erasure.harness.vault.has_key(f"room:{ROOM}")
    assert await erasure.harness.vault.has_key(owner)
    assert await erasure.certificates() == []

    await _pass(erasure, owner, GRACE, "end")
    assert await erasure.harness.database.fetchval("SELECT COUNT(*) FROM thread") == 0
    assert await erasure.harness.database.fetchval("SELECT COUNT(*) FROM erasure WHERE thread <> ''") == 0
    await erasure.run_until_grace()
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["person"]
    assert erasure.rooms.present
    erasure.harness.clock.at += CLIENTS
    await erasure.run_to_end()
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation", "person"]


@pytest.mark.parametrize(
    "fault",
    [
        Transient(503, "", 1.0),
        Transient(0, ""),
        HomeserverUnreachable(503, "QUIETLINE_BUSY"),
        ModuleNotLoaded(404),
        ModuleRequestRejected(403, "X"),
        Permanent(403, "M"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_whatever_the_homeserver_answers_it_is_tried_again(erasure: ErasureHarness, fault: Exception) -> None:
    """A refusal, a silence or a broken connection at any question costs time only, and is not taken for gone."""
    owner = await erasure.create_thread_room(uploads=0)
    await erasure.send_message(owner, "!close now")
    for _ in range(40):
        # Every other question fails.
        erasure.rooms.faults.append(fault)
        await erasure.runner.run_once()
        erasure.rooms.faults.clear()
        erasure.harness.clock.at += 31
        await erasure.harness.carrier_copies.run_once()
        await erasure.runner.run_once()
        erasure.harness.clock.at += 31
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation", "person"]
    assert not erasure.rooms.present


async def test_what_stays_is_told_to_the_desk_and_nothing_is_signed(erasure: ErasureHarness) -> None:
    """A message that the homeserver redacts and still shows keeps the room from being called erased, and is an alert."""
    owner = await erasure.create_thread_room()
    erasure.rooms.unredactable.add("$e1")
    await erasure.send_message(owner, "!close now")
    for _ in range(60):
        await erasure.runner.run_once()
        await erasure.harness.carrier_copies.run_once()
        erasure.harness.clock.at += 300
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["person"]
    assert "empty" not in erasure.rooms.requests
    assert any("readable" in what for what in erasure.harness.alerts)
    erasure.rooms.unredactable.clear()
    await erasure.run_to_end()
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation", "person"]


@pytest.mark.parametrize(("requests", "alerts"), [(10, []), (11, ["room being_purged"])])
async def test_a_purge_that_takes_minutes_is_told(erasure: ErasureHarness, requests: int, alerts: list[str]) -> None:
    """Of one that takes less nobody is told: a large room takes its time."""
    owner = await erasure.create_thread_room(uploads=0)
    erasure.rooms.purge_requests = requests
    await erasure.send_message(owner, "!close now")
    await erasure.run_to_end()
    assert erasure.harness.alerts == alerts


async def run_purge(erasure: ErasureHarness, *, until: int) -> None:
    """Let the runner work until the purge needs only so many more requests."""
    while erasure.rooms.purge_requests > until:
        await erasure.harness.carrier_copies.run_once()
        erasure.harness.clock.at += await erasure.runner.run_once()


async def test_two_reasons_are_not_counted_together(erasure: ErasureHarness) -> None:
    """A homeserver that is away for four tries in the middle of a slow purge: neither of the two is news yet."""
    owner = await erasure.create_thread_room(uploads=0)
    erasure.rooms.purge_requests = 7
    await erasure.send_message(owner, "!close now")
    await run_purge(erasure, until=3)
    erasure.rooms.faults += [Transient(502, "M_UNKNOWN")] * 4
    await erasure.run_to_end()
    assert erasure.harness.alerts == []


async def test_a_reason_is_told_whatever_came_in_between(erasure: ErasureHarness) -> None:
    """Once it alone was there five times, also where the desk heard of another one before."""
    owner = await erasure.create_thread_room(uploads=0)
    erasure.rooms.purge_requests = 12
    await erasure.send_message(owner, "!close now")
    await run_purge(erasure, until=1)
    erasure.rooms.faults += [Transient(502, "M_UNKNOWN")] * 5
    await erasure.run_to_end()
    assert erasure.harness.alerts == ["room being_purged", "room homeserver_silent"]


async def test_an_upload_that_stays_is_told_as_one(erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The homeserver answers that its file is there still: the desk hears that, and not that nobody answers."""

    async def stay(_rooms: FakeRooms, _address: str) -> None:
        raise HomeserverUnreachable(503, STILL_THERE)

    owner = await erasure.create_thread_room(uploads=1)
    with monkeypatch.context() as stuck:
        stuck.setattr(FakeRooms, "delete_media", stay)
        await erasure.send_message(owner, "!close now")
        for _ in range(30):
            await erasure.runner.run_once()
            await erasure.harness.carrier_copies.run_once()
            erasure.harness.clock.at += 300
    assert erasure.harness.alerts == ["room upload"]
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["person"]
    await erasure.run_to_end()
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation", "person"]


async def test_what_is_not_on_the_index_is_found_before_people_are_removed(erasure: ErasureHarness) -> None:
    """Words that reached the room without being noted are redacted too, before and after people are removed."""
    owner = await erasure.create_thread_room()
    erasure.rooms.events["$unnoted"] = "words"
    await erasure.send_message(owner, "!close now")
    while await erasure.harness.database.fetchval("SELECT step FROM erasure WHERE kind = 'room'") != "purge":
        erasure.harness.clock.at += await erasure.runner.run_once()
    assert not erasure.rooms.events["$unnoted"]
    erasure.rooms.events["$late"] = "words"
    await erasure.run_to_end()
    assert not any(erasure.rooms.events.values())
    certificate = (await erasure.certificates())[0]
    assert certificate["gone"]["events"] == 5


@pytest.mark.practice(16)
async def test_who_is_in_the_room_hears_of_the_redactions_before_they_are_removed(erasure: ErasureHarness) -> None:
    """Between the last redaction and the removal clients have a moment, also over a new start: who is out hears no more."""
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close now")
    while any(erasure.rooms.events.values()):
        await erasure.runner.run_once()
    for _ in range(10):
        await erasure.runner.run_once()
    assert erasure.rooms.members
    erasure.harness.clock.at += REDACTION_DELIVERY_SECONDS - 0.1
    again = ErasureHarness(erasure.harness, erasure.rooms)
    await again.runner.run_once()
    assert erasure.rooms.members
    erasure.harness.clock.at += 0.1
    await again.runner.run_once()
    assert not erasure.rooms.members


@pytest.mark.parametrize("setting", ["client_grace", "close_now_grace"])
def test_no_pack_makes_a_close_look_like_the_other_one(setting: str) -> None:
    """What is closed at once is known by its seconds, so neither of the two settings comes near that bound."""
    with pytest.raises(ValidationError, match=setting):
        SettingsPart.model_validate({setting: int(IMMEDIATE)})


async def test_a_hold_stops_before_the_next_step_and_release_goes_on(erasure: ErasureHarness) -> None:
    """Held while its room is being erased: no further step, however long; released: to the end."""
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close")
    await _pass(erasure, owner, 600, "close")
    await erasure.runner.run_once()
    assert await erasure.harness.set_legal_hold(owner, on=True)
    request_count = len(erasure.rooms.requests)
    for _ in range(20):
        await erasure.runner.run_once()
        erasure.harness.clock.at += CLIENTS
    assert len(erasure.rooms.requests) == request_count
    await _pass(erasure, owner, GRACE, "end")
    assert await erasure.harness.vault.has_key(owner), "a hold keeps what still exists"
    assert await erasure.harness.set_legal_hold(owner, on=False)
    await _pass(erasure, owner, 2 * 3600, "end")
    await erasure.run_to_end()
    assert len(await erasure.certificates()) == 2


async def test_a_hold_keeps_a_thread_from_being_closed(erasure: ErasureHarness) -> None:
    """A held thread is neither closed now, nor parked when its time comes, nor do its messages expire."""
    owner = await erasure.create_thread_room()
    await erasure.harness.set_legal_hold(owner, on=True)
    await erasure.send_message(owner, "!close now")
    await erasure.send_message(owner, "!close", sender="@sol:x", event_id="$c2")
    await _pass(erasure, owner, 600, "close")
    assert (await erasure.harness.thread(owner)).lifecycle.state is not ThreadState.PARKED
    await erasure.harness.database.commit(lambda transaction: transaction.execute("UPDATE event SET expires = 1"))
    assert await erasure.expiry.run_once() > 0
    assert all(erasure.rooms.events.values())
    await erasure.harness.set_legal_hold(owner, on=False)
    await erasure.expiry.run_once()
    assert not any(erasure.rooms.events.values())


async def test_a_text_to_a_parked_thread_begins_a_new_conversation(erasure: ErasureHarness) -> None:
    """While the old room is being erased a text gets a new designation and no room of the old; nothing is lost."""
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close")
    await _pass(erasure, owner, 600, "close")
    again = await erasure.harness.receive_text("it is me", message_id="again")
    await erasure.harness.wait_until_drained()
    assert again == owner
    thread = await erasure.harness.thread(owner)
    assert thread.lifecycle.state is ThreadState.WAITING
    assert thread.designation != ""
    (row,) = await erasure.harness.database.fetch("SELECT room_id, designation FROM thread WHERE id = $1", owner)
    assert (row["room_id"], row["designation"]) == (None, thread.designation)
    assert erasure.harness.messages_shown(owner)[-1] == "it is me"
    erasure.harness.clock.at += CLIENTS
    await erasure.run_to_end()
    assert await erasure.harness.database.fetchval("SELECT COUNT(*) FROM thread") == 1
    assert await erasure.harness.vault.has_key(owner)


async def test_a_text_while_a_thread_ends_is_another_ones(erasure: ErasureHarness) -> None:
    """A texter whose thread ends between look-up and commit is taken in as a stranger, with every word."""
    owner = await erasure.create_thread_room()
    keep = erasure.harness.webhook._store_text
    threads: list[str] = []

    async def ends_first(text: object, digest: bytes, known: KnownTexter | None, phone_hash: bytes, **how: Any) -> None:
        if known is not None and not threads:
            threads.append(known.thread)
            await erasure.send_message(owner, "!close now")
            while await erasure.harness.database.fetchval("SELECT COUNT(*) FROM erasure WHERE step = 'key'"):
                await erasure.runner.run_once()
        await keep(text, digest, known, phone_hash, **how)  # type: ignore[arg-type]

    erasure.harness.webhook._store_text = ends_first  # type: ignore[method-assign]
    other = await erasure.harness.receive_text("do not lose me", message_id="late", sender=HANDSET)
    await erasure.harness.wait_until_drained()
    assert other != owner
    assert erasure.harness.messages_shown(other) == ["do not lose me"]


async def test_a_receipt_cannot_be_altered(erasure: ErasureHarness) -> None:
    """A receipt whose words, or whose id, a person changed does not hold; its times are hours and it names nobody."""
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close now")
    await erasure.run_to_end()
    (row,) = await erasure.harness.database.fetch(
        "SELECT id, body, signature FROM erasure_certificate WHERE body LIKE '%conversation%'"
    )
    assert ROOM not in row["body"]
    assert owner not in row["body"]
    fields = json.loads(row["body"])
    assert [len(fields["began"]), len(fields["done"])] == [14, 14]
    good = ErasureCertificate(id=row["id"], body=row["body"], signature=row["signature"])
    assert erasure.signer.verify(good)
    assert not erasure.signer.verify(ErasureCertificate(id="0" * 16, body=good.body, signature=good.signature))
    assert not erasure.signer.verify(
        ErasureCertificate(id=good.id, body=good.body.replace('"events":3', '"events":4'), signature=good.signature)
    )


async def _pass(erasure: ErasureHarness, owner: str, seconds: float, key: str) -> None:
    """Let time pass, and that timer be due."""
    erasure.harness.clock.at += seconds
    await erasure.harness.database.commit(
        lambda transaction: transaction.execute("DELETE FROM timer WHERE owner = $1 AND key = $2", owner, key)
    )
    await erasure.harness.deliver(owner, TimerDue(key=key))
    await erasure.harness.wait_until_drained()


async def test_an_order_does_not_wait_behind_what_is_over_by_itself(erasure: ErasureHarness) -> None:
    """With ten rooms being erased since earlier, what a supervisor closed now goes first."""
    owner = await erasure.create_thread_room()
    query = """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began)
               VALUES ($1, 'room', $1, '', 'redact', $2, $3, 0)"""
    for number in range(10):
        values = (f"!old{number}", erasure.harness.clock.at - 60, CLIENTS)
        await erasure.harness.database.commit(lambda transaction, values=values: transaction.execute(query, *values))  # type: ignore[misc]
    await erasure.send_message(owner, "!close now")
    while await erasure.harness.database.fetchval("SELECT step FROM erasure WHERE subject = $1", ROOM) != "empty":
        assert (
            await erasure.harness.database.fetchval("SELECT COUNT(*) FROM erasure WHERE id = subject AND tries = 0") == 10
        )
        await erasure.runner.run_once()


@pytest.mark.parametrize("step", STEPS)
async def test_a_text_during_any_step_is_not_lost(erasure: ErasureHarness, step: str) -> None:
    """Whatever is being done with what is over: a text has a conversation of its own, and the old still goes."""
    owner = await erasure.create_thread_room()
    ends = step in PERSON_STEPS
    if ends:
        await erasure.send_message(owner, "!close now")
    else:
        await erasure.send_message(owner, "!close")
        await _pass(erasure, owner, 600, "close")
    query = "SELECT step FROM erasure WHERE kind = $1"
    for _ in range(60):
        if await erasure.harness.database.fetchval(query, "person" if ends else "room") == step:
            break
        await erasure.harness.carrier_copies.run_once()
        erasure.harness.clock.at += await erasure.runner.run_once()
    else:
        raise AssertionError("it never came to this step")
    other = await erasure.harness.receive_text("do not lose me", message_id="late", sender="+12065550199")
    await erasure.harness.wait_until_drained()
    assert (other == owner) is not ends
    assert erasure.harness.messages_shown(other)[-1] == "do not lose me"
    assert (await erasure.harness.thread(other)).lifecycle.state is ThreadState.WAITING
    erasure.harness.clock.at += CLIENTS
    await erasure.run_to_end()
    assert not erasure.rooms.present
    assert erasure.harness.messages_shown(other)[-1] == "do not lose me"
    assert await erasure.harness.vault.has_key(other)
