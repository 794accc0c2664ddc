"""What speaks of a supervisor says when none is on duty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from bot.decide import decide
from bot.model.actions import DESK, OFFICE, EditMessage, SendMessage
from bot.model.codeword_state import CodewordMatch, SendLock
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import Event
from bot.model.thread_desk_events import AlarmKind, AlarmRaised
from tests.bot.codeword_example import agreed, locked
from tests.bot.examples import FACTS, arrived, at_desk, held, said, staffed_desk, then, words
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import ANA, BEN, MEMBERS, PACK, any_event, desks, facts, threads
from tests.every_row import every_row

AT_NIGHT = (MEMBERS[0], MEMBERS[1], replace(MEMBERS[2], on_duty=False))
NIGHT = replace(FACTS, roster=AT_NIGHT)
STOPPED: Thread = then(held(), arrived("STOP", id="stop")).aggregate
NOBODY = "No supervisor is on duty"
RULES = {
    "what is so, or was done": {
        *("alerts.break_glass_its_number_is", "alerts.is_blocked_by_a_supervisor", "check.the_desk_and_the_supervisors"),
        *(
            "codeword_commands.unlocked_by_a_supervisor_the",
            "desk_board.supervisor",
            "guard.a_supervisor_blocked_this_phone",
        ),
        *("reply_after_stop.whoever_said_it_does_not", "roster.a_supervisor", "roster.somebody_changed_what_people_may"),
        "transfer.no_supervisor_took_this_thread",
    },
    "what stays until then": {
        "alerts.the_machines_clock_was_set",
        "alerts.the_machines_clock_went_on",
        *("check.what_is_locked_stays_so", "legal_hold.on_hold_nothing_of_this", "retention.this_thread_is_on_hold"),
        *("thread_card.nothing_leaves_but_cover_until", "duty.it_receives_nothing_until_a"),
        "duty.has_no_cryptographic_identity",
    },
    "who may, and what else a person can do": {
        *("alerts.what_they_wrote_before_the", "claim_queue.only_supervisors_take_a_thread", "flood_card.close_rest"),
        *("cold_outreach.that_phone_has_a_conversation", "duty.another_supervisor_has_to_confirm", "who.supervisor"),
        *(
            "guard.the_phone_may_be_in",
            "number_reveal.reveal_is_for_the_advocate",
            "retention.close_now_is_for_supervisors",
        ),
        *("retention.only_supervisors_take_out_what", "room.unreadable", "thread_card.after_the_stop_they_texted"),
        *("alerts.the_homeserver_does_not_have", "undo_window.not_sent_a_supervisor_took"),
        *("transfer.it_is_with_ask_for", "unsafe_phone.unsafe_nothing_but_cover_leaves", "who.assignee_or_supervisor"),
    },
    "said only while one is on duty": {
        *("number_reveal.a_supervisor_is_on_duty", "number_reveal.another_supervisor_says_reveal_yes"),
        *("number_reveal.only_a_supervisor_can_say_2", "wellbeing.a_supervisor_can_take_a"),
    },
    "says itself that none is": {
        *("number_reveal.a_supervisor_who_comes_within", "wellbeing.no_supervisor_is_on_duty"),
        *(f"ringing.{name}" for name in ("no_supervisor_is_on_duty", "no_supervisor_and_no_call", "whoever_is_on_call_is")),
        *("ringing.no_other_supervisor_is_on_duty", "ringing.no_other_supervisor_and_no_call"),
    },
}
"""Notices that name a supervisor and send nobody to one, by why they need say no more."""


@every_row(
    ("thread", "event", "known"),
    [
        pytest.param(held(), arrived("CALL ME"), FACTS, id="asks for a call"),
        pytest.param(held(), arrived("i am 14"), FACTS, id="a minor"),
        pytest.param(held(), arrived("he hits our son"), FACTS, id="a disclosure"),
        pytest.param(STOPPED, arrived("hello", seconds=60), FACTS, id="a text after a STOP"),
        pytest.param(agreed(), arrived("x"), replace(FACTS, codeword_match=CodewordMatch.DURESS), id="duress"),
        pytest.param(locked(SendLock.DURESS), said("are you there?"), FACTS, id="words under duress"),
        pytest.param(locked(SendLock.UNVERIFIED), said("are you there?"), FACTS, id="words after failed words"),
        pytest.param(locked(SendLock.UNVERIFIED), said("!codeword"), FACTS, id="a new word under a lock"),
        pytest.param(held(), said("!escalate"), FACTS, id="escalate"),
        pytest.param(held(), said("!reveal why"), FACTS, id="reveal"),
        pytest.param(
            held(), said("!transfer @ben"), replace(FACTS, load={BEN: PACK.settings.cap}), id="a colleague at the cap"
        ),
        pytest.param(held(), said("!reveal alone she took pills"), FACTS, id="reveal alone, where it takes two"),
        pytest.param(held(), said("!911"), FACTS, id="911"),
        pytest.param(held(), said("!suicide"), FACTS, id="suicide"),
        pytest.param(held(), said("!report"), FACTS, id="report"),
        pytest.param(held(), said("!supervisor"), FACTS, id="supervisor"),
        pytest.param(held(), said("!block"), FACTS, id="what only a supervisor may"),
        pytest.param(held(), said("!playbook suicide"), FACTS, id="a playbook"),
        pytest.param(held(), said("!subpoena"), FACTS, id="a paper"),
        pytest.param(staffed_desk(), at_desk("!playbook danger"), FACTS, id="a playbook at the desk"),
        pytest.param(staffed_desk(), said("!playbook minor", place=OFFICE + ANA), FACTS, id="a playbook in an office"),
        *(
            pytest.param(
                staffed_desk(), AlarmRaised(designation="amber heron", alarm=kind), FACTS, id=f"alarm {kind.value}"
            )
            for kind in (
                *(AlarmKind.DURESS, AlarmKind.UNVERIFIED, AlarmKind.ESCALATED),
                *(AlarmKind.UNREAD, AlarmKind.STILL_UNREAD),
            )
        ),
    ],
)
def test_nobody_is_promised_who_is_not_there(thread: Thread | Desk, event: Event, known: Facts) -> None:
    """Each sentence that sends a person to a supervisor says that none is on duty, once, and only then."""
    night = replace(thread, roster=AT_NIGHT) if isinstance(thread, Desk) else thread
    assert NOBODY not in words(then(thread, event, known))
    assert words(then(night, event, replace(known, roster=AT_NIGHT))).count(NOBODY) == 1


@pytest.mark.parametrize("aggregates", [threads, desks], ids=["thread", "desk"])
def test_it_is_said_once_and_behind_other_words(aggregates: Any) -> None:
    """Whatever happens at night: no message says it twice, and none begins with it."""

    @USUAL
    @given(aggregate=aggregates, event=any_event, known=facts)
    def holds(aggregate: Any, event: Event, known: Facts) -> None:
        known = replace(known, roster=AT_NIGHT)
        aggregate = replace(aggregate, roster=AT_NIGHT) if isinstance(aggregate, Desk) else aggregate
        for post in decide(PACK, known, aggregate, event).actions:
            if isinstance(post, SendMessage | EditMessage) and post.place != DESK:
                assert post.body.count(NOBODY) <= 1
                assert not post.body.startswith(NOBODY)

    holds()
