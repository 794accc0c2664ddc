"""Codewords on their whole way through the bridge: enrolled, texted, answered, and in no log, row or file."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from bot.language.codeword_forms import MASK, Digests
from bot.model.actions import DESK, OFFICE, THREAD, Post, RedactSaid
from bot.model.codeword_state import Lock
from bot.model.events import Joined, LevelsSet, Said, TextArrived
from bot.model.thread_desk_events import Assigned
from bridge.engine.codeword_matching import Found, Words
from tests.bridge.engine.test_codeword_matching import ANA, BEN, DURESS, SAFE, in_office
from tests.e2e.waiting import until
from tests.fakes.nerves import Nerves, hurried

pytestmark = pytest.mark.usefixtures("cheap_hash")

SPELLED: Final = ("marzipanfjord", "marzipan", "fjord", "tulip")
"""What of the two must be nowhere. Nothing else in these tests holds it."""


async def _agree(nerves: Nerves, owner: str, user: str = ANA) -> None:
    """Let somebody become the voice and agree on both words, through the engine."""
    await nerves.tell(DESK, Joined(place=DESK, user=user), LevelsSet(users=()))
    await nerves.tell(owner, Assigned(voice=user), Joined(place=THREAD, user=user))
    await nerves.at_rest()
    said = Said(place=THREAD, sender=user, event_id="$c", body="!codeword", at=nerves.clock.wall())
    await nerves.tell(owner, said)
    await nerves.at_rest()
    for n, body in enumerate((SAFE, DURESS)):
        place, at = OFFICE + user, nerves.clock.wall()
        await nerves.tell(DESK, in_office(body, place=place, sender=user, event_id=f"$w{n}", at=at))
        await nerves.at_rest()


def _everything(nerves: Nerves, directory: Path, caplog: pytest.LogCaptureFixture) -> dict[str, bytes]:
    """Every place where a word could have come to lie, but sealed inbox rows."""
    places = {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    places["log"] = caplog.text.encode()
    places["shown"] = "".join(f"{action!r} {getattr(action, 'body', '')}" for _, action in nerves.shown).encode()
    return places


@pytest.mark.practice(10, 14)
@pytest.mark.parametrize("buggy", [False, True])
async def test_through_the_engine_no_word_is_anywhere(
    nerves: Nerves,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    buggy: bool,
) -> None:
    """At DEBUG, from enrolment to duress, and when the decision fails as a bug: in no room, row, log, file or aggregate."""
    caplog.set_level(logging.DEBUG)
    await nerves.run()
    owner = await nerves.arrive("hello", message_id="1")
    await _agree(nerves, owner)
    thread = await nerves.thread(owner)
    assert thread.escort.words is not None
    assert {a.event_id for o, a in nerves.shown if isinstance(a, RedactSaid) and o == DESK} == {"$w0", "$w1"}
    if buggy:
        from bridge.engine import engine

        def bug(*args: Any) -> Any:
            raise RuntimeError(f"{args!r} {getattr(args[3], 'body', '')}")

        monkeypatch.setattr(engine, "decide", bug)
    await nerves.arrive(f"I am fine. {SAFE}!", message_id="2")
    await nerves.arrive(f"so {DURESS} it is", message_id="3")
    if buggy:
        await _until_buried(nerves, owner, 2)
        letters = await nerves.store.fetch("SELECT owner, body FROM dead_letter WHERE owner = $1", owner)
        kept = b"".join([await nerves.vault.open(row["owner"], "inbox", row["body"]) for row in letters])
        assert kept.count(MASK.encode()) == 2
    else:
        await nerves.at_rest(standing=1)  # the call to whoever is on call, whom nobody plays here
        thread = await nerves.thread(owner)
        assert thread.escort.lock is Lock.DURESS
        assert f"I am fine. {MASK}!" in nerves.posts(owner)
        assert f"so {MASK} it is" in nerves.posts(owner)
        await until("the desk is told", partial(_told_at_the_desk, nerves), every=0.05)
        kept = await nerves.vault.open(
            owner, "aggregate", await nerves.store.fetchval("SELECT aggregate FROM thread WHERE id = $1", owner)
        )
    places = _everything(nerves, tmp_path, caplog) | {"kept": kept}
    for place, raw in places.items():
        assert not [word for word in SPELLED if word.encode() in raw.lower()], place


async def test_what_cannot_be_looked_at_is_buried_without_its_words(
    nerves: Nerves, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in the comparison itself costs the text and nothing more: the dead letter that is kept holds no word."""
    caplog.set_level(logging.DEBUG)
    await nerves.run()
    owner = await nerves.arrive("hello", message_id="1")
    await _agree(nerves, owner)

    def bug(self: Words, digests: Digests, event: TextArrived) -> Found:
        raise KeyError(event.body)

    monkeypatch.setattr(Words, "_compare", bug)
    await nerves.arrive(f"so {DURESS} it is", message_id="2")
    await _until_buried(nerves, owner, 1)
    (letter,) = await nerves.store.fetch("SELECT kind, body FROM dead_letter WHERE owner = $1", owner)
    assert (letter["kind"], letter["body"]) == ("TextArrived", b"")
    assert "tulip" not in caplog.text.lower()


async def _told_at_the_desk(nerves: Nerves) -> bool | None:
    return any(o == DESK and isinstance(post, Post) and "DURESS" in post.body for o, post in nerves.shown) or None


async def _until_buried(nerves: Nerves, owner: str, count: int) -> None:
    async def buried() -> bool | None:
        rows = await nerves.store.fetch("SELECT short_id FROM dead_letter WHERE owner = $1", owner)
        return len(rows) >= count or None

    await until("the letters are dead", buried, every=0.05)


async def test_success_and_duress_leave_at_the_same_moment(nerves: Nerves) -> None:
    """Through engine, outbox and carrier: nothing before the delay is over, and then the same bytes for both phones."""
    await nerves.run()
    sent: list[list[str]] = []
    # Two advocates, so that nobody has just written in the other thread.
    for n, (word, user) in enumerate(((SAFE, ANA), (DURESS, BEN))):
        handset = f"+1206555010{n}"
        owner = await nerves.arrive("hello", message_id=f"{n}-1", sender=handset)
        await _agree(nerves, owner, user)
        await nerves.arrive("hi", message_id=f"{n}-2", sender=handset)
        verify = Said(place=THREAD, sender=user, event_id=f"$v{n}", body="!verify", at=nerves.clock.wall())
        await nerves.tell(owner, verify)
        await nerves.at_rest()
        before = len(nerves.paper.sent)
        await nerves.arrive(word, message_id=f"{n}-3", sender=handset)
        await nerves.at_rest(standing=1 + n)  # the answer, and for duress the call to whoever is on call
        nerves.clock.at += 2.9
        await asyncio.sleep(0.2)
        assert len(nerves.paper.sent) == before, "an answer before the delay is over"
        nerves.clock.at += 0.2
        await nerves.at_rest(standing=n)
        sent.append([text for _, text in nerves.paper.sent[before:]])
    assert sent[0] == sent[1] != []


async def _asked(nerves: Nerves) -> str:
    """Run, and have a texter who agreed on words be asked for one; returns their thread."""
    await nerves.run()
    owner = await nerves.arrive("hello", message_id="1")
    await _agree(nerves, owner)
    await nerves.arrive("hi", message_id="2")
    await nerves.tell(owner, Said(place=THREAD, sender=ANA, event_id="$v", body="!verify", at=nerves.clock.wall()))
    await nerves.at_rest()
    return owner


@pytest.mark.parametrize("word", [SAFE, DURESS])
async def test_a_restart_does_not_hasten_the_answer(nerves: Nerves, tmp_path: Path, word: str) -> None:
    """Decided, then stopped and started within the delay: the answer leaves once, a fixed time after the text."""
    await _asked(nerves)
    await nerves.arrive(word, message_id="3")
    duress = int(word == DURESS)  # the call to whoever is on call, whom nobody plays here
    await nerves.at_rest(standing=1 + duress)
    at = nerves.clock.at
    await nerves.end()
    again = Nerves(tmp_path)
    again.clock.at = at + 2.5
    await again.open()
    await again.run()
    try:
        await asyncio.sleep(0.3)
        assert again.paper.sent == []
        again.clock.at = at + 3.1
        await again.at_rest(standing=duress)
        assert [text for _, text in again.paper.sent] == [hurried().say("verified")]
    finally:
        await again.end()


@pytest.mark.parametrize("word", [SAFE, DURESS])
async def test_ten_texts_at_once_during_a_check(nerves: Nerves, word: str) -> None:
    """Ten texts within a second while a challenge waits, the word in the first: all are shown in order, the word masked.

    One answer leaves, and nothing that the others say counts as a failure.
    """
    owner = await _asked(nerves)
    before, shown = len(nerves.paper.sent), len(nerves.posts(owner))
    duress = int(word == DURESS)  # the call to whoever is on call, whom nobody plays here
    bodies = [f"ok, {word}", *(f"text {n}" for n in range(9))]
    for n, body in enumerate(bodies):
        await nerves.arrive(body, message_id=f"many{n}")
    await nerves.at_rest(standing=1 + duress)
    nerves.clock.at += 3.1
    await nerves.at_rest(standing=duress)
    arrived = [body for body in nerves.posts(owner)[shown:] if "DURESS" not in body]
    assert arrived == [f"ok, {MASK}", *bodies[1:]]
    escort = (await nerves.thread(owner)).escort
    assert [text for _, text in nerves.paper.sent[before:]] == [hurried().say("verified")]
    assert (escort.failures, escort.burned) == ((), True)
    assert (escort.lock is Lock.DURESS) == bool(duress)
