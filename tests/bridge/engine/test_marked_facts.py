"""A STOP, a lock and a block that a person takes out of the main database hold all the same, and people are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from bot.model.actions import DESK, OFFICE
from bot.model.codeword_state import Enrolment, SendLock
from bot.model.desk import Desk
from bot.model.events import MemberJoined, MessageSent, PowerLevelsChanged, TimerDue
from bot.model.phone_locks import PhoneLocks, locks_of, with_locks
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import Assigned, EnrolmentFinished
from bridge.engine.codeword_matching import CodewordMatcher
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.storage.marked_sets import SetMatch, SetName
from bridge.tables import threads
from bridge.tables.phone_locks import LockedPhones
from bridge.tables.threads import AGGREGATE
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import HANDSET, BridgeHarness

ADA, SUE = "@ada:quietline.localhost", "@sue:quietline.localhost"
OTHER: Final = "+12065550123"
PUT_BACK: Final = "UPDATE thread SET aggregate = $2 WHERE id = $1"
DURESS: Final = PhoneLocks(lock=SendLock.DURESS)


async def talk(harness: BridgeHarness) -> str:
    """Have a thread whose assignee is Ada, with Sue as a supervisor at the desk; returns its id."""
    await harness.run()
    joined = (MemberJoined(place="desk", user=ADA), MemberJoined(place="desk", user=SUE))
    await harness.deliver(DESK, *joined, PowerLevelsChanged(users=((SUE, 50),)))
    await harness.wait_until_drained()
    owner = await harness.receive_text("hello", message_id="first")
    await harness.deliver(owner, Assigned(assignee=ADA))
    await harness.wait_until_drained()
    return owner


async def say(harness: BridgeHarness, owner: str, body: str, sender: str = ADA, *, pages: int = 0) -> None:
    """Have a person say something in the thread, and wait until it was settled. `pages`: calls that nobody performs."""
    said = MessageSent(place="thread", sender=sender, event_id=f"${body}", body=body, at=harness.clock.now())
    await harness.deliver(owner, said)
    await harness.wait_until_drained(standing=pages)


async def agree(harness: BridgeHarness, owner: str, word: str) -> None:
    """Have a codeword agreed for a thread, without a duress word."""
    words, enrolment = (
        CodewordMatcher(vault=harness.vault, pack=harness.pack),
        Enrolment(user=ADA, thread=owner, designation="", until=4e9),
    )
    answer = None
    for body in (word, "-"):
        said = MessageSent(place=OFFICE + ADA, sender=ADA, event_id="$w", body=body, at=1.0)
        answer = (
            await words.match(Desk(enrolments=(replace(enrolment, wants_duress_word=body == "-"),)), said)
        ).enrolment_answer
    assert answer is not None
    assert answer.digests is not None
    await harness.deliver(owner, EnrolmentFinished(user=ADA, digests=answer.digests))
    await harness.wait_until_drained()


async def lock(harness: BridgeHarness, owner: str, locks: PhoneLocks) -> None:
    """Lock a thread's phone as a decision does: aggregate and locks in one commit."""
    thread = with_locks(await harness.thread(owner), locks)
    sealed = await harness.vault.seal(owner, AGGREGATE, serialization.encode(thread))

    async def commit(transaction: Transaction) -> None:
        await threads.set_aggregate(transaction, harness.marks.aggregates, owner, sealed)
        await LockedPhones(marked=harness.marks.locks, vault=harness.vault).write(transaction, owner, locks_of(thread))

    await harness.database.commit(commit)


async def aggregate(harness: BridgeHarness, owner: str) -> bytes:
    """Return a thread's aggregate as it stands, to be put back later."""
    return bytes(await harness.database.fetchval("SELECT aggregate FROM thread WHERE id = $1", owner))


async def beside(harness: BridgeHarness, statement: str, *values: str | bytes) -> None:
    """Write as a person does who has the database and no key."""
    await harness.database.commit(lambda transaction: transaction.execute(statement, *values))


async def again(harness: BridgeHarness, directory: Path, *, pages: int = 0) -> BridgeHarness:
    """End the process and begin again on its files. `pages`: how often the person on call is called."""
    await harness.close()
    next_harness = BridgeHarness(directory)
    await next_harness.open()
    await next_harness.run()
    await next_harness.wait_until_drained(standing=pages)
    return next_harness


async def hears(harness: BridgeHarness, words: str) -> str:
    """Wait until the desk is told something that has these words; return it. It is told once."""

    async def said() -> bool | None:
        return bool(told(harness, words)) or None

    await wait_until("the desk was told", said, every=0.02)
    (message,) = told(harness, words)
    return message


def told(harness: BridgeHarness, words: str) -> list[str]:
    """Return what the desk was told that has these words."""
    return [body for body in harness.messages_shown(DESK) if words in body]


async def test_a_stop_holds_although_its_aggregate_is_put_back(harness: BridgeHarness) -> None:
    """The aggregate of before the STOP: the next text is not answered, nothing leaves, and the desk is told which phone."""
    owner = await talk(harness)
    before = await aggregate(harness, owner)
    await harness.receive_text("STOP", message_id="stop")
    await harness.wait_until_drained()
    await beside(harness, PUT_BACK, owner, before)
    harness.carrier.sent.clear()
    await harness.receive_text("hello?", message_id="after")
    await say(harness, owner, "may I", pages=1)  # the call about an aggregate that was put back
    assert harness.carrier.sent == []
    assert (await harness.thread(owner)).consent.stopped
    message = await hears(harness, "taken out of the database")
    assert (await harness.thread(owner)).designation in message


@pytest.mark.parametrize("locks", [DURESS, PhoneLocks(unsafe=True), PhoneLocks(blocked_until=4e9)], ids=repr)
async def test_words_on_their_way_meet_the_lock_that_was_taken_back(harness: BridgeHarness, locks: PhoneLocks) -> None:
    """The words were decided on before the lock, and the aggregate of that time is put back: the last look refuses them."""
    owner = await talk(harness)
    before = await aggregate(harness, owner)
    harness.carrier.sent.clear()
    await lock(harness, owner, locks)
    await beside(harness, PUT_BACK, owner, before)
    await say(harness, owner, "here I am", pages=1)
    assert harness.carrier.sent == []
    assert locks_of(await harness.thread(owner)) == locks


@pytest.mark.practice(10)
@pytest.mark.parametrize("then", ["nothing", "another word", "no word", "the locks are put back"])
async def test_a_word_that_was_texted_verifies_nobody_although_its_thread_is_put_back(
    harness: BridgeHarness, tmp_path: Path, then: str
) -> None:
    """The aggregate of before the text is put back, also after another word was agreed, and in an older database."""
    owner = await talk(harness)
    await agree(harness, owner, "Marzipan gnome")
    before = await aggregate(harness, owner)
    await harness.receive_text("marzipan gnome", message_id="word")
    await harness.wait_until_drained()
    assert (await harness.thread(owner)).codeword.verified_at
    if then == "another word":
        await agree(harness, owner, "Quiet pixie")
    elif then == "no word":
        await say(harness, owner, "!forget-word")
    await beside(harness, PUT_BACK, owner, before)
    if then == "the locks are put back":
        await beside(harness, "DELETE FROM phone_lock")
        harness = await again(harness, tmp_path, pages=2)
    await harness.receive_text("marzipan gnome", message_id="again")
    await harness.wait_until_drained(standing=2 if then == "the locks are put back" else 1)
    codeword = (await harness.thread(owner)).codeword
    assert (codeword.spent, codeword.verified_at) == (True, 0.0)
    if then == "the locks are put back":
        assert "Each codeword of before counts as burned" in await hears(harness, "Every conversation of before is locked")
        await harness.close()


async def test_a_lock_is_for_the_phone_whose_thread_was_deleted(harness: BridgeHarness) -> None:
    """The thread's row is deleted: the next text begins a thread that has the lock, and only that one is left."""
    owner = await talk(harness)
    await lock(harness, owner, DURESS)
    await beside(harness, "DELETE FROM thread WHERE id = $1", owner)
    new_owner = await harness.receive_text("hello again", message_id="again")
    stranger = await harness.receive_text("hello", message_id="other", sender=OTHER)
    await harness.wait_until_drained(standing=1)  # the call about a phone under duress
    assert new_owner != owner
    assert locks_of(await harness.thread(new_owner)) == DURESS
    assert locks_of(await harness.thread(stranger)) == PhoneLocks()
    assert await harness.count("phone_lock") == 1


async def test_a_lock_goes_with_its_thread_and_with_the_word_that_lifts_it(harness: BridgeHarness) -> None:
    """`!unlock` takes it away for good; nothing of it is left in the table, in which no thread is named."""
    owner = await talk(harness)
    await lock(harness, owner, DURESS)
    written = await harness.database.fetchrow("SELECT hash, body FROM phone_lock")
    assert written is not None
    assert not any(shown in bytes(value) for value in written for shown in (owner.encode(), b"duress", HANDSET.encode()))
    await say(harness, owner, "!unlock", SUE)
    assert await harness.count("phone_lock") == 0
    await say(harness, owner, "here I am")
    assert harness.carrier.sent[-1] == (HANDSET, "here I am")
    assert told(harness, "taken out of the database") == []


@pytest.mark.practice(16, 17)
@pytest.mark.parametrize("how", ["!close", "!close now"])
@pytest.mark.parametrize("locks", [DURESS, PhoneLocks(stopped=True), PhoneLocks(unsafe=True)], ids=repr)
async def test_a_lock_ends_with_its_thread(harness: BridgeHarness, locks: PhoneLocks, how: str) -> None:
    """A parked conversation keeps it; an ended one leaves no lock and no trace of its phone, whatever ended it."""
    owner = await talk(harness)
    await lock(harness, owner, locks)
    await say(harness, owner, how, SUE)
    if how == "!close":
        for key, seconds in ("close", harness.pack.settings.close_undo), ("end", harness.pack.settings.grace):
            assert await harness.count("phone_lock") == 1
            harness.clock.at += seconds
            await harness.deliver(owner, TimerDue(key=key))
            await harness.wait_until_drained()
    assert await harness.count("thread") == 0
    assert await harness.count("phone_lock") == 0
    assert harness.marks.locks.entries == {}
    new_owner = await harness.receive_text("hello again", message_id="again")
    await harness.wait_until_drained()
    assert locks_of(await harness.thread(new_owner)) == PhoneLocks()


async def test_an_older_database_locks_what_it_has_and_says_how_to_go_on(harness: BridgeHarness, tmp_path: Path) -> None:
    """Locks behind their mark: each conversation of before is locked, at each start, until a supervisor looks into it."""
    owner = await talk(harness)
    before = await aggregate(harness, owner)
    await lock(harness, owner, DURESS)
    await beside(harness, PUT_BACK, owner, before)
    await beside(harness, "DELETE FROM phone_lock")
    harness = await again(harness, tmp_path, pages=2)
    assert harness.marks_found[SetName.LOCKS] is SetMatch.BEHIND
    message = await hears(harness, "Every conversation of before is locked")
    assert "quietline accept-facts locks" in message
    await say(harness, owner, "here I am", pages=2)
    assert harness.carrier.sent == []
    await say(harness, owner, "!unlock", SUE, pages=2)
    await say(harness, owner, "now it may", pages=2)
    assert harness.carrier.sent == [(HANDSET, "now it may")]
    stranger = await harness.receive_text("hello", message_id="other", sender=OTHER)
    await harness.wait_until_drained(standing=2)
    assert locks_of(await harness.thread(stranger)) == PhoneLocks()
    await harness.close()


@pytest.mark.parametrize("statement", ["DELETE FROM suppression", "UPDATE suppression SET until = until - 1"])
async def test_while_nobody_knows_who_said_stop_only_people_answer(
    harness: BridgeHarness, tmp_path: Path, statement: str
) -> None:
    """A suppression entry was taken away or changed: new texters are not answered by themselves; people answer."""
    await talk(harness)
    await harness.receive_text("STOP", message_id="stop")
    await harness.wait_until_drained()
    await beside(harness, statement)
    harness = await again(harness, tmp_path, pages=1)
    assert not harness.suppression.is_known
    message = await hears(harness, "Nobody knows now which phones said STOP")
    assert "quietline accept-facts suppression" in message
    owner = await harness.receive_text("hello", message_id="new", sender=OTHER)
    await harness.deliver(owner, Assigned(assignee=ADA))
    await harness.wait_until_drained(standing=1)
    assert harness.carrier.sent == []
    await say(harness, owner, "here I am", pages=1)
    assert harness.carrier.sent == [(OTHER, "here I am")]
    await harness.close()


async def test_locks_of_before_there_was_a_mark_are_taken_from_the_threads(harness: BridgeHarness, tmp_path: Path) -> None:
    """A line of an earlier version: its STOP has a lock and a mark after the first start, and nobody is alarmed."""
    owner = await talk(harness)
    await harness.receive_text("STOP", message_id="stop")
    await harness.wait_until_drained()
    await beside(harness, "DELETE FROM phone_lock")
    await beside(harness, "DELETE FROM marked_set")
    for name in SetName:
        await harness.vault.forget_mark(name.value)
    harness = await again(harness, tmp_path)
    assert set(harness.marks_found.values()) == {SetMatch.AS_WRITTEN}
    assert LockedPhones(marked=harness.marks.locks, vault=harness.vault).of(owner) == PhoneLocks(stopped=True)
    assert harness.marks.locks.is_intact
    assert harness.suppression.is_known
    assert told(harness, "⚠️") == []
    await harness.close()


@pytest.mark.parametrize("body", ["!unsafe", "!stopped", "!block"])
async def test_a_command_at_the_moment_of_the_close_counts(harness: BridgeHarness, body: str) -> None:
    """It came when the time to close was over and the room was still there: the phone has its lock, and the thread goes."""
    owner = await talk(harness)
    await say(harness, owner, "!close", SUE)
    harness.clock.at += harness.pack.settings.close_undo
    said = MessageSent(place="thread", sender=SUE, event_id="$late", body=body, at=harness.clock.now())
    await harness.deliver(owner, TimerDue(key="close"), said)
    await harness.wait_until_drained()
    assert locks_of(await harness.thread(owner)) != PhoneLocks()
    harness.clock.at += 1
    await harness.deliver(owner, TimerDue(key="close"))
    await harness.wait_until_drained()
    assert (await harness.thread(owner)).lifecycle.state is ThreadState.PARKED
    assert locks_of(await harness.thread(owner)) != PhoneLocks()
