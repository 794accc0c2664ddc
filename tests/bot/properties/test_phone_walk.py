"""Whatever happens in whatever order, a phone that said STOP or is blocked gets nothing but what is promised.

Nor does what was said before a person or the texter stopped it leave afterwards, also when the stop is over.

Rule of this module: what may reach the phone is worked out here from what was said and heard, never read from the code.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot import guard
from bot.decide import decide
from bot.model.actions import THREAD, Action, Origin, SendSms
from bot.model.desk import Facts, Thread
from bot.model.events import Event, MemberJoined, MessageRedacted, MessageSent, Outcome, TextArrived, TextOutcome, TimerDue
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import Assigned
from bot.model.transactional_actions import CancelTimer, SetTimer, Suppress, SuppressionReason
from policies.pack import TextName
from tests.bot.hypothesis_settings import WALK
from tests.bot.strategies import ANA, BEN, MEMBERS, NOW, PACK, STAFF, STARTS, STOPS, SUE

BREAKS_OFF = ("BYE", "don't text me", "he's here")
TEXTS = ("hi", "please", "HELP", "ES", *BREAKS_OFF, *STOPS[:2], *STARTS[:1])
COMMANDS = (
    *("!stopped", "!resume", "!reply we are here", "!block 1 h", "!block off", "!tally other", "are you safe?"),
    *("!unsafe", "!safe", "!stop"),
)
STRONG = ("!reply we are here", "!reply we are here", "!block 1 h", "!block off", "!stopped", "!resume")
CONFIRMATIONS = {PACK.say(TextName.STOP, language) for language in PACK.languages}


class Phone(RuleBasedStateMachine):
    """One thread, its phone, an assignee and a supervisor."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.count = NOW, 0
        self.thread = Thread(id="t1", designation="amber heron")
        self.timers: dict[str, float] = {}
        self.lane: list[SendSms] = []
        # The account: what was said, and what that allows. `replies`: how many a supervisor may still send.
        self.stopped = self.theirs = False
        self.blocked_until = 0.0
        self.confirmations = self.replies = 0
        self.remembered: dict[SuppressionReason, float] = {}
        self.unsafe = False
        self.said: set[str] = set()
        self.taken_back: set[str] = set()
        self.hear(Assigned(assignee=ANA))
        self.hear(MemberJoined(place=THREAD, user=ANA))

    def hear(self, event: Event) -> None:
        facts = Facts(now=self.now, roster=MEMBERS)
        step = decide(PACK, facts, self.thread, event)
        self.thread = step.aggregate
        for action in step.actions:
            self.perform(action)

    def perform(self, action: Action) -> None:
        match action:
            case SendSms():
                self.lane.append(action)
            case SetTimer():
                self.timers[action.key] = action.due
            case CancelTimer():
                self.timers.pop(action.key, None)
            case Suppress():
                self.remembered[action.reason] = action.until
            case _:
                pass

    def new_id(self) -> str:
        self.count += 1
        return f"$p{self.count}"

    @initialize(how=st.sampled_from(("", "STOP", "STOP", "!stopped")))
    def a_beginning(self, how: str) -> None:
        """Begin half of the walks after a STOP that was confirmed: the way there is walked by the others."""
        if how == "STOP":
            self.a_text(how, 0.0)
            self.the_carrier(Outcome.ACCEPTED)
        elif how:
            self.words(how, ANA)

    @rule(body=st.sampled_from(TEXTS), lag=st.sampled_from((0.0, 0.0, 400.0)))
    def a_text(self, body: str, lag: float) -> None:
        blocked = self.now < self.blocked_until
        if body in STOPS:
            # A blocked phone's STOP counts, and nothing confirms it.
            self.confirmations = self.confirmations or int(not self.stopped and not blocked)
            self.stopped, self.theirs, self.replies = True, True, 0
        elif not blocked and body in STARTS and self.stopped:
            self.stopped, self.confirmations, self.replies = False, 0, 0
        elif not blocked and self.stopped:
            self.replies += 1
        if body in STOPS or (not blocked and body in BREAKS_OFF):
            self.taken_back |= self.said
        self.hear(TextArrived(id=self.new_id(), body=body, at=self.now - lag))

    @rule(body=st.sampled_from(COMMANDS), sender=st.sampled_from((ANA, BEN, SUE, SUE)))
    def words(self, body: str, sender: str) -> None:
        if self.thread.lifecycle.state is ThreadState.PARKED:
            return  # there is no room to say it in
        if sender == SUE and body.startswith("!block"):
            self.blocked_until = 0.0 if body.endswith("off") else self.now + 3600
        if sender in (ANA, SUE) and body == "!stopped" and not self.stopped:
            self.stopped, self.theirs, self.confirmations, self.replies = True, False, 0, 0
        if sender in (ANA, SUE) and body == "!resume" and self.stopped and not self.theirs:
            self.stopped = False
        if sender in (ANA, SUE) and body in ("!unsafe", "!safe"):
            self.unsafe = body == "!unsafe"
        stops = {"!stop": STAFF, "!unsafe": STAFF, "!stopped": (ANA, SUE), "!block 1 h": (SUE,)}
        if sender in stops.get(body, ()):
            self.taken_back |= self.said
        event_id = self.new_id()
        self.said.add(f"say:{event_id}")
        self.hear(MessageSent(place=THREAD, sender=sender, event_id=event_id, body=body, at=self.now))

    @rule(body=st.sampled_from(STRONG))
    def a_supervisor(self, body: str) -> None:
        """Say what only supervisors say: most walks need it."""
        self.words(body, SUE)

    @rule()
    def an_answer_on_its_way(self) -> None:
        """Let the assignee speak and the undo window be over."""
        self.words("are you safe?", ANA)
        self.time(8.0)

    @rule(first=st.booleans(), tried=st.booleans())
    def a_reply_on_its_way(self, first: bool, tried: bool) -> None:
        """Let a supervisor reply to what came after a STOP, or try to."""
        if first:
            self.a_text("please", 0.0)
        self.words("!reply we are here", SUE)
        self.time(8.0)
        if tried:
            self.the_carrier(Outcome.ACCEPTED)

    @rule(back=st.integers(min_value=0, max_value=3))
    def a_redaction(self, back: int) -> None:
        self.hear(MessageRedacted(place=THREAD, sender=SUE, target=f"$p{self.count - back}"))

    @rule(seconds=st.sampled_from((1.0, 8.0, 9.0, 400.0, 4000.0)))
    def time(self, seconds: float) -> None:
        self.now += seconds
        for key in sorted(key for key, due in self.timers.items() if due <= self.now):
            del self.timers[key]
            self.hear(TimerDue(key=key))

    @rule(
        outcome=st.sampled_from((Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.OPTED_OUT, Outcome.UNKNOWN))
    )
    def the_carrier(self, outcome: Outcome) -> None:
        """Let the first text be tried, as the outbox does."""
        if not self.lane:
            return
        text = self.lane.pop(0)
        why = guard.may_send(PACK, self.thread, text, self.now, ())
        if why is not None:
            self.hear(TextOutcome(ref=text.ref, outcome=Outcome.LATE if why is guard.LATE else Outcome.REFUSED))
            return
        assert text.ref not in self.taken_back, "words leave that were stopped"
        assert not self.unsafe, "a text leaves for an unsafe phone"
        assert self.now >= self.blocked_until, "a text leaves for a blocked phone"
        assert self.now - text.since <= PACK.settings.late_after_seconds, "a text leaves late"
        if self.stopped and text.origin is Origin.STOP_CONFIRMATION:
            assert text.body in CONFIRMATIONS
            assert self.confirmations == 1, "a STOP is confirmed twice, or one that nobody said"
            self.confirmations = 2
        elif self.stopped:
            assert text.origin is Origin.REPLY_AFTER_STOP, "something leaves for a stopped phone"
            assert text.body == "we are here"
            assert self.replies > 0, "more than one reply to one text after a STOP"
            self.replies -= outcome is not Outcome.REJECTED
        else:
            assert text.origin in (Origin.ADVOCATE, Origin.AUTO_REPLY), "what belongs to a STOP leaves after it"
        self.hear(TextOutcome(ref=text.ref, outcome=outcome))

    @invariant()
    def what_is_remembered_is_so(self) -> None:
        """Check that the bridge is asked to remember what stands in the thread."""
        assert bool(self.remembered.get(SuppressionReason.STOP)) == self.stopped == self.thread.consent.stopped
        if self.now < self.blocked_until:
            assert self.remembered[SuppressionReason.BLOCK] == self.blocked_until == self.thread.consent.blocked_until


TestPhone = Phone.TestCase
TestPhone.settings = WALK
TestPhone.__doc__ = "No order of events lets a text leave for a stopped or blocked phone but those that are promised."
