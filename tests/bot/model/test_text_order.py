"""Texts that reach us out of their order: what was said last is what counts, whatever came last."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.decide import decide
from bot.model.desk import Thread
from bot.model.events import TextArrived
from bot.model.text_order import CLOCK_TOLERANCE, TextOrder, compare, moment, newest
from bot.model.thread import Moment
from bot.model.transactional_actions import Suppress, SuppressionReason
from policies.pack import Pack, ResumeMode
from tests.bot.examples import FACTS, alarms, arrived, at, held, of, said, then, words
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import NOW, with_settings

MODES = {mode: with_settings(stop_resumes=mode) for mode in ResumeMode}
WORDS = ("STOP", "START", "please help me")
moments = st.builds(
    Moment,
    at=st.floats(0, 1000) | st.sampled_from((0.0, CLOCK_TOLERANCE, 2 * CLOCK_TOLERANCE)),
    from_carrier=st.booleans(),
    unordered_within=st.sampled_from((0.0, 45.0)),
)


def late(body: str, texted: float, *, came: float, id: str = "l") -> TextArrived:  # noqa: A002 - as the event calls it
    """Return a text with the carrier's own time of it."""
    return arrived(body, seconds=min(texted, came), sent_at=NOW + texted, id=id)


def plays(pack: Pack, texts: list[tuple[str, float, bool]], came: list[float]) -> tuple[Thread, bool]:
    """Let texts come, each told its time or not; return the thread, and whether its STOP is remembered beyond it."""
    thread, remembered = Thread(id="t1", designation="amber heron"), False
    for n, ((body, texted, has_time), now) in enumerate(zip(texts, came, strict=True)):
        event = TextArrived(
            id=f"m{n}",
            body=body,
            at=NOW + (min(texted, now) if has_time else now),
            sent_at=NOW + texted if has_time else None,
        )
        step = decide(pack, replace(FACTS, now=NOW + now), thread, event)
        thread = step.aggregate
        for act in of(Suppress, step):
            assert act.reason is SuppressionReason.STOP
            remembered = act.until > 0
    return thread, remembered


@USUAL
@given(
    texted=st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 12)), max_size=7),
    skew=st.sampled_from((0.0, -7200.0, CLOCK_TOLERANCE - 1)),
    mode=st.sampled_from(ResumeMode),
    data=st.data(),
)
def test_the_last_word_counts_in_every_order(
    texted: list[tuple[str, int]], skew: float, mode: ResumeMode, data: st.DataObject
) -> None:
    """Where times are told, consent is in the end what it would be had the texts come in the order of those times.

    Whatever the carrier's clock says beside ours; of two in the same second the STOP counts. What is remembered beyond the
    thread is the same.
    """
    shuffled = data.draw(st.permutations(texted))
    came = [100.0 * n + 20 for n in range(len(shuffled))]
    thread, remembered = plays(MODES[mode], [(body, at_ + skew, True) for body, at_ in shuffled], came)
    stops = [at_ for body, at_ in texted if body == "STOP"]
    starts = [at_ for body, at_ in texted if body == "START"]
    last_stop, last_start = max(stops, default=-1), max(starts, default=-1)
    stopped = bool(stops) and (mode is ResumeMode.ASK or last_stop >= last_start)
    assert (thread.consent.stopped, remembered) == (stopped, stopped)
    assert thread.consent.may_resume == (stopped and last_start >= last_stop)


@USUAL
@given(data=st.data(), mode=st.sampled_from(ResumeMode))
def test_in_doubt_nothing_leaves(data: st.DataObject, mode: ResumeMode) -> None:
    """With and without told times side by side, no START ends a STOP that was texted after it.

    As webhooks without times come: in their order and within the time that two clocks may differ; what is told comes
    whenever it comes.
    """
    gaps = data.draw(st.lists(st.floats(0.5, 200), min_size=1, max_size=6))
    times = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    each, arrivals = [], []
    last = 0.0
    for texted in times:
        has_time = data.draw(st.booleans())
        if has_time:
            arrivals.append(texted + data.draw(st.floats(0, 5000)))
        else:
            last = max(last, texted) + data.draw(st.floats(0, CLOCK_TOLERANCE / len(times) - 1))
            last = min(last, texted + CLOCK_TOLERANCE)
            arrivals.append(last)
        each.append((data.draw(st.sampled_from(WORDS[:2])), texted, has_time))
    turns = sorted(range(len(each)), key=lambda n: arrivals[n])
    thread, remembered = plays(MODES[mode], [each[n] for n in turns], [arrivals[n] for n in turns])
    if each[-1][0] == "STOP":
        assert (thread.consent.stopped, remembered) == (True, True)
    if all(body == "START" for body, _, _ in each):
        assert not thread.consent.stopped


def test_a_resume_that_crosses_another_stop_lifts_nothing() -> None:
    """Where the order of START and STOP is unsure a person decides, who has seen both of them."""
    thread = held()
    for body, seconds in (("STOP", 0), ("START", 5), ("STOP", 20)):
        text = arrived(body, id=f"k{seconds}", seconds=seconds, unordered_within=45.0)
        thread = then(thread, text, at(seconds)).aggregate
    assert thread.consent.may_resume
    for seconds, known in ((15, at(21)), (21, at(21, texts_after=1))):
        step = then(thread, said("!resume", event_id="$m3", at=NOW + seconds), known)
        assert step.aggregate.consent == thread.consent
        assert of(Suppress, step) == []
        assert "a text came while you said it" in words(step)
    assert not then(thread, said("!resume", event_id="$m3", at=NOW + 21), at(21)).aggregate.consent.stopped


@USUAL
@given(new=moments, old=moments)
def test_an_order_is_sure_or_called_unsure(new: Moment, old: Moment) -> None:
    """Told times are compared exactly, others by when they came, as far as retries keep the order.

    Between the two, what two clocks may differ is unsure.
    """
    stands = compare(new, old)
    if new.from_carrier and old.from_carrier:
        assert stands is (TextOrder.AFTER if new.at > old.at else TextOrder.BEFORE if new.at < old.at else TextOrder.UNSURE)
    elif new.from_carrier is not old.from_carrier:
        assert (stands is TextOrder.UNSURE) == (abs(new.at - old.at) <= CLOCK_TOLERANCE)
    else:
        assert stands is (TextOrder.UNSURE if abs(new.at - old.at) < new.unordered_within else TextOrder.AFTER)
    assert compare(new, None) is TextOrder.AFTER
    assert newest(new, old) in (new, old)
    assert moment(TextArrived(id="a", body="", at=5.0)) == Moment(at=5.0)


def test_a_persons_word_stands_for_all_that_was_texted_before_it() -> None:
    """After `!stopped` an older START changes nothing and a newer one resumes; `!resume` takes back no STOP of theirs.

    Whenever that was texted and whenever it comes; but a STOP from before a START that `!resume` let count is too old.
    """
    thread = then(held(), late("please no more", 0, came=0, id="w"), at(0)).aggregate
    thread = then(thread, said("!stopped", event_id="$m3"), at(5)).aggregate
    assert then(thread, late("START", -60, came=30), at(30)).aggregate.consent.stopped
    assert not then(thread, late("START", 20, came=30), at(30)).aggregate.consent.stopped
    resumed = then(thread, said("!resume", event_id="$m4"), at(10)).aggregate
    for texted in (-60, 20):
        assert then(resumed, late("STOP", texted, came=30), at(30)).aggregate.consent.stopped
    step = then(thread, late("STOP", -60, came=30), at(30))
    assert alarms(step) == ["came_late"]
    assert not step.aggregate.consent.may_resume
    ask, thread = MODES[ResumeMode.ASK], then(held(), late("STOP", 0, came=0, id="s"), at(0)).aggregate
    resume = said("!resume", event_id="$m5", at=NOW + 30)
    for event in (late("START", 10, came=10, id="t"), resume, late("STOP", -60, came=30)):
        thread = decide(ask, at(30), thread, event).aggregate
    assert not thread.consent.stopped


def test_an_older_silent_word_closes_nothing() -> None:
    """Whoever texted after a silent word stays: when the word comes late, the conversation is not closed."""
    thread = then(held(), late("hello", -20, came=-20, id="h"), at(-20)).aggregate
    leaves, stays = (then(thread, late("BYE", texted, came=30), at(30)).aggregate.lifecycle for texted in (-10, -600))
    assert leaves.closes_at or leaves.close_when_seen
    assert (stays.closes_at, stays.close_when_seen) == (0.0, False)
