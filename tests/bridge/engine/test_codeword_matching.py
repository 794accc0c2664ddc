"""Codewords in the bridge: found, masked, turned into digests, and in no log, row or exception."""

from __future__ import annotations

import asyncio
import hmac
import threading
from typing import Any

import pytest
from nacl.exceptions import RuntimeError as SodiumError
from nacl.pwhash import argon2id

from bot.language.codeword_forms import MASK
from bot.model.actions import OFFICE, THREAD
from bot.model.codeword_state import CodewordMatch, CodewordState, Enrolment, Flaw
from bot.model.desk import Desk, Thread
from bot.model.events import Content, MessageSent, Relation, TextArrived
from bridge.engine import codeword_matching
from bridge.engine.codeword_matching import DIGEST_COUNTS, CodewordMatcher, MatchedEvent
from tests.e2e.polling import STEP_TIMEOUT
from tests.fakes.bridge_harness import BridgeHarness, pack_without_undo_window

ANA, BEN = "@ana:line.example", "@ben:line.example"
SAFE, DURESS = "Marzipán gnome", "quiet Pixie"


@pytest.fixture
def words(harness: BridgeHarness) -> CodewordMatcher:
    return CodewordMatcher(vault=harness.vault, pack=pack_without_undo_window())


def desk(*, second: bool = False) -> Desk:
    asking = Enrolment(user=ANA, thread="t1", designation="amber heron", until=2e9, wants_duress_word=second)
    return Desk(enrolments=(asking,))


def in_office(body: str, **changed: Any) -> MessageSent:
    usual: dict[str, Any] = {"place": OFFICE + ANA, "sender": ANA, "event_id": "$w", "body": body, "at": 1.0}
    return MessageSent(**(usual | changed))


def arrived(body: str) -> TextArrived:
    return TextArrived(id="a", body=body, at=1.0)


async def enrolled(words: CodewordMatcher, safe: str = SAFE, duress: str = DURESS) -> Thread:
    await words.match(desk(), in_office(safe))
    match = await words.match(desk(second=True), in_office(duress))
    assert match.enrolment_answer is not None
    assert match.enrolment_answer.digests is not None
    return Thread(id="t1", designation="amber heron", codeword=CodewordState(digests=match.enrolment_answer.digests))


async def look(words: CodewordMatcher, thread: Thread, body: str) -> tuple[CodewordMatch, str]:
    match = await words.match(thread, arrived(body))
    return match.word, getattr(match.event, "body", "")


@pytest.mark.parametrize(
    ("body", "word", "shown"),
    [
        ("marzipan gnome", CodewordMatch.SAFE, MASK),
        ("MARZIPANGNOME!", CodewordMatch.SAFE, f"{MASK}!"),
        ("it is Marzipan, gnome. ok?", CodewordMatch.SAFE, f"it is {MASK}. ok?"),
        ("he is out now quiet pixie please come", CodewordMatch.DURESS, f"he is out now {MASK} please come"),
        ("quietpixie and marzipan gnome", CodewordMatch.DURESS, f"{MASK} and {MASK}"),
        ("marzipan", CodewordMatch.NONE, "marzipan"),
        ("a quiet evening with a pixie", CodewordMatch.NONE, "a quiet evening with a pixie"),
        ("", CodewordMatch.NONE, ""),
        ("\ud800 lone surrogate", CodewordMatch.NONE, "\ud800 lone surrogate"),
    ],
)
async def test_a_word_is_found_and_masked_before_anything_is_decided(
    words: CodewordMatcher, body: str, word: CodewordMatch, shown: str
) -> None:
    """Whole or within other words, however it is spelled; of both, the duress word counts; all else stays as it was."""
    assert await look(words, await enrolled(words), body) == (word, shown)


async def test_a_colleagues_message_is_looked_at_too(words: CodewordMatcher) -> None:
    """What is said in the room of a thread with a word is compared and masked like a text."""
    said = MessageSent(place=THREAD, sender=ANA, event_id="$m", body="your word is marzipan gnome", at=1.0)
    match = await words.match(await enrolled(words), said)
    assert (match.word, getattr(match.event, "body", "")) == (CodewordMatch.SAFE, f"your word is {MASK}")


async def test_without_a_word_nothing_is_computed(words: CodewordMatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of phones without an agreed word, and everything else, pass as they are."""
    monkeypatch.setattr(codeword_matching, "codeword_digest", None)
    event = arrived("marzipan gnome")
    assert await words.match(Thread(id="t", designation="d"), event) == MatchedEvent(event)
    assert (await words.match(Desk(), in_office("pixie"))).event == in_office("pixie")
    assert (await words.match(desk(), in_office("!help"))).enrolment_answer is None
    assert (await words.match(desk(), in_office("pixie", sender=BEN))).enrolment_answer is None


async def test_the_work_does_not_tell_what_was_found(words: CodewordMatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many digests for a match, for duress and for neither; each compared with both words; never more than the most."""
    thread = await enrolled(words)
    real, real_compare = codeword_matching.codeword_digest, hmac.compare_digest
    computed: list[str] = []
    compared: list[bytes] = []

    def digest(pepper: bytes, salt: bytes, form: str) -> bytes:
        computed.append(form)
        return real(pepper, salt, form)

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return real_compare(one, other)

    monkeypatch.setattr(codeword_matching, "codeword_digest", digest)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    for body in ("marzipan gnome", "quiet pixie", "nothing of it", "", "ok", "x y z " * 8):
        computed.clear()
        compared.clear()
        await look(words, thread, body)
        assert len(computed) == DIGEST_COUNTS[0], body
        assert len(compared) == 2 * DIGEST_COUNTS[0], body
    lengths = thread.codeword.digests.lengths if thread.codeword.digests else (0, 0)
    for many, step in (
        (DIGEST_COUNTS[0] + 1, DIGEST_COUNTS[1]),
        (DIGEST_COUNTS[1] + 1, DIGEST_COUNTS[2]),
        (DIGEST_COUNTS[2] + 1, DIGEST_COUNTS[2]),
    ):
        computed.clear()
        match = await words.match(thread, arrived(" ".join(f"{n:0{lengths[0]}}" for n in range(many))))
        assert len(computed) == step
        assert match.partly == (many > DIGEST_COUNTS[2])


async def test_the_duress_word_is_found_at_the_end_of_a_long_text(words: CodewordMatcher) -> None:
    """Behind hundreds of words, and letters that nothing parts, the word is found: likely runs are tried before others."""
    thread = await enrolled(words, "pelican", "枇杷树")
    assert (await look(words, thread, f"{'so we went ' * 60}and then pelican"))[0] is CodewordMatch.SAFE
    assert (await look(words, thread, "我昨天晚上很晚才回家因为路上下雨了而且没有公共汽车所以枇杷树"))[
        0
    ] is CodewordMatch.DURESS


@pytest.mark.usefixtures("real_hash")
async def test_the_parameters_are_those_of_the_design(words: CodewordMatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """19 MiB, two passes, a salt of its own for each enrolment, and the vault's pepper."""
    calls: list[dict[str, Any]] = []
    real = argon2id.kdf

    def noted(size: int, secret: bytes, salt: bytes, **parameters: Any) -> bytes:
        calls.append({"size": size, "secret": secret, "salt": salt, **parameters})
        return real(size, secret, salt, **parameters)

    monkeypatch.setattr(argon2id, "kdf", noted)
    first, second = await enrolled(words), await enrolled(words)
    assert {(a["memlimit"], a["opslimit"], a["size"]) for a in calls} == {(19 * 1024 * 1024, 2, 32)}
    assert len({a["salt"] for a in calls}) == 2
    assert {len(a["salt"]) for a in calls} == {16}
    assert first.codeword.digests != second.codeword.digests
    assert not [a for a in calls if b"marzipan" in a["secret"]], "a digest without the pepper"


async def test_few_are_computed_at_once_and_none_on_the_event_loop(
    words: CodewordMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most two texts at a time, in threads: the loop goes on while they are compared."""
    thread = await enrolled(words)
    running, most = 0, 0
    turns: list[bool] = []
    real, loop = codeword_matching._classify, asyncio.get_running_loop()

    def counted(*args: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            # The loop has a turn while this one runs: on the loop itself it would wait for ever.
            turn = threading.Event()
            loop.call_soon_threadsafe(turn.set)
            turns.append(turn.wait(STEP_TIMEOUT))
            return real(*args)
        finally:
            running -= 1

    monkeypatch.setattr(codeword_matching, "_classify", counted)
    await asyncio.gather(*(look(words, thread, f"text {n}") for n in range(6)))
    assert most == 2
    assert turns == [True] * 6


async def test_an_office_is_heard_once_and_in_order(words: CodewordMatcher) -> None:
    """The word, then the duress word or "-"; the event that is decided holds nothing of either."""
    match = await words.match(desk(), in_office(SAFE, relation=Relation.OTHER_REPLY))
    assert (getattr(match.event, "body", None), match.enrolment_answer and match.enrolment_answer.flaw) == ("", None)
    match = await words.match(desk(second=True), in_office("-"))
    assert match.enrolment_answer is not None
    assert match.enrolment_answer.digests is not None
    thread = Thread(id="t1", designation="d", codeword=CodewordState(digests=match.enrolment_answer.digests))
    assert await look(words, thread, SAFE) == (CodewordMatch.SAFE, MASK)
    assert (await look(words, thread, "-"))[0] is CodewordMatch.NONE


@pytest.mark.parametrize(
    ("event", "flaw"),
    [
        (in_office("STOP"), Flaw.KEYWORD),
        (in_office("x"), Flaw.SHORT),
        (in_office("-"), Flaw.NO_LETTERS),
        (in_office("pixie", content=Content.FILE), Flaw.NOT_PLAIN),
        (in_office("pixie", relation=Relation.EDIT), Flaw.NOT_PLAIN),
        (in_office("pixie", relation=Relation.THREAD), Flaw.NOT_PLAIN),
        (in_office("pixie", mentioned_users=(BEN,)), Flaw.NOT_PLAIN),
    ],
)
async def test_a_bad_word_is_a_flaw_and_nothing_is_kept(words: CodewordMatcher, event: MessageSent, flaw: Flaw) -> None:
    """A refused first word is not remembered: what comes as the second finds none."""
    match = await words.match(desk(), event)
    assert match.enrolment_answer is not None
    assert match.enrolment_answer.flaw is flaw
    lost = await words.match(desk(second=True), in_office(DURESS))
    assert lost.enrolment_answer is not None
    assert lost.enrolment_answer.flaw is Flaw.LOST


async def test_a_restart_between_the_two_words_forgets(words: CodewordMatcher, harness: BridgeHarness) -> None:
    """The first word is in memory alone; the next process does not know it, and neither does this one after its time."""
    await words.match(desk(), in_office(SAFE))
    lost = await CodewordMatcher(vault=harness.vault, pack=pack_without_undo_window()).match(
        desk(second=True), in_office(DURESS)
    )
    assert lost.enrolment_answer is not None
    assert lost.enrolment_answer.flaw is Flaw.LOST
    words._forget_first(ANA, words._first[ANA])
    assert words._first == {}


async def test_the_second_word_must_be_unlike_the_first(words: CodewordMatcher) -> None:
    """Equal or too near: refused, and the first still stands."""
    await words.match(desk(), in_office(SAFE))
    for body, flaw in (("marzipan-GNOME", Flaw.SAME), ("marzipan gnomes", Flaw.NEAR), (DURESS, None)):
        match = await words.match(desk(second=True), in_office(body))
        assert match.enrolment_answer is not None
        assert match.enrolment_answer.flaw is flaw


@pytest.mark.parametrize("error", [SodiumError("marzipan"), MemoryError(), RuntimeError("can't start new thread")])
async def test_without_memory_or_threads_the_text_waits(
    words: CodewordMatcher, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """When no digest can be computed the engine is told to try again: the text is neither lost nor shown unmasked."""
    thread = await enrolled(words)

    def no_memory(*_args: Any, **_kwargs: Any) -> bytes:
        raise error

    monkeypatch.setattr(argon2id, "kdf", no_memory)
    with pytest.raises(OSError, match="no memory") as failure:
        await look(words, thread, SAFE)
    assert "marzipan" not in str(failure.value)
    assert failure.value.__suppress_context__
