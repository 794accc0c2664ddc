"""Cards at the desk: each message its own name, one tap is enough, and none that matters stays away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.display.queue_cards import flood_card, flood_ref
from bot.model.actions import DESK, EditMessage, PinMessage, SendMessage
from bot.model.desk import Desk
from bot.model.events import MessageRedacted, ReactionAdded, Relation, TimerDue
from bot.model.flood import CrowdEntry, Flood
from bot.model.thread_desk_events import Assigned, OfferChanged, OtherHandsChanged, ThreadParked, ThreadQueued
from bot.model.transactional_actions import ExpireMessage
from tests.bot.examples import at, at_desk, of, staffed_desk, then, told, words
from tests.bot.strategies import ANA, BEN, NOW, SUE


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


def test_an_edit_that_comes_late_reaches_the_card_it_was_meant_for() -> None:
    """A thread that waits again has a new card under a new name: what is said of the old one cannot land on it."""
    desk = waits(staffed_desk()).aggregate
    for again in range(1, 4):
        old = f"card:t1:{again - 1}" if again > 1 else "card:t1"
        claimed = then(desk, tap(old))
        assert edits(claimed) == [(old, "amber heron · with ana")]
        step = waits(claimed.aggregate, again=True)
        (card,) = cards(step)
        assert card.ref == f"card:t1:{again}"
        assert "waiting again" in card.body
        assert edits(step) == [(old, "amber heron · back in the queue, see below")]
        desk = step.aggregate
    parking = then(desk, ThreadParked(thread="t1"))
    named = [action.ref for action in of(ExpireMessage, parking)]
    assert [ref for ref in named if ref.startswith("card:")] == ["card:t1", "card:t1:1", "card:t1:2", "card:t1:3"]
    calls = {f"wait:t1:{name}" for name in ("new0", "new1", "new2", "new3", "danger", "0", "1", "2")}
    assert calls <= set(named), "whatever bears the id of the thread in its name goes with it"


def test_an_offer_to_all_is_a_card_of_its_own() -> None:
    """So is the card of an offer: an edit of the claim that came late does not take it away."""
    desk = then(waits(staffed_desk()).aggregate, tap("card:t1")).aggregate
    step = then(desk, OfferChanged(thread="t1", open=True))
    (card,) = cards(step)
    assert (card.ref, "offers it to everybody" in card.body) == ("card:t1:1", True)
    assert edits(then(step.aggregate, OfferChanged(thread="t1", open=False))) == [("card:t1:1", "amber heron · with ana")]
    assert told(then(step.aggregate, tap("card:t1:1", BEN)).actions, "t1"), "whoever taps it takes it"


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


def test_the_redacted_card_of_a_flood_comes_again() -> None:
    """It is the only card of many who wait; when the flood is over, nobody needs it."""
    crowd = {"t1": CrowdEntry(thread="t1", designation="amber heron", since=NOW)}
    flood = Flood(crowd=crowd, active=True, begun_at=NOW, came=1, card="as it was")
    desk = replace(staffed_desk(), flood=flood)
    ref = flood_ref(flood)
    step = then(desk, MessageRedacted(place=DESK, sender=SUE, target="$f", ref=ref))
    (card,) = [post for post in of(SendMessage, step) if post.ref == ref]
    assert (str(card.body), card.reactions) == (str(flood_card(flood)), ("✋",))
    step = then(desk, MessageRedacted(place=DESK, sender=SUE, target="$e", ref=f"edit:{ref}"))
    assert [edit.ref for edit in of(EditMessage, step) if edit.ref == ref] == [ref]
    over = then(staffed_desk(), MessageRedacted(place=DESK, sender=SUE, target="$f", ref=ref))
    assert [post for post in of(SendMessage, over) if post.ref == ref] == []


@pytest.mark.parametrize("ref", ["", "answer:$m1", "card:t9", "wait:t1:0"])
def test_a_redaction_of_anything_else_changes_nothing(ref: str) -> None:
    """Reminders, answers, cards of threads that are over, other people's words: they may go."""
    desk = waits(staffed_desk()).aggregate
    step = then(desk, MessageRedacted(place=DESK, sender=SUE, target="$x", ref=ref), at(0))
    assert (step.aggregate.threads, cards(step), edits(step)) == (desk.threads, [], [])


def test_a_redacted_board_comes_again() -> None:
    """So does the board, pinned, and the newest edit of it in place."""
    desk = staffed_desk()
    step = then(desk, MessageRedacted(place=DESK, sender=SUE, target="$b", ref="board"))
    assert [(post.ref, post.body) for post in of(SendMessage, step)] == [("board", desk.board)]
    assert of(PinMessage, step) == [PinMessage(place=DESK, ref="board")]
    step = then(desk, MessageRedacted(place=DESK, sender=SUE, target="$b", ref="edit:board"))
    assert [(edit.ref, edit.body) for edit in of(EditMessage, step)] == [("board", desk.board)]
