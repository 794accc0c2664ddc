"""The thread's room: the texter's words as they came, and the card."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.model.actions import DESK, OFFICE, THREAD, KickMember, RestorePowerLevels, SendMessage, ShareRoomKeys, Speaker
from bot.model.events import MemberJoined, MemberLeft, MemberReturned
from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind
from bot.model.thread_desk_events import Assigned
from bot.staffing.assignment import MAX_CHARACTERS
from tests.bot.examples import arrived, held, of, staffed_desk, then, waiting
from tests.bot.strategies import ANA, BEN, EVE


def test_a_long_text_is_shown_whole_in_pieces_that_fit() -> None:
    """A text of a megabyte is shown word for word, each piece within an event even if every letter needs an escape."""
    body = "\x01" * 1_000_000
    shown = [post.body for post in of_texter(then(held(), arrived(body, id="b")))]
    assert "".join(shown) == body
    longest = max(len(json.dumps(piece)) for piece in shown)
    assert longest * 4 / 3 + 4096 < 65_536
    assert max(map(len, shown)) == MAX_CHARACTERS


def of_texter(step: Any) -> list[Any]:
    return [action for action in step.actions if getattr(action, "speaker", None) and action.speaker.value == "texter"]


@pytest.mark.parametrize(("media", "line"), [(2, "2 picture(s)"), (0, "without words")])
def test_what_has_no_words_is_told(media: int, line: str) -> None:
    """A picture alone and an empty text ring for the assignee, and can be answered and read, like words of the texter."""
    posts = of(SendMessage, then(held(), arrived("", id="b", media=media)))
    (post,) = (post for post in posts if line in post.body)
    assert (post.ref, post.mentions, post.notice, post.speaker) == ("in:b:0", (ANA,), False, Speaker.POLICY)


@pytest.mark.parametrize("blank", [" ", "\n\u200b", "\u3164", "\u00a0\ufeff"])
def test_what_nobody_could_see_is_a_text_without_words(blank: str) -> None:
    """An empty message in the room would look like a fault of the client."""
    bodies = [post.body for post in of(SendMessage, then(held(), arrived(blank, id="b")))]
    assert "A text without words arrived." in bodies
    assert blank not in bodies


def test_a_picture_with_words_rings_once() -> None:
    """The words ring; the line about the picture is a notice below them, and can be answered as well."""
    posts = of(SendMessage, then(held(), arrived("look", id="b", media=1)))
    assert [(post.body, post.ref) for post in posts if post.mentions] == [("look", "in:b:0")]
    assert [(post.notice, post.ref) for post in posts if "1 picture(s)" in post.body] == [(True, "in:b:1")]


@pytest.mark.parametrize(("place", "user"), [(THREAD, BEN), (DESK, EVE), (OFFICE + BEN, BEN)])
def test_whoever_comes_in_is_given_the_keys_again(place: str, user: str) -> None:
    """At a join the keys go once more, to devices that had them as well: some drop those of rooms that they are not in."""
    step = then(held() if place == THREAD else staffed_desk(), MemberJoined(place=place, user=user))
    assert of(ShareRoomKeys, step) == [ShareRoomKeys(place=place, user=user, resend=True)]


@pytest.mark.parametrize(("place", "user", "named"), [(THREAD, BEN, 0), (DESK, EVE, 1), (OFFICE + EVE, EVE, 0)])
def test_whoever_is_there_again_is_removed(place: str, user: str, named: int) -> None:
    """A homeserver that was put back lets nobody in: they are removed and get no key; of the desk people hear who it is."""
    before = held() if place == THREAD else staffed_desk()
    step = then(before, MemberReturned(place=place, user=user))
    assert of(KickMember, step) == [KickMember(place=place, user=user)]
    assert (of(ShareRoomKeys, step), step.aggregate) == ([], before)
    assert len([post for post in of(SendMessage, step) if "removed once more" in post.body]) == named


@pytest.mark.parametrize(("levels", "supervisors"), [(((ANA, 50), (BEN, 0)), (ANA,)), (((BEN, 0),), ()), ((), None)])
def test_who_supervises_is_what_was_told_last(
    levels: tuple[tuple[str, int], ...], supervisors: tuple[str, ...] | None
) -> None:
    """A homeserver that was put back gets the desk's roles again, without those taken away; never told of any, none."""
    desk = replace(staffed_desk(), power_levels=levels)
    step = then(desk, HomeserverIncident(kind=HomeserverIncidentKind.ROOMS_LOST))
    expected = [] if supervisors is None else [RestorePowerLevels(place=DESK, supervisors=supervisors, alone=True)]
    assert of(RestorePowerLevels, step) == expected


def test_the_card_says_who_is_the_assignee_and_whether_the_phone_is_stopped() -> None:
    """The card follows assignee, STOP and language, and holds no words of anybody."""
    cards = []
    thread = waiting()
    for event in (
        Assigned(assignee=ANA),
        arrived("STOP", id="b"),
        arrived("START", id="c"),
        arrived("ES", id="d"),
        MemberLeft(place=THREAD, user=ANA),
        Assigned(assignee=BEN),
    ):
        step = then(thread, event)
        thread = step.aggregate
        changes: list[Any] = [a for a in step.actions if getattr(a, "ref", "") == "card" and hasattr(a, "body")]
        assert all(card.formatted for card in changes)
        cards += [card.body for card in changes]
    expected = ["with ana", "STOPPED: nothing leaves", "language: en", "language: es", "with nobody", "with ben"]
    assert [line in card for line, card in zip(expected, cards, strict=True)] == [True] * len(cards)
