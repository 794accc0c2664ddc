"""Flags: what was told counts once the carrier took it; what was agreed is noted by a person, and both are on the card."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bot.display.thread_card import card
from bot.language import time_windows
from bot.model.actions import THREAD, DeliveryReceipt, EditMessage
from bot.model.desk import Thread
from bot.model.events import Event, Outcome, TextOutcome
from bot.model.thread import ConsentFlags
from bot.model.transactional_actions import RecordAudit
from policies.pack import TextName
from tests.bot.examples import arrived, at, due, held, marks, of, said, texts, then, waiting, words
from tests.bot.strategies import BEN, NOW, PACK, SUE, UNDO
from tests.every_row import every_row


def sent(thread: Thread, command: str, outcome: Outcome = Outcome.ACCEPTED) -> Thread:
    """Let the assignee say a command for a text, its window pass, and the carrier answer."""
    thread = due(then(thread, said(command)).aggregate, UNDO).aggregate
    result: Thread = then(thread, TextOutcome(ref="say:$m1", outcome=outcome), at(10)).aggregate
    return result


@pytest.mark.practice(7, 26)
@every_row(
    ("command", "flag"),
    [
        ("!limits", "limits"),
        ("!say limits", "limits"),
        ("!tips", "tips"),
        ("!tips iphone", "tips"),
        ("!tips android", "tips"),
        ("!rights", "rights"),
    ],
)
def test_what_the_carrier_took_was_told(command: str, flag: str) -> None:
    """A flag is set when the carrier took the text, in the pack's words, and not before (practices 7, 26)."""
    thread = held()
    assert getattr(due(then(thread, said(command)).aggregate, UNDO).aggregate.flags, flag) == 0.0
    assert getattr(sent(thread, command).flags, flag) == NOW + 10
    for other in (Outcome.UNKNOWN, Outcome.REJECTED, Outcome.OPTED_OUT, Outcome.FAILED, Outcome.LATE):
        assert getattr(sent(thread, command, other).flags, flag) == 0.0


GIVEN_UP: list[tuple[str, str, str]] = [
    ("!limits", "limits", "failed_limits"),
    ("!rights", "rights", "failed_rights"),
    ("!safecheck", "safe_check_asked", "failed_safe_check"),
    ("!tips", "tips", ""),
]


@pytest.mark.practice(26, 27)
@every_row("outcome", [Outcome.FAILED, Outcome.REJECTED, Outcome.OPTED_OUT])
@every_row(("command", "flag", "kind"), GIVEN_UP)
def test_what_the_carrier_gave_up_was_not_told(command: str, flag: str, kind: str, outcome: Outcome) -> None:
    """Limits that the carrier took and gave up later were never read: card and audit say so; a delivery ends it."""
    thread = sent(held(), command)
    step = then(thread, TextOutcome(ref="say:$m1", outcome=outcome), at(20))
    assert not getattr(step.aggregate.flags, flag)
    assert [audit.kind.value for audit in of(RecordAudit, step) if audit.kind.value == kind] == ([kind] if kind else [])
    if flag == "limits":
        assert "limits: NOT GIVEN YET" in card(PACK, step.aggregate)
        disclosure = then(step.aggregate, arrived("my husband hits our son", id="d", seconds=90), at(90))
        assert ("before they knew the limits" in words(disclosure)) or outcome is Outcome.OPTED_OUT
    late = then(step.aggregate, TextOutcome(ref="say:$m1", outcome=Outcome.DELIVERED), at(60)).aggregate
    assert getattr(late.flags, flag)


OWN = [
    ("!say limits: please", "limits", "limits"),
    ("!say tips: delete this", "tips", ""),
    ("!say rights: you need not answer", "rights", "rights"),
    ("!say safe-check: ok?", "safe_check_asked", "safe"),
]


@pytest.mark.practice(11, 26)
@pytest.mark.parametrize(
    ("rest", "flag", "kind", "line"),
    [
        ("limits", "limits", "told_limits", "limits: given"),
        ("Limits, on the phone", "limits", "told_limits", "limits: given"),
        ("rights", "rights", "told_rights", "rights given"),
        ("safe", "safe_check_asked", "told_safe_check", "safe to text: asked "),
    ],
)
def test_what_was_told_in_other_words_is_noted_by_the_advocate(rest: str, flag: str, kind: str, line: str) -> None:
    """`!told` sets the flag as the text would, is a kind of its own in the audit, and nothing of it leaves."""
    thread = replace(held(), silence=replace(held().silence, recheck_safety=True))
    step = then(thread, said(f"!told {rest}"))
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert getattr(step.aggregate.flags, flag)
    assert line in card(PACK, step.aggregate)
    assert ("ask again" in card(PACK, step.aggregate)) == (rest != "safe")
    assert [audit.kind.value for audit in of(RecordAudit, step)] == [kind]
    assert step.aggregate.sending == thread.sending
    assert texts(due(step.aggregate, UNDO)) == []
    same = sent(held(), {"limits": "!limits", "rights": "!rights", "safe_check_asked": "!safecheck"}[flag])
    assert bool(getattr(same.flags, flag))
    for other in (BEN, SUE):
        assert then(thread, said(f"!told {rest}", sender=other)).aggregate.flags == thread.flags


@pytest.mark.practice(26)
def test_the_order_of_what_was_told_is_in_the_audit() -> None:
    """First text, greeting, first words and limits are noted when they happened, once, without a word (practice 26)."""
    thread = Thread(id="t1", designation="amber heron")
    noted: list[str] = []
    steps: list[tuple[Event, float]] = [
        (arrived("hi", id="first"), 0.0),
        (TextOutcome(ref="greeting:first", outcome=Outcome.ACCEPTED), 1.0),
        (TextOutcome(ref="greeting:first", outcome=Outcome.DELIVERED), 2.0),
    ]
    for event, seconds in steps:
        step = then(thread, event, at(seconds))
        thread, noted = step.aggregate, noted + [audit.kind.value for audit in of(RecordAudit, step)]
    thread = replace(thread, assignment=held().assignment, lifecycle=held().lifecycle)
    for command, event_id in (("hello", "$m1"), ("!limits", "$m2"), ("hello again", "$m3")):
        thread = due(then(thread, said(command, event_id=event_id)).aggregate, UNDO).aggregate
        for outcome in (Outcome.ACCEPTED, Outcome.DELIVERED):
            step = then(thread, TextOutcome(ref=f"say:{event_id}", outcome=outcome), at(20))
            thread, noted = step.aggregate, noted + [audit.kind.value for audit in of(RecordAudit, step)]
    assert noted == ["first_text_in", "greeting", "first_words_out", "limits"]


@pytest.mark.practice(2)
@every_row(
    ("rest", "line"),
    [
        ("times 9-15:30 20-22", "9:00-15:30, 20:00-22:00"),
        ("times 22-2", "22:00-2:00"),
        ("times 9-24", "9:00-24:00"),
        ("times any", "any time"),
        ("first yes", "may we text first: yes"),
        ("first no", "may we text first: no"),
        ("FIRST No", "may we text first: no"),
        ("channel call", "another way: call"),
        ("channel call her sister", "another way: agreed in words, in a note of that conversation"),
        ("unsafe cover", None),
        ("unsafe later", "chose a line for !unsafe"),
        ("unsafe cover 2", "chose a line for !unsafe"),
        ("unsafe cover_3", "chose a line for !unsafe"),
    ],
)
def test_what_was_agreed_is_on_the_card(rest: str, line: str | None) -> None:
    """What a texter told their advocate stands on the card at once (practice 2); the card changes in the same decision."""
    step = then(held(), said(f"!agreed {rest}"))
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert texts(step) == []
    if line is None:
        assert step.aggregate == held()
        return
    assert line in card(PACK, step.aggregate)
    edits = [edit for edit in of(EditMessage, step) if edit.ref == "card"]
    assert [line in edit.body for edit in edits] == ([] if rest == "times any" else [True])


@every_row(
    ("spans", "hour", "minute", "safe"),
    [
        ("", 3, 0, True),
        ("9-15", 9, 0, True),
        ("9-15", 14, 59, True),
        ("9-15", 15, 0, False),
        ("9-15", 8, 59, False),
        ("22-2", 23, 0, True),
        ("22-2", 1, 59, True),
        ("22-2", 2, 0, False),
        ("22-2", 12, 0, False),
        ("9-15 20-24", 23, 59, True),
        ("9-15 20-24", 17, 0, False),
    ],
)
def test_safe_times_are_of_the_lines_day(spans: str, hour: int, minute: int, safe: bool) -> None:
    """A span includes its beginning and not its end, and may run over midnight; without any, every time is safe."""
    flags = time_windows.with_safe_times(ConsentFlags(), spans) or ConsentFlags()
    assert time_windows.is_safe(flags, datetime(2027, 1, 15, hour, minute, tzinfo=ZoneInfo("UTC"))) == safe


@pytest.mark.practice(25)
@pytest.mark.parametrize(("rest", "language"), [("es", "es"), ("ES", "es"), ("en", "en"), ("fr", "en"), ("", "en")])
def test_lang_chooses_the_language_of_the_agencys_texts(rest: str, language: str) -> None:
    """`!lang` sets, and tells, the language; one without texts is refused with what there is (practice 25)."""
    step = then(held(), said(f"!lang {rest}"))
    assert step.aggregate.consent.language == language
    assert ("interpreter" in words(step)) == (rest == "fr")
    assert texts(due(then(step.aggregate, said("!limits", event_id="$m2")).aggregate, UNDO)) == [
        PACK.say(TextName.LIMITS, language)
    ]


def test_the_card_says_whose_turn_it_is_and_since_when() -> None:
    """What the line answers by itself is no answer; the first unanswered text counts, and the first answer to it."""

    def last(thread: Thread) -> str:
        return next(line for line in card(PACK, thread).splitlines() if line.startswith("last text: "))

    greeted = then(waiting(), TextOutcome(ref="greeting:first", outcome=Outcome.ACCEPTED), at(1)).aggregate
    assert last(greeted) == "last text: theirs, unanswered since Fri 07:59"
    more = then(greeted, arrived("hello?", id="b", seconds=600), at(600)).aggregate
    assert last(more) == "last text: theirs, unanswered since Fri 07:59"
    spoken = due(then(held(), said("here")).aggregate, UNDO).aggregate
    heard = then(spoken, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(60)).aggregate
    assert last(heard) == "last text: ours, since Fri 08:01"
    assert last(Thread(id="t1", designation="amber heron")) == "last text: none yet"


@pytest.mark.parametrize("sender", [BEN, SUE])
def test_only_the_assignee_notes_what_was_agreed(sender: str) -> None:
    """Nobody else notes agreements: who asked is who is heard."""
    step = then(held(), said("!agreed first yes", sender=sender, place=THREAD))
    assert step.aggregate.flags.text_first is None
