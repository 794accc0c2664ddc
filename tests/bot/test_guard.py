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


@USUAL
@given(before=st.text(max_size=20), after=st.text(max_size=20), user=st.sampled_from(("ana", "ben-2", "sue.x")))
def test_a_matrix_id_is_found_in_any_company(before: str, after: str, user: str) -> None:
    """Whatever stands around it, an address of the line's own server is found."""
    assert guard.leak_reason(PACK, f"{before} @{user}:line.example {after}", []) is not None


def test_a_refusal_says_what_to_do() -> None:
    """Every refusal of the firewall is a sentence with an advice, and does not repeat the words."""
    for body in ("@ana:line.example", "quiet maple"):
        why: Any = guard.leak_reason(PACK, body, ["quiet maple"])
        assert why.endswith("and say it again.")
        assert body not in why
    assert "!long" in str(guard.too_long(PACK, "x" * 2000))
    assert "!anyway" in str(guard.warning("555-0134-222"))


@pytest.mark.parametrize("body", [*LONG, "x" * 2000], ids=range(4))
def test_what_is_many_texts_long_needs_a_second_word(body: str) -> None:
    """More than six segments are one question more, in each encoding; one letter less is none."""
    assert guard.too_long(PACK, body) is not None
    assert guard.too_long(PACK, body[: {"x": 918, "á": 402, "🙂": 198}[body[0]]]) is None


WARNS = [
    "555-0134-22",
    "call me at 5550134",
    "(555) 123-4567",
    "+1 555 123 4567",
    "555.123.4567",
    "555 - 123 - 4567",
    "\u202a+1\u00a0(555)\u00a0123\u20114567\u202c",
    "1-800-799-7233",
    "4111 1111 1111 1111",
    "4111111111111111",
    "llama al 612 34 56 78",
    "01-23-45-67-89",
    "born 3/4/1990, call 555 0134",
    "I live at 123 Main St",
    "42 oak avenue",
    "221B Baker Street, flat 2",
    "1600 Pennsylvania Ave NW",
    "12 martin luther king blvd",
    "4500 N. 7th St.",
    "come to 9 Mill Lane",
    "Calle Mayor 12",
    "vivo en la calle Mayor, 12",
    "calle de la Paz 3",
    "Calle de las Flores 12",
    "Av. Insurgentes Sur 1234",
    "avenida 9 de Julio 100",
    "Carrera 7 # 45",
    "Paseo de la Reforma 222",
    "Plaza España 1",
    "calle Alcalá nº 45",
    "Tel.5551234567",
    "tel5551234567",
    "555-123-4567x2",
    "5551234567ext",
    "555,123,4567",
    "555_123_4567",
    "555\n123\n4567",
    "5️⃣5️⃣5️⃣1️⃣2️⃣3️⃣4️⃣",
    "№5551234567",
    "#5551234567",
    "٥٥٥١٢٣٤٥٦٧",
    "12 Elm Terrace",
    "7 Sunset Circle",
    "900 Lake Pkwy",
    "4 Harbour Parkway",
    "3 Union Square",
    "PO Box 113",
    "P.O. Box #44",
    "p o box no. 7",
    "apartado de correos 113",
    "1500 Broadway",
    "20 N Broadway",
    "c/ Toledo 8",
    "calle Luna núm. 4",
    "44 Elm",
    "ok\n1207 Oak.",
    "she is at 44 Elm",
    "go to 1207 Oak",
    "Elm & 3rd",
    "corner of Elm and 3rd",
    "5th and Main",
    "apt 4b 120 oak",
    "Apt. #12",
    "vive en el depto 3b",
]
NO_WARNING = [
    *WORDS,
    "meet me at 5 30 on 11/24",
    "I have 3 kids",
    "3 kids on the way",
    "call 911",
    "988",
    "text HOME to 741741",
    "100000 times",
    "11/24/2025",
    "on 2025-11-24 at 9",
    "24.11.2025 5:30",
    "born 3/4/1990",
    "school year 2024-2025",
    "$1,000,000",
    "$1234567",
    "$1500-2000",
    "$1,000,000.00",
    "room 12, floor 3, bed 4",
    "at 5, 6, 7, 8, 9 or 10",
    "I went round in a circle 3 times",
    "the box 5 is mine",
    "po 5",
    "from 5:30 to 7:45",
    "9-5, 9-5",
    "room 12",
    "1 2 3, breathe, 4 5 6",
    "it is a 2 hour drive",
    "5 min to a safe place",
    "10 minutes from my place",
    "at 5 pm, my place",
    "at 10 Tom rings",
    "24 December",
    "20 Minutes",
    "44 elm",
    "30 Days free",
    "at 10 PM",
    "court is at 10 Monday",
    "from 24 December on",
    "May 2nd and 3rd",
    "Monday and 3rd",
    "1st and foremost, breathe",
    "an apt answer",
    "at 3 see Dr. Lee",
    "I have 2 more court dates",
    "estoy en la calle con mis 2 hijos",
    "en la calle desde hace 3 días",
    "quedamos en la calle Mayor a las 5",
    "una carrera de 5 km",
    "un paseo de 30 minutos",
    "",
]


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
