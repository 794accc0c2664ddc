"""Whatever happens: the language of staff changes what staff read, and nothing else; nothing stays half said."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bot.decide import decide
from bot.display.readers import PutTogetherOutside
from bot.model.actions import DESK, EditMessage, RevealNumber, SendMessage, Speaker
from bot.model.desk import Desk, Facts
from bot.model.events import Event
from bot.model.thread_desk_events import AssignmentRefused
from bot.model.transactional_actions import SendEvent
from bot.wording.notice import Notice
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import MEMBERS, PACK, any_event, desks, facts, threads

SPANISH = replace(PACK, staff_language="es")
WORDS = re.compile(
    r"\b(?:the|is|are|of|and|from|what|their|they|this|that|you|your|with|whom|which|nobody|everybody|waiting|text|room|sent)\b"
)
"""Small English words of which no Spanish notice has any."""
OTHERS = re.compile(
    r"“[^”]*”|\([a-z_]+\): .*|![a-z-]+(?: (?:what|with|text))?|[a-z_]*_(?:the|with|offered)[a-z_]*|they are off duty\."
    r"|she asked",
    re.DOTALL,
)


def said(actions: tuple[Any, ...]) -> list[SendMessage | EditMessage]:
    """Return what the software says in rooms; at the desk the texter puppet, too, greets who comes."""
    return [
        action
        for action in actions
        if isinstance(action, EditMessage)
        or (isinstance(action, SendMessage) and (action.speaker is Speaker.POLICY or action.place == DESK))
    ]


def without_words(actions: tuple[Any, ...]) -> list[Any]:
    """Return the actions without what staff read, and without the language of what the bridge puts together for them."""
    return [
        replace(action, body="")
        if action in said(actions)
        else replace(action, language="")
        if isinstance(action, PutTogetherOutside)
        else replace(action, languages=())
        if isinstance(action, RevealNumber)
        else replace(action, event=replace(action.event, reason=""))
        if isinstance(action, SendEvent) and isinstance(action.event, AssignmentRefused)
        else action
        for action in actions
    ]


@pytest.mark.parametrize("aggregates", [threads, desks], ids=["thread", "desk"])
def test_the_language_changes_words_and_nothing_else(aggregates: st.SearchStrategy[Any]) -> None:
    """Texts to phones, marks, timers, calls and the aggregate are the same; no notice is left unsaid, none half said.

    Cards and boards are formatted: as plain text they are one grey block in some clients.
    """

    @USUAL
    @given(aggregate=aggregates, event=any_event, known=facts)
    def holds(aggregate: Any, event: Event, known: Facts) -> None:
        nobody_chose = tuple(replace(member, reads="") for member in MEMBERS)
        known = replace(known, roster=nobody_chose)
        if isinstance(aggregate, Desk):
            roster = tuple(replace(member, reads="") for member in aggregate.roster)
            aggregate = replace(aggregate, board="", board_at=0.0, roster=roster)
        english, spanish = (decide(pack, known, aggregate, event) for pack in (PACK, SPANISH))
        assert without_words(english.actions) == without_words(spanish.actions)
        if isinstance(aggregate, Desk):
            assert replace(english.aggregate, board="") == replace(spanish.aggregate, board="")
        else:
            assert english.aggregate == spanish.aggregate
        for post in (*said(english.actions), *said(spanish.actions)):
            assert not isinstance(post.body, Notice)
            assert not re.search(r"\{[a-z_]+\}", post.body)
        for post in said(english.actions):
            assert post.formatted or not (post.ref in ("card", "board") or post.ref.startswith("card:"))
        for action in spanish.actions:
            if isinstance(action, PutTogetherOutside):
                assert action.language == "es"
            if isinstance(action, RevealNumber):
                assert action.languages == ("es",) * len(action.users)
        for post in said(spanish.actions):
            match = WORDS.search(OTHERS.sub("", post.body))
            assert match is None, f"{match} in {post.body!r}"

    holds()
