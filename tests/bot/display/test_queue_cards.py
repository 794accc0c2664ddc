"""Cards at the desk: each message its own name, one tap is enough, and none that matters stays away."""

from __future__ import annotations

from typing import Any

from bot.model.actions import DESK, EditMessage, SendMessage
from bot.model.desk import Desk
from bot.model.events import MessageRedacted, ReactionAdded, Relation, TimerDue
from bot.model.thread_desk_events import Assigned, OtherHandsChanged, ThreadQueued
from tests.bot.examples import at, at_desk, of, staffed_desk, then, told, words
from tests.bot.strategies import ANA, NOW, SUE


def waits(desk: Desk, *, thread: str = "t1", name: str = "amber heron", again: bool = False) -> Any:
    """Let a thread come to wait, half a minute after the one before."""
    since = NOW + 30 * len(desk.threads)
    return then(desk, ThreadQueued(thread=thread, designation=name, since=since, requeued=again))


def tap(target: str, sender: str = ANA) -> ReactionAdded:
    """Return a raised hand of a person with a confirmed device."""
    return ReactionAdded(place=DESK, sender=sender, event_id="$tap", key="✋", target=target, trusted=True)


def cards(step: Any) -> list[SendMessage]:
    """Return the cards among the messages of a step."""
    return [post for post in of(SendMessage, step) if post.ref.startswith("card:")]


def edits(step: Any) -> list[tuple[str, str]]:
    """Return which cards a step edits, and what they say then."""
    return [(edit.ref, edit.body) for edit in of(EditMessage, step) if edit.ref.startswith("card:")]


def test_one_tap_is_enough() -> None:
    """What can be claimed bears the raised hand already: the card, posted again too, the one of an offer, each reminder."""
    desk = waits(staffed_desk()).aggregate
    assert [(card.reactions, card.formatted) for card in cards(waits(staffed_desk()))] == [(("✋",), True)]
    warned = then(desk, OtherHandsChanged(thread="t1", other_hands_at=NOW))
    claimed = then(desk, tap("card:t1"))
    for step, reactions in ((warned, ("✋",)), (claimed, ())):
        (edit,) = (edit for edit in of(EditMessage, step) if edit.ref == "card:t1")
        assert (edit.reactions, edit.formatted) == (reactions, True)
    reminder = then(desk, TimerDue(key="wait:t1:1"), at(300))
    (post,) = [post for post in of(SendMessage, reminder) if "still waiting" in post.body]
    assert post.reactions == ("✋",)
    step = then(reminder.aggregate, tap(post.ref))
    assert told(step.actions, "t1") == [Assigned(assignee=ANA, designation="amber heron")]


def test_a_claim_in_reply_to_a_card_takes_that_thread() -> None:
    """`!claim` as a reply to a card or a reminder means that thread, and not the longest waiting."""
    desk = waits(waits(staffed_desk()).aggregate, thread="t2", name="quiet maple").aggregate
    for ref in ("card:t2", "wait:t2:0"):
        step = then(desk, at_desk("!claim", relation=Relation.OTHER_REPLY, target="$x", ref=ref))
        assert told(step.actions, "t2") == [Assigned(assignee=ANA, designation="quiet maple")]
        assert told(step.actions, "t1") == []
    with_sue = then(desk, tap("card:t2", SUE)).aggregate
    step = then(with_sue, at_desk("!claim", relation=Relation.OTHER_REPLY, target="$x", ref="card:t2"))
    assert told(step.actions, "t1") == []
    assert "quiet maple is with sue already" in words(step)
    miss = then(desk, at_desk("!claim", relation=Relation.OTHER_REPLY, target="$x", ref="card:t9"))
    assert not told(miss.actions, "t1")
    assert "No waiting thread" in words(miss)


def test_a_redacted_card_comes_again() -> None:
    """Nobody waits unseen: a card that a person redacts is shown again while its thread can be claimed."""
    desk = waits(staffed_desk()).aggregate
    step = then(desk, MessageRedacted(place=DESK, sender=SUE, target="$card", ref="card:t1"))
    assert [card.ref for card in cards(step)] == ["card:t1:1"]
    assert told(then(step.aggregate, tap("card:t1:1")).actions, "t1")
    with_ana = then(desk, tap("card:t1")).aggregate
    assert cards(then(with_ana, MessageRedacted(place=DESK, sender=SUE, target="$card", ref="card:t1"))) == []
    edit = then(with_ana, MessageRedacted(place=DESK, sender=SUE, target="$edit", ref="edit:card:t1"))
    assert edits(edit) == [("card:t1", "amber heron · with ana")]
