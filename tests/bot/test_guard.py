"""The guard of the phone: every reason to stay silent, and what must pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import guard
from bot.model.actions import Origin, SendSms
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from bot.model.text_order import CLOCK_TOLERANCE
from bot.model.thread import Assignment, Consent, ThreadState
from tests.bot.hypothesis_settings import USUAL
from tests.bot.phrases import lines_of
from tests.bot.strategies import LATE, NOW, PACK, WORDS, threads
from tests.every_row import every_row

YEAR = 365 * 86_400.0
OPEN = Thread(id="t1", designation="amber heron", assignment=Assignment(assignee="@ana:line.example", epoch=3))
STOPPED = replace(OPEN, consent=Consent(stopped=True, confirmation_ref="stop:a"))
WORD = SendSms(ref="say:$m1", body="hello", origin=Origin.ADVOCATE, epoch=3, since=NOW)
GREETING = SendSms(ref="answer:a", body="hello", origin=Origin.AUTO_REPLY, epoch=3, since=NOW)
CONFIRMATION = SendSms(ref="stop:a", body="OK.", origin=Origin.STOP_CONFIRMATION, epoch=3, since=NOW)


@every_row(
    ("thread", "text", "later", "why"),
    [
        (OPEN, WORD, 0, None),
        (OPEN, WORD, LATE, None),
        (OPEN, WORD, LATE + 0.1, guard.LATE),
        (OPEN, WORD, -5, None),
        (OPEN, WORD, -YEAR, guard.LATE),
        (OPEN, GREETING, -YEAR, guard.LATE),
        (STOPPED, CONFIRMATION, -YEAR, guard.LATE),
        (OPEN, GREETING, 0, None),
        (OPEN, GREETING, LATE + 0.1, guard.LATE),
        (OPEN, replace(GREETING, epoch=1), 0, None),
        (OPEN, replace(WORD, epoch=2), 0, guard.ASSIGNEE_CHANGED),
        (OPEN, replace(WORD, epoch=4), 0, guard.ASSIGNEE_CHANGED),
        (OPEN, CONFIRMATION, 0, guard.STOP_IS_OVER),
        (STOPPED, WORD, 0, guard.STOPPED),
        (STOPPED, GREETING, 0, guard.STOPPED),
        (STOPPED, CONFIRMATION, 0, None),
        (STOPPED, CONFIRMATION, LATE + 0.1, guard.LATE),
        (STOPPED, replace(CONFIRMATION, ref="stop:b"), 0, guard.STOP_IS_OVER),
        (replace(OPEN, answerable=False), WORD, 0, guard.UNANSWERABLE),
        (replace(OPEN, answerable=False), GREETING, 0, guard.UNANSWERABLE),
        (replace(STOPPED, answerable=False), CONFIRMATION, 0, guard.UNANSWERABLE),
    ],
)
def test_each_reason_to_stay_silent(thread: Thread, text: SendSms, later: float, why: str | None) -> None:
    """A text leaves for a phone that can be answered, without a STOP, in its assignee's turn, and within five minutes.

    What a clock stamped that was put back since is of no known age, and does not leave by itself.
    """
    assert guard.may_send(PACK, thread, text, NOW + later, ()) == why


LEAKING = "ask quiet maple"


@pytest.mark.practice(24)
@pytest.mark.parametrize(
    ("thread", "text", "leaves"),
    [
        (OPEN, WORD, False),
        (STOPPED, replace(WORD, ref="say:$r", origin=Origin.REPLY_AFTER_STOP), False),
        (OPEN, GREETING, True),
        (STOPPED, CONFIRMATION, True),
    ],
    ids=["advocate", "reply", "answer", "confirmation"],
)
def test_the_firewall_is_asked_again_before_words_leave(thread: Thread, text: SendSms, leaves: bool) -> None:
    """A person's words that name what is another thread's by now do not leave; the agency's own answers still do.

    So it is with a word that the agency has added to those it keeps from phones.
    """
    thread = replace(thread, consent=replace(thread.consent, reply_ref="say:$r"))
    text = replace(text, body=LEAKING)
    assert guard.may_send(PACK, thread, text, NOW, ()) is None
    assert (guard.may_send(PACK, thread, text, NOW, ["quiet maple"]) is None) == leaves
    pack = replace(PACK, leak_words=frozenset({"quiet maple"}))
    assert (guard.may_send(pack, thread, text, NOW, ()) is None) == leaves


@USUAL
@given(
    thread=threads, since=st.floats(min_value=NOW - 1000, max_value=NOW + 1000), epoch=st.integers(min_value=0, max_value=5)
)
def test_no_words_leave_but_in_a_state_that_lets_them(thread: Thread, since: float, epoch: int) -> None:
    """In any state the guard lets an assignee's words go only when none of the reasons against it holds."""
    open_to_us = thread.answerable and not thread.consent.stopped and thread.consent.blocked_until <= NOW
    safe = (not thread.flags.unsafe or thread.flags.unsafe_line_ref == WORD.ref) and thread.codeword.lock is SendLock.NONE
    stands = not any(each.retracted and WORD.ref == f"say:{each.event_id}" for each in thread.sending.sent)
    is_late_challenge = (
        WORD.ref == f"say:{thread.codeword.challenge}"
        and NOW - thread.codeword.last_text_at > PACK.settings.challenge_window
    )
    here = (
        thread.lifecycle.state is not ThreadState.PARKED
        and epoch == thread.assignment.epoch
        and -CLOCK_TOLERANCE <= NOW - since <= LATE
    )
    free = here and open_to_us and safe and stands and not is_late_challenge
    assert (guard.may_send(PACK, thread, replace(WORD, epoch=epoch, since=since), NOW, ()) is None) == free


@USUAL
@given(thread=threads, ref=st.sampled_from(("greeting:a", "answer:a", "help_answer:a")), earlier=st.sampled_from((0, 200)))
def test_no_automatic_reply_leaves_to_a_text_from_before_they_broke_off(thread: Thread, ref: str, earlier: float) -> None:
    """In any state neither the greeting, nor a verdict, nor the answer that a carrier forces follows such a text."""
    thread = replace(thread, signs=replace(thread.signs, broke_off_at=NOW))
    assert guard.may_send(PACK, thread, replace(GREETING, ref=ref, since=NOW - earlier), NOW, ()) is not None


HASH = "x" * 43
LEAKS = [
    "@ana:line.example",
    "write to @ana:line.example please",
    "(@ana:line.example)",
    "_@ana:line.example_",
    "@Ana.Maria_2=x/+:LINE.example:8448",
    "@ana:localhost",
    "@ana:127.0.0.1",
    "@ana:[::1]",
    "\u200b@ana\u200b:line.example",
    "＠ana：line．example",  # noqa: RUF001 - wide letters are the point
    "%40ana%3Aline.example",
    "!AbCdEfGh:line.example",
    "#room:line.example",
    "#ana.room:line.example",
    "#ana-y-yo:localhost",
    "$143273582443PhrSn:line.example",
    f"!{HASH}",
    f"${HASH}",
    "https://matrix.to/#/@ana:line.example",
    "https://matrix.to/#/%21abc%3Aline.example",
    "matrix.to",
    "HTTPS://MATRIX.TO/#/x",
    "matrix . to / #",
    "matrix\n.to",
    "matrix(dot)to",
    "matrix [dot] to",
    "matrix dot to",
    "matrix\u2060.to",
    "matrix%2Eto",
    "matrix。to",
    "matrix:u/ana:line.example",
    "MATRIX:roomid/abc",
    "https://app.element.io/#/room/#room:line.example",
    "quiet maple",
    "as Quiet Maple said",
    "quiet, maple",
    "quiet\nmaple.",
    "QUIET-MAPLE",
    "qui\u00adet maple",
    "quietmaple",
    "#QuietMaple",
    "qu iet maple",
    "q u i e t m a p l e",
    "quíet maple",
    "quiet maples",
    "quietmaple's",
    "quıet mаple",  # noqa: RUF001 - one letter is Turkish, one Cyrillic
    "𝓺𝓾𝓲𝓮𝓽 𝓶𝓪𝓹𝓵𝓮",  # noqa: RUF001
    "quiet%20maple",
    "matrix[.]to",
    "matrix(.)to",
    "matrix-dot-to",
    "matrix _dot_ to",
    "matrix%252Eto",
    "matrix&#46;to",
    "matrix&period;to",
    "mаtrix.to",  # noqa: RUF001 - the a is Cyrillic
    "ｍａｔｒｉｘ．ｔｏ",  # noqa: RUF001
    "ma\u034ftrix.to",
    "matrix·to",
    "m\u0301atrix.to",
    "&#64;ana&#58;line.example",
]
LONG = ["x" * 919, "á" * 403, "🙂" * 202]


@pytest.mark.practice(24)
@every_row("body", LEAKS)
def test_the_leak_firewall_refuses(body: str) -> None:
    """Matrix ids and links in any form, and another thread's designation, are refused."""
    assert guard.leak_reason(PACK, body, ["quiet maple", "plain river"]) is not None
    assert guard.leak_reason(PACK, f"Hello. {body}", ["quiet maple", "plain river"]) is not None


HARMLESS = [
    *WORDS,
    "mail me at ana@example.org",
    "mail me at ana@example.org: it is read every day",
    "ana.maria+help@mail.example.org, or call",
    "it's 5:30",
    "be there @5:30",
    "meet @ home",
    "me @work: no; @ the library: yes",
    "Apt #12: ring twice",
    "Room #4, floor 2",
    "it costs $20:50",
    "wow!! really: yes",
    "Careful!: he may see this",
    "https://www.example.org/help#top",
    "http://example.org:8080/x",
    "The matrix. Today I saw it",
    "a matrix to fill in",
    "it dot to dot",
    "maple, quiet",
    "a quiet mapletree",
    "quiet. The maple",
    "quietmapletree",
    "disquietmaple",
    "quiet mapleleaf",
    "a qui, et mapl",
    "the matrix. Together we look",
    "matrix (dotted) to",
    "AT&T; R&D",
    "100% sure",
    *LONG,
    "",
    "\x00\ud800",
]


@every_row("body", HARMLESS)
def test_the_leak_firewall_lets_pass(body: str) -> None:
    """Addresses of e-mail, times, prices, hashtags and ordinary words are not taken for something secret."""
    assert guard.leak_reason(PACK, body, ["quiet maple", "plain river"]) is None


@every_row(
    "letter",
    [
        *"!#$@:",
        "matrix",
        "matrix ",
        "dot ",
        "a",
        "%25",
        "!a",
        "matrix(",
        "1",
        "1 ",
        "1-",
        "12 x ",
        "calle x ",
        "1/1/2000",
        "20",
    ],
)
def test_the_leak_firewall_is_quick(letter: str) -> None:
    """A message as long as an event can be costs no time that grows with its square, whatever it is made of."""
    import time

    start = time.process_time()
    for end in ("", "x"):
        guard.leak_reason(PACK, letter * (60_000 // len(letter)) + end, ["quiet maple"])
        guard.warning(letter * (60_000 // len(letter)) + end)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("body", [*LONG, "x" * 2000], ids=range(4))
def test_what_is_many_texts_long_needs_a_second_word(body: str) -> None:
    """More than six segments are one question more, in each encoding; one letter less is none."""
    assert guard.too_long(PACK, body) is not None
    assert guard.too_long(PACK, body[: {"x": 918, "á": 402, "🙂": 198}[body[0]]]) is None


WARNS = ["555\n123\n4567", "ok\n1207 Oak.", *lines_of("numbers_and_addresses")]
NO_WARNING = [*WORDS, "", *lines_of("ordinary_numbers")]


@pytest.mark.practice(24)
@every_row("body", WARNS)
def test_phone_numbers_and_street_addresses_are_asked_about(body: str) -> None:
    """Seven digits or more, however grouped, and street addresses in both languages need one more word."""
    for words in (body, f"Hello. {body}", f"{body}, please"):
        why: Any = guard.warning(words)
        assert "!anyway" in why
        assert body not in why


@every_row("body", NO_WARNING)
def test_ordinary_numbers_are_not_asked_about(body: str) -> None:
    """Times, dates, prices, counts, short numbers and figures of speech need no second word."""
    for words in (body, f"Hello. {body}", f"{body}, ok?"):
        assert guard.warning(words) is None


@every_row(
    ("body", "leaks"),
    [
        *(("we are at Harbor House", True), ("HARBOR  house.", True), ("harbor-house", True), ("Harbor\u200b House", True)),
        *(
            ("the harbor of our house", False),
            ("harbor house\u2019s door", True),
            ("ask harbour house", False),
            ("Müller", True),
        ),
        *(("muller?", True), ("at Müller's", True), ("the mullers", True), ("mullerson", False)),
    ],
)
def test_the_agencys_own_words(body: str, leaks: bool) -> None:
    """Configured words never reach a phone, whatever their case, spacing, accents and plural; a part of a word is none."""
    pack = replace(PACK, leak_words=frozenset({"harbor house", "muller"}))
    assert ("keeps from phones" in (guard.leak_reason(pack, body, ()) or "")) == leaks
    assert guard.leak_reason(PACK, body, ()) is None, "without the words it would leave"
