"""What speaks of a supervisor says when none is on duty."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.codeword_match import CodewordMatch
from bot.model.desk import Facts, Thread
from bot.model.events import Event
from tests.bot.codeword_example import agreed
from tests.bot.examples import FACTS, arrived, held, said, then, words
from tests.bot.strategies import BEN, MEMBERS, PACK

NIGHT = replace(FACTS, roster=(MEMBERS[0], MEMBERS[1], replace(MEMBERS[2], on_duty=False)))
STOPPED: Thread = then(held(), arrived("STOP", id="stop")).aggregate


@pytest.mark.parametrize(
    ("thread", "event", "known"),
    [
        pytest.param(held(), arrived("CALL ME"), FACTS, id="asks for a call"),
        pytest.param(held(), arrived("i am 14"), FACTS, id="a minor"),
        pytest.param(held(), arrived("he hits our son"), FACTS, id="a disclosure"),
        pytest.param(STOPPED, arrived("hello", seconds=60), FACTS, id="a text after a STOP"),
        pytest.param(agreed(), arrived("x"), replace(FACTS, codeword_match=CodewordMatch.DURESS), id="duress"),
        pytest.param(held(), said("!escalate"), FACTS, id="escalate"),
        pytest.param(held(), said("!reveal why"), FACTS, id="reveal"),
        pytest.param(
            held(), said("!transfer @ben"), replace(FACTS, load={BEN: PACK.settings.cap}), id="a colleague at the cap"
        ),
    ],
)
def test_nobody_is_promised_who_is_not_there(thread: Thread, event: Event, known: Facts) -> None:
    """Each sentence that sends a person to a supervisor says that none is on duty, and only then."""
    assert "No supervisor is on duty" not in words(then(thread, event, known))
    assert "No supervisor is on duty" in words(then(thread, event, replace(known, roster=NIGHT.roster)))
