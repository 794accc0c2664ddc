"""The guard of the phone: every reason to stay silent, and what must pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import guard
from bot.actions import Origin, Text
from bot.model import Consent, Thread, Voice
from tests.bot.effort import USUAL
from tests.bot.strategies import LATE, NOW, PACK, WORDS, threads

OPEN = Thread(id="t1", designation="amber heron", voice=Voice(holder="@ana:line.example", epoch=3))
STOPPED = replace(OPEN, consent=Consent(stopped=True, confirmation="stop:a"))
WORD = Text(ref="say:$m1", body="hello", origin=Origin.VOICE, epoch=3, since=NOW)
GREETING = Text(ref="answer:a", body="hello", origin=Origin.ANSWER, epoch=3, since=NOW)
CONFIRMATION = Text(ref="stop:a", body="OK.", origin=Origin.STOP_ANSWER, epoch=3, since=NOW)


@pytest.mark.parametrize(
    ("thread", "text", "later", "why"),
    [
        (OPEN, WORD, 0, None),
        (OPEN, WORD, LATE, None),
        (OPEN, WORD, LATE + 0.1, guard.LATE),
        (OPEN, WORD, -5, None),
        (OPEN, GREETING, 0, None),
        (OPEN, GREETING, LATE + 0.1, guard.LATE),
        (OPEN, replace(GREETING, epoch=1), 0, None),
        (OPEN, replace(WORD, epoch=2), 0, guard.OTHER_VOICE),
        (OPEN, replace(WORD, epoch=4), 0, guard.OTHER_VOICE),
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
def test_each_reason_to_stay_silent(thread: Thread, text: Text, later: float, why: str | None) -> None:
    """A text leaves for a phone that can be answered, that said no STOP, in its voice's turn, and within five minutes."""
    assert guard.may_send(PACK, thread, text, NOW + later) == why


@USUAL
@given(thread=threads, since=st.floats(min_value=NOW - 1000, max_value=NOW), epoch=st.integers(min_value=0, max_value=5))
def test_no_words_leave_but_in_a_state_that_lets_them(thread: Thread, since: float, epoch: int) -> None:
    """In any state the guard lets a voice's words go only when none of the reasons against it holds."""
    free = thread.answerable and not thread.consent.stopped and epoch == thread.voice.epoch and NOW - since <= LATE
    assert (guard.may_send(PACK, thread, replace(WORD, epoch=epoch, since=since), NOW) is None) == free


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
    "x" * 919,
    "á" * 403,
    "🙂" * 202,
]


@pytest.mark.parametrize("body", LEAKS, ids=range(len(LEAKS)))
def test_the_leak_firewall_refuses(body: str) -> None:
    """Matrix ids and links in any form, another thread's designation and more segments than allowed are refused."""
    assert guard.leaks(PACK, body, ["quiet maple", "plain river"]) is not None
    assert guard.leaks(PACK, f"Hello. {body}", ["quiet maple", "plain river"]) is not None


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
    "100% sure",
    "x" * 918,
    "á" * 402,
    "🙂" * 198,
    "",
    "\x00\ud800",
]


@pytest.mark.parametrize("body", HARMLESS, ids=range(len(HARMLESS)))
def test_the_leak_firewall_lets_pass(body: str) -> None:
    """Addresses of e-mail, times, prices, hashtags and ordinary words are not taken for something secret."""
    assert guard.leaks(PACK, body, ["quiet maple", "plain river"]) is None


@pytest.mark.parametrize("letter", [*"!#$@:", "matrix", "matrix ", "dot ", "a", "%25", "!a", "matrix("])
def test_the_leak_firewall_is_quick(letter: str) -> None:
    """A message as long as an event can be is judged within a second, whatever it is made of."""
    import time

    start = time.perf_counter()
    guard.leaks(PACK, letter * (60_000 // len(letter)), ["quiet maple"])
    assert time.perf_counter() - start < 1


@USUAL
@given(before=st.text(max_size=20), after=st.text(max_size=20), user=st.sampled_from(("ana", "ben-2", "sue.x")))
def test_a_matrix_id_is_found_in_any_company(before: str, after: str, user: str) -> None:
    """Whatever stands around it, an address of the line's own server is found."""
    assert guard.leaks(PACK, f"{before} @{user}:line.example {after}", []) is not None


def test_a_refusal_says_what_to_do() -> None:
    """Every refusal of the firewall is a sentence with an advice, and does not repeat the words."""
    for body in ("@ana:line.example", "quiet maple", "x" * 2000):
        why: Any = guard.leaks(PACK, body, ["quiet maple"])
        assert why.endswith(("and say it again.", "in shorter messages."))
        assert body not in why
