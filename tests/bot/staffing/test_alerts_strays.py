"""What the desk hears of texts that are none to this line, and of those that it may never see."""

from __future__ import annotations

import pytest

from bot.model.actions import DESK, SendMessage
from bot.model.desk import Desk
from bot.model.line_incidents import GapKind, StrayKind, StrayTextArrived, TextsMissing
from tests.bot.examples import of, then
from tests.bot.strategies import MEMBERS, SUE


@pytest.mark.parametrize("kind", list(StrayKind))
def test_a_stray_is_told_without_content(kind: StrayKind) -> None:
    """One loud message at the desk for each kind, in words of ours alone; it says that nothing was kept."""
    step = then(Desk(roster=MEMBERS), StrayTextArrived(kind=kind))
    (post,) = [post for post in of(SendMessage, step) if post.ref != "board"]
    assert (post.place, post.notice, post.mentions) == (DESK, False, (SUE,))
    assert "not kept" in post.body
    assert "+" not in post.body


@pytest.mark.parametrize("kind", list(GapKind))
def test_what_may_be_missing_is_told_with_what_to_do(kind: GapKind) -> None:
    """One loud message at the desk for each reason, without content: where texts can be found, and who should know."""
    step = then(Desk(roster=MEMBERS), TextsMissing(kind=kind, minutes=150))
    (post,) = [post for post in of(SendMessage, step) if post.ref != "board"]
    assert (post.place, post.notice, post.mentions) == (DESK, False, (SUE,))
    assert "portal" in post.body
    assert "technician" in post.body
    assert ("away for about 2 h" in post.body) is (kind is GapKind.AWAY)
