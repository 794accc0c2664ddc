"""Flags: what was told counts once the carrier took it; what was agreed is noted by a person, and both are on the card."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bot.commands.parser import COMMANDS_BY_NAME
from bot.commands.spec import CARD
from bot.decide import decide
from bot.display.thread_card import card
from bot.language import time_windows
from bot.model.actions import THREAD, DeliveryReceipt, EditMessage, SendMessage, SendSms, ShowReceipt
from bot.model.desk import Thread
from bot.model.events import Event, Outcome, Relation, TextOutcome
from bot.model.thread import ConsentFlags, Silence
from bot.model.thread_desk_events import Assigned
from bot.model.transactional_actions import RecordAudit
from policies.pack import TextName
from tests.bot.examples import arrived, at, due, held, marks, of, said, texts, then, waiting, words
from tests.bot.strategies import ANA, BEN, NOW, PACK, SUE, UNDO
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


@pytest.mark.practice(26)
@pytest.mark.parametrize(("command", "flag", "kind"), GIVEN_UP)
def test_what_was_told_otherwise_stays_told(command: str, flag: str, kind: str) -> None:
    """A second text that the carrier gave up takes nothing from a first that arrived, nor from `!told` since."""
    first = then(sent(held(), command), TextOutcome(ref="say:$m1", outcome=Outcome.DELIVERED), at(20)).aggregate
    again = due(then(first, said(command, event_id="$m2"), at(90)).aggregate, 90 + UNDO).aggregate
    again = then(again, TextOutcome(ref="say:$m2", outcome=Outcome.ACCEPTED), at(120)).aggregate
    assert getattr(again.flags, flag) != getattr(first.flags, flag)
    step = then(again, TextOutcome(ref="say:$m2", outcome=Outcome.FAILED), at(130))
    assert getattr(step.aggregate.flags, flag) == getattr(first.flags, flag)
    if flag == "limits":
        after = then(sent(held(), command), said("!told limits", event_id="$t"), at(15)).aggregate
        assert then(after, TextOutcome(ref="say:$m1", outcome=Outcome.FAILED), at(20)).aggregate.flags == after.flags


def test_a_report_after_a_doubt_counts() -> None:
    """Limits whose sending was in doubt were told once a report says that they arrived."""
    thread = sent(held(), "!limits", Outcome.UNKNOWN)
    step = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.DELIVERED), at(20))
    assert step.aggregate.flags.limits == NOW + 20


def test_the_last_words_of_an_edit_decide_what_was_told() -> None:
    """Limits that were edited into something else were not told, nor in own words; those that came by an edit were."""
    thread = then(held(), said("!limits")).aggregate
    for body, is_told in (
        ("how are you?", False),
        ("!limits: my own words", False),
        ("!clarify", False),
        ("!limits", True),
    ):
        edited = then(thread, replace(said(body), relation=Relation.EDIT, target="$m1", event_id="$e"), at(1)).aggregate
        edited = due(edited, 1 + UNDO).aggregate
        edited = then(edited, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(10)).aggregate
        assert bool(edited.flags.limits) == is_told, body


OWN = [
    ("!say limits: please", "limits", "limits"),
    ("!say tips: delete this", "tips", ""),
    ("!say rights: you need not answer", "rights", "rights"),
    ("!say safe-check: ok?", "safe_check_asked", "safe"),
]


@pytest.mark.practice(26, 27)
@pytest.mark.parametrize(("command", "flag", "what"), OWN)
def test_own_words_in_place_of_a_text_are_not_that_text(command: str, flag: str, what: str) -> None:
    """They set no flag and stand in no audit, however they came and left; the room says what would note them."""
    step = then(held(), said(command))
    assert (f"!told {what}" in words(step)) == bool(what)
    for thread in (sent(held(), command), edited(command)):
        assert not getattr(thread.flags, flag)
    before = due(step.aggregate, UNDO).aggregate
    acceptance = then(before, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(10))
    assert [audit.kind.value for audit in of(RecordAudit, acceptance)] == ["first_words_out"]


def edited(command: str) -> Thread:
    """Let the assignee edit the agency's words into these, and let them leave."""
    thread = then(held(), said(command.partition(":")[0])).aggregate
    change = replace(said(command), relation=Relation.EDIT, target="$m1", event_id="$e")
    thread = due(then(thread, change, at(1)).aggregate, 1 + UNDO).aggregate
    assert [each.event_id for each in thread.sending.sent] == ["$m1"]
    result: Thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(10)).aggregate
    return result


@pytest.mark.practice(26, 27)
def test_a_stray_word_does_not_silence_the_cue_at_a_disclosure() -> None:
    """After `!limits please` and after own limits a disclosure is still one before the limits; after `!told limits` not."""
    disclosure = arrived("my husband hits our son", id="d", seconds=90)
    for command in ("!limits please", "!say limits: please"):
        thread = sent(held(), command)
        assert "limits: NOT GIVEN YET" in card(PACK, thread)
        assert "before they knew the limits" in words(then(thread, disclosure, at(90)))
        thread = then(thread, said("!told limits", event_id="$t"), at(20)).aggregate
        assert "limits: given" in card(PACK, thread)
        assert "before they knew the limits" not in words(then(thread, disclosure, at(90)))


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


@pytest.mark.parametrize("rest", ["", "tips", "them", "unlimits", "the limits"])
def test_told_knows_three_things(rest: str) -> None:
    """Anything else notes nothing, and the answer names the three."""
    step = then(held(), said(f"!told {rest}"))
    assert step.aggregate == held()
    assert of(RecordAudit, step) == []
    assert "!told limits, !told rights, or !told safe" in words(step)


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


@pytest.mark.practice(26)
def test_the_order_in_the_audit_knows_own_words_from_the_limits() -> None:
    """Own limits first, then other words, then `!told`: the audit has what the advocate says where they said it."""
    thread = held()
    noted: list[str] = []
    for n, body in enumerate(("!say limits: we talk, that is all", "hello", "!told limits", "!limits")):
        step = then(thread, said(body, event_id=f"$m{n}"), at(n * 20))
        noted += [audit.kind.value for audit in of(RecordAudit, step)]
        thread = due(step.aggregate, n * 20 + UNDO).aggregate
        step = then(thread, TextOutcome(ref=f"say:$m{n}", outcome=Outcome.ACCEPTED), at(n * 20 + 10))
        thread, noted = step.aggregate, noted + [audit.kind.value for audit in of(RecordAudit, step)]
    assert noted == ["first_words_out", "told_limits", "limits"]


@pytest.mark.practice(26)
@pytest.mark.parametrize("first", [Outcome.ACCEPTED, Outcome.DELIVERED])
def test_an_answer_of_which_nobody_knew_is_noted_when_it_is_known(first: Outcome) -> None:
    """A greeting whose request ended in doubt is noted once, with the first report that it went out after all."""
    noted: list[str] = []
    thread = waiting()
    for outcome in (Outcome.UNKNOWN, first, Outcome.DELIVERED):
        step = then(thread, TextOutcome(ref="greeting:first", outcome=outcome))
        thread, noted = step.aggregate, noted + [audit.kind.value for audit in of(RecordAudit, step)]
    assert noted == ["greeting"]


def test_what_was_not_said_is_not_in_the_audit() -> None:
    """Confirming a STOP is no second greeting, and an agency's own text called like a deed is not that deed."""
    stopped = then(waiting(), arrived("STOP", id="s")).aggregate
    for ref in ("stop:s", "answer:a"):
        assert of(RecordAudit, then(stopped, TextOutcome(ref=ref, outcome=Outcome.ACCEPTED))) == []
    text = PACK.texts[TextName.LATER]
    pack = replace(PACK, canned={"hold": replace(text, name="hold")})
    thread = decide(pack, at(0), replace(held(), silence=Silence(spoke_at=NOW)), said("!say hold")).aggregate
    thread = due(thread, UNDO).aggregate
    assert thread.sending.sent[-1].name == "hold"
    assert of(RecordAudit, then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED))) == []


@pytest.mark.practice(11)
def test_safe_to_text_says_when_it_was_asked() -> None:
    """The card says when the question was last put, by the line's clock, and stops asking for it (practice 11)."""
    thread = replace(held(), silence=replace(held().silence, recheck_safety=True))
    assert "ask again (!safecheck)" in card(PACK, thread)
    thread = sent(thread, "!safecheck")
    when = datetime.fromtimestamp(NOW + 10, ZoneInfo(PACK.hours.timezone))
    assert f"safe to text: asked {when:%Y-%m-%d %H:%M}" in card(PACK, thread)
    assert "ask again" not in card(PACK, thread)


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


@pytest.mark.practice(14)
@every_row(
    "rest",
    [
        *(
            "",
            "times",
            "times tonight",
            "times 9-9",
            "times 25-26",
            "times 9",
            "times " + "1-2 " * 6,
            "first maybe",
            "first",
        ),
        *("channel 555-0134-222", "channel", "unsafe", "unsafe nothing here", "unsafe stop", "nonsense yes"),
    ],
)
def test_what_cannot_be_read_is_not_noted(rest: str) -> None:
    """Anything else changes nothing and says what can be noted; no free words and no number are ever kept (practice 14)."""
    step = then(held(), said(f"!agreed {rest}"))
    assert step.aggregate == held()
    assert "!agreed times" in words(step)


def test_another_way_in_words_stays_in_the_room() -> None:
    """Free words about another way are a note in the room: the card says that there is one, and no word is kept or sent."""
    step = then(held(), said("!agreed channel call her sister"))
    assert "sister" not in repr(step.aggregate)
    assert "stay in this room as a note" in words(step)
    assert not of(SendSms, step)
    assert [mark.receipt for mark in of(ShowReceipt, step)] == [DeliveryReceipt.NOTE]
    assert step.aggregate.sending == held().sending


def test_agreements_can_be_taken_back() -> None:
    """`any`, `none` and `nothing` take back what was noted."""
    thread = held()
    for rest in ("times 9-15", "channel call", "unsafe later", "times any", "channel none", "unsafe nothing"):
        thread = then(thread, said(f"!agreed {rest}")).aggregate
    assert thread.flags == ConsentFlags()


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


@pytest.mark.practice(26)
def test_a_new_thread_has_nothing_agreed() -> None:
    """The card of a new thread says what was not given and not asked yet, and nags about the limits (practice 26)."""
    shown = card(PACK, waiting())
    for line in ("limits: NOT GIVEN YET. !limits sends: “", "safe to text: not asked yet", "may we text first: not asked"):
        assert line in shown


def test_the_cards_last_line_is_the_tables() -> None:
    """Every card ends with the eight commands of design.md, "Commands", each good in its room."""
    last = card(PACK, waiting()).splitlines()[-1]
    assert last.split(" · ") == [*(f"!{name}" for name in CARD), "!more"]
    eight = ("claim", "limits", "options", "unsafe", "escalate", "transfer", "close", "off")
    assert set(CARD) == set(eight)
    assert all(THREAD in COMMANDS_BY_NAME[name].places for name in CARD)


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


def test_the_pinned_card_says_when_things_go() -> None:
    """The card in the room says for how long words stand, above the commands, wherever it is shown."""
    new = then(waiting(), Assigned(assignee=ANA))
    shown = next(post.body for post in of(SendMessage, new) if post.ref == "card")
    assert shown.splitlines()[-2] == "erases: what is said here, 24 h after it was seen; all of it after !close"
    edited = then(new.aggregate, said("!lang es", sender=ANA))
    assert [edit.body.splitlines()[-2:] for edit in of(EditMessage, edited)] == [shown.splitlines()[-2:]]


@pytest.mark.parametrize("sender", [BEN, SUE])
def test_only_the_assignee_notes_what_was_agreed(sender: str) -> None:
    """Nobody else notes agreements: who asked is who is heard."""
    step = then(held(), said("!agreed first yes", sender=sender, place=THREAD))
    assert step.aggregate.flags.text_first is None


@pytest.mark.practice(26)
def test_what_they_answered_is_not_noted_as_asked() -> None:
    """`!told safe no` says two things, of which the card would show one: it is answered, and names what stops the phone."""
    for command, noted in (
        ("!told safe", True),
        ("!told seguro", True),
        ("!told safe no", False),
        ("!told safe, not", False),
    ):
        step = then(held(), said(command))
        assert bool(step.aggregate.flags.safe_check_asked) is noted
        assert ("!unsafe" in words(step)) is not noted
    assert then(held(), said("!told límites")).aggregate.flags.limits


@pytest.mark.parametrize("name", ["es", "ES.", "spanish", "Español", "castellano"])
def test_a_language_may_be_named(name: str) -> None:
    """Where a command takes a language's code it takes its name, in both languages of staff."""
    assert then(held(), said(f"!lang {name}")).aggregate.consent.language == "es"
    assert "hablo en español" in words(then(held(), said(f"!lang me {name}")))
