"""Playbooks are for people in the room; an outage is begun and ended by people at the desk."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.decide import decide
from bot.model.actions import DeliveryReceipt, SendMessage
from bot.model.transactional_actions import RecordAudit
from policies.pack import Playbook
from tests.bot.examples import at, at_desk, held, marks, of, said, staffed_desk, texts, then, words
from tests.bot.strategies import BEN, PACK, STAFF
from tests.every_row import every_row

TYPED = re.compile(r"![a-z]+|\b\d{3}\b|\d-\d{3}-\d{3}-\d{4}")
"""Commands and telephone numbers."""


@pytest.mark.practice(39)
@every_row("name", PACK.playbooks)
@every_row("sender", STAFF)
def test_a_playbook_is_read_in_the_room(name: str, sender: str) -> None:
    """Anybody in the room reads all steps, numbered, in a notice; the phone gets nothing (39)."""
    step = then(held(), said(f"!playbook {name}", sender=sender))
    book = PACK.playbooks[name]
    assert words(step).splitlines() == [book.title, *(f"{n}. {text}" for n, text in enumerate(book.steps, start=1))]
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert texts(step) == []
    assert [(post.notice, post.formatted) for post in of(SendMessage, step)] == [(True, True)]


@pytest.mark.practice(41)
def test_an_outage_is_begun_and_ended_at_the_desk() -> None:
    """Both are new messages and in the audit, and the board shows it meanwhile (practice 41)."""
    step = then(staffed_desk(), at_desk("!outage"))
    assert step.aggregate.outage
    assert [post.notice for post in of(SendMessage, step) if "OUTAGE" in post.body] == [False]
    assert "Outage" in step.aggregate.board
    assert [audit.kind.value for audit in of(RecordAudit, step)] == ["outage_began"]
    assert "already" in words(then(step.aggregate, at_desk("!outage", event_id="$2")))
    over = then(step.aggregate, at_desk("!outage over", sender=BEN, event_id="$2"), at(10))
    assert not over.aggregate.outage
    assert "Outage" not in over.aggregate.board
    assert [audit.kind.value for audit in of(RecordAudit, over)] == ["outage_over"]


@every_row(
    ("called", "name"),
    [
        ("suicidio", "suicide"),
        ("overdose", "suicide"),
        ("sucide", "suicide"),
        ("suicdio", "suicide"),
        ("peligro", "danger"),
        ("menor", "minor"),
        ("citación", "subpoena"),
    ],
)
def test_a_playbook_is_found_by_what_people_call_it(called: str, name: str) -> None:
    """In Spanish, by what happened, and mistyped; a name of the agency's own pack goes first."""
    assert words(then(held(), said(f"!playbook {called}"))).startswith(PACK.playbooks[name].title)
    own = replace(PACK, playbooks={**PACK.playbooks, called: Playbook(title="Ours", steps=("One.",))})
    assert words(decide(own, at(0), held(), said(f"!playbook {called}"))).startswith("Ours")
