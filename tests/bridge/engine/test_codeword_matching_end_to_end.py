"""Codewords on their whole way through the bridge: enrolled, texted, answered, and in no log, row or file."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from bot.language.codeword_forms import MASK
from bot.model.actions import DESK, OFFICE, THREAD, RedactEvent, SendMessage
from bot.model.codeword_state import SendLock
from bot.model.events import MemberJoined, MessageSent, PowerLevelsChanged
from bot.model.thread_desk_events import Assigned
from bridge.outbound.dead_letter_retry import DeadLetterRetry
from policies.designations import FIRST, SECOND
from tests.bridge.engine.test_codeword_matching import ANA, BEN, DURESS, SAFE, in_office
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness, pack_without_undo_window

SPELLED: Final = ("marzipangnome", "marzipan", "gnome", "pixie")
"""What of the two must be nowhere. Nothing else in these tests holds it, and no designation does."""
assert not {*FIRST, *SECOND} & {*SPELLED}


async def _agree(harness: BridgeHarness, owner: str, user: str = ANA) -> None:
    """Let a person become the assignee and agree on both words, through the engine."""
    await harness.deliver(DESK, MemberJoined(place=DESK, user=user), PowerLevelsChanged(users=()))
    await harness.deliver(owner, Assigned(assignee=user), MemberJoined(place=THREAD, user=user))
    await harness.wait_until_drained()
    said = MessageSent(place=THREAD, sender=user, event_id="$c", body="!codeword", at=harness.clock.now())
    await harness.deliver(owner, said)
    await harness.wait_until_drained()
    for n, body in enumerate((SAFE, DURESS)):
        place, at = OFFICE + user, harness.clock.now()
        await harness.deliver(DESK, in_office(body, place=place, sender=user, event_id=f"$w{n}", at=at))
        await harness.wait_until_drained()


def _everything(harness: BridgeHarness, directory: Path, caplog: pytest.LogCaptureFixture) -> dict[str, bytes]:
    """Every place where a word could have come to lie, but sealed inbox rows."""
    places = {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    places["log"] = caplog.text.encode()
    places["shown"] = "".join(f"{action!r} {getattr(action, 'body', '')}" for _, action in harness.shown).encode()
    return places


@pytest.mark.practice(10, 14)
@pytest.mark.parametrize("buggy", [False, True])
@pytest.mark.raises_words("the worst bug there may be: its exception is the text itself")
async def test_through_the_engine_no_word_is_anywhere(
    harness: BridgeHarness,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    buggy: bool,
) -> None:
    """At DEBUG, from enrolment to duress, and when the decision fails as a bug: in no room, row, log, file or aggregate."""
    caplog.set_level(logging.DEBUG)
    await harness.run()
    owner = await harness.receive_text("hello", message_id="1")
    await _agree(harness, owner)
    thread = await harness.thread(owner)
    assert thread.codeword.digests is not None
    assert {a.event_id for o, a in harness.shown if isinstance(a, RedactEvent) and o == DESK} == {"$w0", "$w1"}
    if buggy:
        from bridge.engine import engine

        def bug(*args: Any) -> Any:
            raise RuntimeError(f"{args!r} {getattr(args[3], 'body', '')}")

        monkeypatch.setattr(engine, "decide", bug)
    await harness.receive_text(f"I am fine. {SAFE}!", message_id="2")
    await harness.receive_text(f"so {DURESS} it is", message_id="3")
    if buggy:
        await _until_dead_letters(harness, owner, 2)
        inbox_rows = await harness.database.fetch("SELECT owner, body FROM dead_letter WHERE owner = $1", owner)
        stored_bytes = b"".join([await harness.vault.open(row["owner"], "inbox", row["body"]) for row in inbox_rows])
        assert stored_bytes.count(MASK.encode()) == 2
    else:
        await harness.wait_until_drained(standing=1)  # the call to the person on call, whom nobody plays here
        thread = await harness.thread(owner)
        assert thread.codeword.lock is SendLock.DURESS
        assert f"I am fine. {MASK}!" in harness.messages_shown(owner)
        assert f"so {MASK} it is" in harness.messages_shown(owner)
        await wait_until("the desk is told", partial(_told_at_the_desk, harness), every=0.05)
        stored_bytes = await harness.vault.open(
            owner, "aggregate", await harness.database.fetchval("SELECT aggregate FROM thread WHERE id = $1", owner)
        )
    places = _everything(harness, tmp_path, caplog) | {"kept": stored_bytes}
    for place, raw in places.items():
        assert not [word for word in SPELLED if word.encode() in raw.lower()], place


@pytest.mark.practice(10)
@pytest.mark.parametrize(("word", "lock"), [(DURESS, SendLock.DURESS), (SAFE, SendLock.NONE)])
async def test_a_codeword_in_a_dead_letter_counts_when_it_is_tried_again(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch, word: str, lock: SendLock
) -> None:
    """The letter holds the mask alone; after `!retry` the duress word locks the phone all the same."""
    from bridge.engine import engine

    await harness.run()
    owner = await harness.receive_text("hello", message_id="1")
    await _agree(harness, owner)

    def bug(*args: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(engine, "decide", bug)
    await harness.receive_text(f"so {word} it is", message_id="2")
    await _until_dead_letters(harness, owner, 1)
    monkeypatch.undo()
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter WHERE owner = $1", owner)
    await DeadLetterRetry(harness.services).retry(short_id)
    await wait_until("it is shown", partial(_shown, harness, owner, f"so {MASK} it is"), every=0.05)
    codeword = (await harness.thread(owner)).codeword
    assert (codeword.lock, codeword.spent) == (lock, True)


async def _shown(harness: BridgeHarness, owner: str, body: str) -> bool | None:
    return body in harness.messages_shown(owner) or None


async def _told_at_the_desk(harness: BridgeHarness) -> bool | None:
    return any(o == DESK and isinstance(post, SendMessage) and "DURESS" in post.body for o, post in harness.shown) or None


async def _until_dead_letters(harness: BridgeHarness, owner: str, count: int) -> None:
    async def recorded() -> bool | None:
        rows = await harness.database.fetch("SELECT short_id FROM dead_letter WHERE owner = $1", owner)
        return len(rows) >= count or None

    await wait_until("the letters are dead", recorded, every=0.05)


async def test_success_and_duress_leave_at_the_same_moment(harness: BridgeHarness) -> None:
    """Through engine, outbox and carrier: nothing before the delay is over, and then the same bytes for both phones."""
    await harness.run()
    answers: list[list[str]] = []
    # Two advocates, so that nobody has just written in the other thread.
    for n, (word, user) in enumerate(((SAFE, ANA), (DURESS, BEN))):
        handset = f"+1206555010{n}"
        owner = await harness.receive_text("hello", message_id=f"{n}-1", sender=handset)
        await _agree(harness, owner, user)
        await harness.receive_text("hi", message_id=f"{n}-2", sender=handset)
        verify = MessageSent(place=THREAD, sender=user, event_id=f"$v{n}", body="!verify", at=harness.clock.now())
        await harness.deliver(owner, verify)
        await harness.wait_until_drained()
        before = len(harness.carrier.sent)
        await harness.receive_text(word, message_id=f"{n}-3", sender=handset)
        await harness.wait_until_drained(standing=1 + n)  # the answer, and for duress the call to the person on call
        harness.clock.at += 2.9
        await harness.wait_until_put_off()
        assert len(harness.carrier.sent) == before, "an answer before the delay is over"
        harness.clock.at += 0.2
        await harness.wait_until_drained(standing=n)
        answers.append([text for _, text in harness.carrier.sent[before:]])
    assert answers[0] == answers[1] != []


async def _asked(harness: BridgeHarness) -> str:
    """Run, and have a texter who agreed on words be asked for one; returns their thread."""
    await harness.run()
    owner = await harness.receive_text("hello", message_id="1")
    await _agree(harness, owner)
    await harness.receive_text("hi", message_id="2")
    await harness.deliver(
        owner, MessageSent(place=THREAD, sender=ANA, event_id="$v", body="!verify", at=harness.clock.now())
    )
    await harness.wait_until_drained()
    return owner


@pytest.mark.parametrize("word", [SAFE, DURESS])
async def test_a_restart_does_not_hasten_the_answer(harness: BridgeHarness, tmp_path: Path, word: str) -> None:
    """Decided, then stopped and started within the delay: the answer leaves once, a fixed time after the text."""
    await _asked(harness)
    await harness.receive_text(word, message_id="3")
    duress = int(word == DURESS)  # the call to the person on call, whom nobody plays here
    await harness.wait_until_drained(standing=1 + duress)
    at = harness.clock.at
    await harness.close()
    again = BridgeHarness(tmp_path)
    again.clock.at = at + 2.5
    await again.open()
    await again.run()
    try:
        await again.startup_hold.released.wait()
        await again.wait_until_put_off()
        assert again.carrier.sent == []
        again.clock.at = at + 3.1
        await again.wait_until_drained(standing=duress)
        assert [text for _, text in again.carrier.sent] == [pack_without_undo_window().say("verified")]
    finally:
        await again.close()


@pytest.mark.parametrize("word", [SAFE, DURESS])
async def test_ten_texts_at_once_during_a_check(harness: BridgeHarness, word: str) -> None:
    """Ten texts within a second while a challenge waits, the word in the first: all are shown in order, the word masked.

    One answer leaves, and nothing that the others say counts as a failure.
    """
    owner = await _asked(harness)
    before, shown = len(harness.carrier.sent), len(harness.messages_shown(owner))
    duress = int(word == DURESS)  # the call to the person on call, whom nobody plays here
    bodies = [f"ok, {word}", *(f"text {n}" for n in range(9))]
    for n, body in enumerate(bodies):
        await harness.receive_text(body, message_id=f"many{n}")
    await harness.wait_until_drained(standing=1 + duress)
    harness.clock.at += 3.1
    await harness.wait_until_drained(standing=duress)
    arrived = [body for body in harness.messages_shown(owner)[shown:] if "DURESS" not in body]
    assert arrived == [f"ok, {MASK}", *bodies[1:]]
    codeword = (await harness.thread(owner)).codeword
    assert [text for _, text in harness.carrier.sent[before:]] == [pack_without_undo_window().say("verified")]
    assert (codeword.failures, codeword.spent) == ((), True)
    assert (codeword.lock is SendLock.DURESS) == bool(duress)
