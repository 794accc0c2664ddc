"""Playbooks are for people in the room; an outage is begun and ended by people at the desk."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.decide import decide
from bot.model.actions import DESK, OFFICE, DeliveryReceipt, SendMessage
from bot.model.transactional_actions import RecordAudit
from policies.pack import Playbook
from tests.bot.examples import at, at_desk, held, marks, of, said, staffed_desk, texts, then, words
from tests.bot.strategies import ANA, BEN, MEMBERS, PACK, STAFF
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


@every_row("name", PACK.playbooks)
def test_a_playbook_is_read_in_the_language_of_its_reader(name: str) -> None:
    """Who chose Spanish reads every step of the base pack in Spanish: as many, with the same commands and numbers."""
    english, spanish = PACK.playbooks[name], PACK.playbooks[name].translations["es"]
    roster = tuple(replace(member, reads="es") if member.user == ANA else member for member in MEMBERS)
    step = then(held(), said(f"!playbook {name}"), at(0, roster=roster))
    assert words(step).splitlines() == [spanish.title, *(f"{n}. {text}" for n, text in enumerate(spanish.steps, start=1))]
    for one, other in zip(english.steps, spanish.steps, strict=True):
        assert TYPED.findall(one) == TYPED.findall(other)


def test_a_playbook_of_the_agency_alone_is_read_as_it_is() -> None:
    """An agency's own playbook without a translation is read in the words that there are."""
    pack = replace(PACK, playbooks={"floods": Playbook(title="Water", steps=("Up.",))}, staff_language="es")
    assert words(decide(pack, at(0), held(), said("!playbook floods"))) == "Water\n1. Up."


@pytest.mark.parametrize(("rest", "title"), [("abuser", "abuser_on_the_line"), ("Other Agency", "other_agency")])
def test_a_playbook_is_found_by_the_beginning_of_its_name(rest: str, title: str) -> None:
    """The beginning of a name is enough where it is only one's."""
    assert PACK.playbooks[title].title in words(then(held(), said(f"!playbook {rest}")))


@pytest.mark.parametrize("rest", ["", "nonsense", "s"])
def test_without_a_name_it_says_which_there_are(rest: str) -> None:
    """No name, an unknown one, or a beginning of several lists all names."""
    assert all(name in words(then(held(), said(f"!playbook {rest}"))) for name in PACK.playbooks)


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


@pytest.mark.parametrize("body", ["!outage maybe", "!outage over"])
def test_what_is_no_outage_changes_nothing(body: str) -> None:
    """An unknown word, or an end without a beginning, is answered and changes nothing."""
    step = then(staffed_desk(), at_desk(body))
    assert not step.aggregate.outage
    assert words(step)
    assert of(RecordAudit, step) == []


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


@pytest.mark.practice(39)
@pytest.mark.parametrize("place", [DESK, OFFICE + ANA])
def test_a_playbook_is_read_at_the_desk_and_in_an_office(place: str) -> None:
    """Before a thread is taken, or beside one, whoever wants to look reads the same steps."""
    step = then(staffed_desk(), said("!playbook suicide", place=place))
    assert words(step).startswith(PACK.playbooks["suicide"].title)
    assert "Say !playbook and one of" in words(then(staffed_desk(), said("!playbook", place=place)))
