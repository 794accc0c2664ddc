"""Two worlds that differ in one thing: where the one gets the agreed word, the other gets the duress word.

The rule (ARCHITECTURE.md, "Invariants", 6): on the phone they are the same bytes at the same moments, and so is what
follows. What differs is what a person wrote in their own words, which under duress does not leave at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import given
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot import guard
from bot.decide import decide
from bot.language.codeword_forms import MASK
from bot.model.actions import THREAD, Action, Origin, SendSms
from bot.model.codeword_state import CodewordMatch, SendLock
from bot.model.desk import DeskMember, Facts, Thread
from bot.model.events import (
    Event,
    MemberLeft,
    MessageRead,
    MessageRedacted,
    MessageSent,
    Outcome,
    TextArrived,
    TextOutcome,
    TimerDue,
)
from bot.model.thread_desk_events import Assigned, EnrolmentFinished
from bot.model.transactional_actions import CancelTimer, ParkThread, SendEvent, SetTimer
from policies.pack import COVER_LINES
from tests.bot.codeword_example import COVERS
from tests.bot.hypothesis_settings import USUAL, WALK
from tests.bot.strategies import (
    ANA,
    BEN,
    DIGESTS,
    MEMBERS,
    NAMED,
    NOW,
    PACK,
    STARTS,
    STEPS_BACK,
    STOPS,
    SUE,
    TEXTER_WORDS,
    any_event,
    facts,
    threads,
)
from tests.every_row import every_row

FREE: Final = ("I am here", "take your time", "!say handover", "!say handover: my own words")
"""What an advocate writes, or lets the agency say, in this conversation: it leaves after success and not under duress."""
WRITTEN: Final = (*FREE[:2], "my own words", "My shift is ending", "Termina mi turno")
FREE_BODIES: Final = (*WRITTEN, *STEPS_BACK)
ORDERS: Final = (
    "!verify",
    "!verify",
    "!cover 1",
    "!cover 2",
    "!cover 3",
    "!cover",
    "!forget-word",
    "!codeword",
    "!release",
    "!close",
    "!reopen",
    "!unsafe",
    "!safe",
    "!again",
)
SILENT: Final = ("BYE", "later", "CALL", "HELP")
BREAKS_OFF: Final = ("stop texting me", "he's here")
OTHER_TEXTS: Final = (*TEXTER_WORDS, *STOPS[:2], *STARTS, *SILENT, *BREAKS_OFF, "no", "who is this?")
HOLDS: Final = (
    *(MASK, f"ok {MASK}!", f"{MASK}\n{MASK}", f"{'so ' * 12}{MASK}"),
    *(f"stop texting me {MASK}", f"Liked “{MASK}”"),
)
speakers = st.sampled_from((ANA, ANA, SUE, BEN))
lags = st.sampled_from((0.0, 0.0, 0.0, 2.0, 40.0, 400.0))


class Side:
    """One of the two worlds: a thread, its timers, and the phone. `word`: what comes here when a word comes."""

    def __init__(self, word: CodewordMatch) -> None:
        self.word, self.now, self.count = word, NOW, 0
        self.thread = Thread(id="t1", designation=NAMED[0])
        self.timers: dict[str, float] = {}
        self.lane: deque[SendSms] = deque()
        self.phone: list[tuple[float, str]] = []
        self.locked_at: int | None = None
        self.from_before = set[str]()
        """The refs of what waited when a lock came, and that nobody has said again since."""
        self.roster: tuple[DeskMember, ...] = MEMBERS
        self.outage = False
        self.broke_off_at = 0.0

    def new_id(self) -> str:
        self.count += 1
        return f"${self.count}"

    def tell(self, event: Event, *, has_word: bool = False) -> None:
        """Decide one event as the engine does: words that this phone has are found, of any other text nothing is."""
        known = has_word and self.thread.codeword.digests is not None
        word = self.word if known else CodewordMatch.NONE
        world = Facts(
            now=self.now, roster=self.roster, outage=self.outage, codeword_match=word, new_designation="still brook"
        )
        step = decide(PACK, world, self.thread, event)
        self.thread = step.aggregate
        if any(isinstance(action, ParkThread) for action in step.actions):
            # With a conversation goes what waited for it (`bridge.engine.transactional_actions`).
            self.timers.clear()
            self.lane.clear()
        for action in step.actions:
            self.perform(action)
        if self.thread.codeword.lock is SendLock.NONE:
            self.locked_at = None
        elif self.locked_at is None:
            self.locked_at = len(self.phone)
            sending = self.thread.sending
            self.from_before |= {f"say:{words.event_id}" for words in sending.pending}
            self.from_before |= {f"say:{words.event_id}" for words in sending.sent}

    def perform(self, action: Action) -> None:
        match action:
            case SendSms():
                self.lane.append(action)
            case SetTimer(key=key, due=due):
                self.timers[key] = due
            case CancelTimer(key=key):
                self.timers.pop(key, None)
            case _:
                pass

    def say(self, sender: str, body: str, lag: float = 0.0) -> None:
        if body == "!again":
            self.from_before.clear()
        self.tell(MessageSent(place=THREAD, sender=sender, event_id=self.new_id(), body=body, at=self.now - lag))

    def read(self) -> None:
        if self.thread.assignment.assignee:
            self.tell(MessageRead(place=THREAD, user=self.thread.assignment.assignee, event_id=self.new_id()))

    def text(self, body: str, lag: float, media: int, *, has_word: bool) -> None:
        if body.startswith(BREAKS_OFF):
            self.broke_off_at = max(self.broke_off_at, self.now - lag)
        self.tell(TextArrived(id=self.new_id(), body=body, at=self.now - lag, media=media), has_word=has_word)

    def pass_time(self, until: float, outcome: Outcome | None) -> None:
        """Let time pass, with the timers and the carrier at their moments. None: the carrier is down."""
        while True:
            moments = [*self.timers.values()]
            if self.lane and outcome is not None:
                moments.append(max(self.now, self.lane[0].not_before))
            if not moments or (at := min(moments)) > until:
                break
            self.now = max(self.now, at)
            for key in [key for key, due in self.timers.items() if due <= self.now]:
                if self.timers.pop(key, None) is not None:  # one of the same moment may have ended the conversation
                    self.tell(TimerDue(key=key))
            if outcome is not None:
                self.carry(outcome)
        self.now = until

    def carry(self, outcome: Outcome) -> None:
        while self.lane:
            text = self.lane[0]
            why = guard.may_send(PACK, self.thread, text, self.now, ())
            if why is None and text.not_before > self.now:
                return
            self.lane.popleft()
            if why is not None:
                self.tell(TextOutcome(ref=text.ref, outcome=Outcome.LATE if why is guard.LATE else Outcome.REFUSED))
                continue
            if outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
                self.phone.append((self.now, text.body))
                is_answer = text.origin is Origin.AUTO_REPLY
                early = is_answer and text.since <= self.broke_off_at
                assert not early, "an answer leaves to a text from before they broke off"
                before = text.ref in self.from_before and text.body.startswith(WRITTEN)
                assert not before, "words from before a lock left when it was lifted"
            self.tell(TextOutcome(ref=text.ref, outcome=outcome))

    def shown(self) -> list[tuple[float, str]]:
        """Return what the phone shows and no person wrote for this conversation, with its moments."""
        return [(at, body) for at, body in self.phone if not body.startswith(FREE_BODIES)]


class Twins(RuleBasedStateMachine):
    """Whatever happens, happens in both worlds; only the word differs."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = (Side(CodewordMatch.SAFE), Side(CodewordMatch.DURESS))

    @initialize(at_once=st.booleans(), after=st.sampled_from(("", "", *BREAKS_OFF)))
    def a_word_is_agreed(self, at_once: bool, after: str = "") -> None:
        for side in self.sides:
            side.text("hello", 0.0, 0, has_word=False)
            side.tell(Assigned(assignee=ANA))
            side.tell(EnrolmentFinished(user=ANA, digests=DIGESTS))
            side.text("hello again", 0.0, 0, has_word=False)
            side.pass_time(side.now + 1.0, Outcome.ACCEPTED)
        if at_once:
            self.the_challenge(20.0, Outcome.ACCEPTED, "word", 0.0, after)

    @rule(body=st.sampled_from(HOLDS), lag=lags, media=st.sampled_from((0, 0, 1)))
    def the_word(self, body: str, lag: float, media: int) -> None:
        for side in self.sides:
            side.text(body, lag, media, has_word=True)

    @rule(body=st.sampled_from(OTHER_TEXTS), lag=lags)
    def another_text(self, body: str, lag: float) -> None:
        for side in self.sides:
            side.text(body, lag, 0 if body else 1, has_word=False)

    @rule(sender=speakers, body=st.sampled_from((*FREE, *ORDERS, *ORDERS)))
    def words_of_staff(self, sender: str, body: str) -> None:
        for side in self.sides:
            side.say(sender, body)

    @rule(
        wait=st.sampled_from((1.0, 9.0, 20.0, 310.0)),
        outcome=st.sampled_from((Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REJECTED, None)),
        answer=st.sampled_from(("word", "word", "no", "picture", "")),
        lag=lags,
        after=st.sampled_from(("", "", *BREAKS_OFF)),
    )
    def the_challenge(self, wait: float, outcome: Outcome | None, answer: str, lag: float, after: str = "") -> None:
        """Ask, and be answered, too late perhaps; they may break off then: what walks would seldom do by themselves."""
        for side in self.sides:
            side.text("hi", 0.0, 0, has_word=False)
            side.say(ANA, "!verify")
            side.pass_time(side.now + wait, outcome)
            if answer:
                body = {"word": HOLDS[1], "no": "who is this?", "picture": ""}[answer]
                side.text(body, lag, int(answer == "picture"), has_word=answer == "word")
            if after:
                side.pass_time(side.now + 1.0, Outcome.ACCEPTED)
                side.text(after, 0.0, 0, has_word=False)
            side.pass_time(side.now + 4.0, Outcome.ACCEPTED)

    @rule()
    def the_room_is_read(self) -> None:
        for side in self.sides:
            side.read()

    @rule(on=st.sampled_from(("all", "all", "nobody", "outage")))
    def who_is_there(self, on: str) -> None:
        """Change what a first text is promised."""
        for side in self.sides:
            side.roster = tuple(replace(seat, on_duty=on != "nobody") for seat in MEMBERS)
            side.outage = on == "outage"

    @rule(undone=st.sampled_from((False, False, True)), hours=st.sampled_from((0, 0, 13)))
    def somebody_else_has_the_phone(self, undone: bool, hours: int) -> None:
        """Step back, perhaps by mistake; the carrier is there, for while it is not nobody can tell what has left."""
        for side in self.sides:
            side.pass_time(side.now + hours * 3600.0, Outcome.ACCEPTED)
            side.text("who is this", 0.0, 0, has_word=False)
            if side.thread.assignment.assignee is None:
                side.tell(Assigned(assignee=ANA))
            assignee = side.thread.assignment.assignee or ANA
            side.say(assignee, "!different")
            if undone:
                side.tell(MessageRedacted(place=THREAD, sender=assignee, target=f"${side.count}"))
            side.pass_time(side.now + 30.0, Outcome.ACCEPTED)

    @rule(hours=st.sampled_from((1, 13)), spoken=st.booleans())
    def a_night(self, hours: int, spoken: bool) -> None:
        """Say something or nothing, and nothing happens for long; then a text."""
        for side in self.sides:
            if spoken:
                side.say(side.thread.assignment.assignee or ANA, FREE[0])
            side.pass_time(side.now + hours * 3600.0, Outcome.ACCEPTED)
            side.text("hello?", 0.0, 0, has_word=False)

    @rule(renews=st.booleans())
    def a_call(self, renews: bool) -> None:
        """Let a supervisor, who has heard her by phone call, unlock, and perhaps a new word be agreed on."""
        for side in self.sides:
            side.say(SUE, "!unlock")
            if renews:
                side.tell(EnrolmentFinished(user=SUE, digests=DIGESTS))

    @rule(
        body=st.sampled_from((*FREE, "!cover 1")),
        wait=st.sampled_from((1.0, 9.0)),
        outcome=st.sampled_from((Outcome.ACCEPTED, None)),
        lag=st.sampled_from((0.0, 0.5)),
    )
    def a_call_at_once(self, body: str, wait: float, outcome: Outcome | None, lag: float = 0.0) -> None:
        """Let the word come just after words of the assignee, and a supervisor unlock a moment later, or just before it."""
        for side in self.sides:
            side.say(side.thread.assignment.assignee or ANA, body)
            side.pass_time(side.now + wait, outcome)
            side.text(HOLDS[0], 0.0, 0, has_word=True)
            side.say(SUE, "!unlock", lag)
            crossed = lag > 0 and side.thread.codeword.duress_at == side.now
            assert not crossed or side.thread.codeword.lock is SendLock.DURESS, "an unlocking of before the word"
            side.pass_time(side.now + 30.0, Outcome.ACCEPTED)

    @rule(assignee=st.sampled_from((ANA, BEN)), leaves=st.booleans())
    def a_change_of_assignee(self, assignee: str, leaves: bool) -> None:
        for side in self.sides:
            if leaves:
                side.tell(MemberLeft(place=THREAD, user=side.thread.assignment.assignee or assignee))
            elif side.thread.assignment.assignee is None:
                side.tell(Assigned(assignee=assignee))

    @rule(
        seconds=st.sampled_from((0.5, 1.0, 3.0, 8.0, 60.0, 301.0, 13 * 3600.0)),
        outcome=st.sampled_from((Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.REJECTED, None)),
    )
    def time(self, seconds: float, outcome: Outcome | None) -> None:
        for side in self.sides:
            side.pass_time(side.now + seconds, outcome)

    @invariant()
    def the_phone_cannot_tell(self) -> None:
        """Show the same bytes at the same moments, and nothing that a person wrote while it was locked."""
        success, duress = self.sides
        assert success.shown() == duress.shown()
        for side in self.sides:
            if side.locked_at is not None:
                since = [body for _, body in side.phone[side.locked_at :]]
                assert not [body for body in since if body.startswith(FREE_BODIES)], "free words for a locked phone"

    def teardown(self) -> None:
        """To the end: what still waits leaves in both worlds alike."""
        for side in self.sides:
            side.pass_time(side.now + 700.0, Outcome.ACCEPTED)
        self.the_phone_cannot_tell()


FOUND: Final[dict[str, list[Callable[[Twins], Any]]]] = {
    "idle": [
        lambda t: t.the_word(HOLDS[0], 0.0, 0),
        lambda t: t.words_of_staff(ANA, FREE[0]),
        lambda t: t.time(60.0, Outcome.ACCEPTED),
        lambda t: t.a_night(13, spoken=False),
    ],
    "idle, where the carrier refuses": [
        lambda t: t.the_word(HOLDS[0], 0.0, 0),
        lambda t: t.words_of_staff(ANA, FREE[0]),
        lambda t: t.time(60.0, Outcome.REJECTED),
        lambda t: t.a_night(13, spoken=False),
    ],
    "idle, and the word forgotten": [
        lambda t: t.the_word(HOLDS[0], 0.0, 0),
        lambda t: t.words_of_staff(ANA, "!forget-word"),
        lambda t: t.words_of_staff(ANA, FREE[0]),
        lambda t: t.time(60.0, Outcome.REJECTED),
        lambda t: t.a_night(13, spoken=False),
    ],
    "steps back": [
        lambda t: t.the_word(HOLDS[0], 0.0, 0),
        lambda t: t.somebody_else_has_the_phone(undone=False, hours=13),
        lambda t: t.another_text("hi", 0.0),
    ],
    "steps back by mistake": [
        lambda t: t.the_word(HOLDS[0], 0.0, 0),
        lambda t: t.somebody_else_has_the_phone(undone=True, hours=13),
        lambda t: t.another_text("hi", 0.0),
    ],
    "a text while stepping back": [
        lambda t: t.the_word(HOLDS[0], 0.0, 0),
        lambda t: t.words_of_staff(ANA, "!different"),
        lambda t: t.time(1.0, Outcome.ACCEPTED),
        lambda t: t.another_text("hi", 0.0),
        lambda t: t.time(60.0, Outcome.ACCEPTED),
        lambda t: t.the_room_is_read(),
        lambda t: t.a_night(13, spoken=False),
    ],
    "the word while stepping back": [
        lambda t: t.words_of_staff(ANA, "!different"),
        lambda t: t.time(1.0, Outcome.ACCEPTED),
        lambda t: t.the_word(HOLDS[0], 0.0, 0),
        lambda t: t.time(13 * 3600.0, Outcome.ACCEPTED),
        lambda t: t.another_text("hi", 0.0),
    ],
}
"""What a walk once came upon by luck, or an auditor by thought."""


@pytest.mark.practice(10)
@every_row("name", FOUND)
def test_what_follows_is_the_same_when_a_person_wrote_something(name: str) -> None:
    """Whether words of a person left shows in nothing that the line does by itself afterwards.

    Rule: ARCHITECTURE.md, "Invariants", 6.
    """
    twins = Twins()
    twins.a_word_is_agreed(at_once=False)
    for step in FOUND[name]:
        step(twins)
        twins.the_phone_cannot_tell()
    success, duress = twins.sides
    assert (success.thread.codeword.lock, duress.thread.codeword.lock) == (SendLock.NONE, SendLock.DURESS)
    assert success.thread.lifecycle.state is duress.thread.lifecycle.state
    twins.teardown()


@pytest.mark.practice(10)
@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, None])
def test_what_waited_when_a_lock_came_does_not_leave_when_it_is_lifted(outcome: Outcome | None) -> None:
    """A supervisor unlocks a moment after the duress word: neither the undo window nor a busy carrier lets words leave."""
    twins = Twins()
    twins.a_word_is_agreed(at_once=False)
    twins.a_call_at_once(FREE[0], 1.0 if outcome else 9.0, outcome)
    twins.teardown()
    assert twins.sides[1].from_before


TestTwins = Twins.TestCase
TestTwins.settings = WALK
# Two decisions at each step, and a walk that fails is made shorter for up to five minutes before it is shown.
TestTwins.pytestmark = pytest.mark.timeout(400)  # type: ignore[attr-defined] # pytest reads it, unittest does not know it
TestTwins.__doc__ = "On the phone, duress and success are the same bytes after the same delay, and so is what follows."


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_no_free_words_leave_for_a_locked_phone(thread: Thread, event: Event, known: Facts) -> None:
    """From any state by any event: a text of a person for a phone that is locked afterwards is a cover line."""
    step = decide(PACK, known, thread, event)
    if step.aggregate.codeword.lock is not SendLock.NONE:
        covers = {PACK.say(name, language) for name in COVER_LINES for language in PACK.languages}
        assert set(COVERS) <= covers
        assert {a.body for a in step.actions if isinstance(a, SendSms) and a.origin is Origin.ADVOCATE} <= covers


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_only_a_supervisor_opens_a_lock(thread: Thread, event: Event, known: Facts) -> None:
    """No event but a supervisor's `!unlock` takes a lock away, and nothing makes duress less."""
    after = decide(PACK, known, thread, event).aggregate.codeword.lock
    if after is not thread.codeword.lock and thread.codeword.lock is not SendLock.NONE and after is not SendLock.DURESS:
        assert isinstance(event, MessageSent)
        assert event.body.split()[:1] == ["!unlock"]
        assert event.at >= thread.codeword.duress_at
        assert known.role(event.sender) is not None
        assert known.role(event.sender).value == "supervisor"  # type: ignore[union-attr]


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_digests_stay_in_their_thread(thread: Thread, event: Event, known: Facts) -> None:
    """No action of a thread holds a digest, and no printed form of anything does."""
    step: Any = decide(PACK, known, thread, event)
    assert DIGESTS.safe + DIGESTS.duress not in "".join(repr(action) for action in step.actions)
    assert "Digests" not in repr(step.aggregate.codeword)
    for action in step.actions:
        assert not isinstance(getattr(action, "event", None), EnrolmentFinished) or not isinstance(action, SendEvent)
