"""What the desk hears of texts that are none to this line."""

from __future__ import annotations

import pytest

from bot.actions import DESK, Post
from bot.incidents import Stray, StrayCame
from bot.model import Desk
from tests.bot.examples import of, then


@pytest.mark.parametrize("kind", list(Stray))
def test_a_stray_is_told_without_content(kind: Stray) -> None:
    """One loud message at the desk for each kind, in words of ours alone; it says that nothing was kept."""
    step = then(Desk(), StrayCame(kind=kind))
    (post,) = [post for post in of(Post, step) if not post.ref]
    assert (post.place, post.notice, post.mentions) == (DESK, False, ())
    assert "not kept" in post.body
    assert "+" not in post.body
