"""What is shown in rooms: once, looked up when it is old, with one receipt and never none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.actions import THREAD, Action, GiveKeys, Mark, Post, Receipt
from bridge.matrix.edge import Permanent, TokenRefused, Transient
from bridge.outbox import Impossible, Task, TryAgain
from bridge.posts import REMEMBERED
from tests.fakes.nerves import Nerves
from tests.fakes.posting import Posting


@pytest.fixture
async def nerves(tmp_path: Path) -> AsyncIterator[Nerves]:
    made = Nerves(tmp_path)
    await made.open()
    yield made
    await made.end()


@pytest.mark.parametrize(
    "action",
    [Post(place=THREAD, body="words", ref="r"), Mark(place=THREAD, event_id="$said", receipt=Receipt.SENT)],
    ids=["post", "receipt"],
)
async def test_an_old_row_is_looked_up_before_it_is_sent(nerves: Nerves, action: Action) -> None:
    """A young row is sent; one older than the homeserver's memory is looked up, and sent only when it is not there."""
    posting = Posting(nerves)
    task = await posting.task(action)
    await posting.posts.perform(task)
    assert (posting.edge.sent, posting.edge.looked) == (["q1.0"], [])

    nerves.clock.at += REMEMBERED + 1
    posting.edge.sent.clear()
    posting.edge.found = "$q1.0"
    await posting.posts.perform(task)
    assert (posting.edge.sent, posting.edge.looked) == ([], ["q1.0"])
    assert await nerves.store.fetchval("SELECT COUNT(*) FROM event WHERE event_id = '$q1.0'") == 1

    posting.edge.found = None
    await posting.posts.perform(task)
    assert posting.edge.sent == ["q1.0"]


@pytest.mark.parametrize(
    ("error", "verdict", "after"),
    [
        (Transient(503, "", 2.5), TryAgain, 2.5),
        (TokenRefused(401, "M_UNKNOWN_TOKEN"), TryAgain, 1.0),
        (Permanent(403, "M_FORBIDDEN"), Impossible, None),
    ],
    ids=["transient", "token", "permanent"],
)
async def test_what_the_homeserver_says_decides_what_follows(
    nerves: Nerves, error: Exception, verdict: type[Exception], after: float | None
) -> None:
    """Transient is tried again after what was asked for, a refused token blames no row, permanent is for good."""
    posting = Posting(nerves)
    task = await posting.task(Post(place=THREAD, body="words"))
    posting.edge.raises = error
    with pytest.raises(verdict) as told:
        await posting.posts.perform(task)
    assert getattr(told.value, "after", None) == after


async def test_no_room_is_waited_for(nerves: Nerves) -> None:
    """A post for a thread that has no room yet waits to be called."""
    posting = Posting(nerves)
    with pytest.raises(TryAgain) as told:
        await posting.posts.perform(await posting.task(Post(place=THREAD, body="words"), room=None))
    assert told.value.after is None


async def test_there_is_one_receipt_and_never_none(nerves: Nerves) -> None:
    """The new receipt is up before the old one goes, and performing it again takes nothing away."""
    posting = Posting(nerves)
    first = await posting.task(Mark(place=THREAD, event_id="$said", receipt=Receipt.LEAVING))
    await posting.posts.perform(first)
    again = Mark(place=THREAD, event_id="$said", receipt=Receipt.SENT)
    second = Task(number=2, owner=first.owner, txn="q2.0", created=first.created, action=again)
    await posting.posts.perform(second)
    assert posting.edge.sent == ["q1.0", "q2.0", "q2.0.old"]
    await posting.posts.perform(second)
    assert posting.edge.sent == ["q1.0", "q2.0", "q2.0.old", "q2.0"]


@pytest.mark.parametrize("again", [True, False])
async def test_who_asks_for_the_keys_gets_both_sides(nerves: Nerves, again: bool) -> None:
    """`!recap` in a thread sends the texter's side, also to devices that have had it, and what colleagues typed."""
    posting = Posting(nerves)
    task = await posting.task(GiveKeys(place=THREAD, user="@ana:line.example", again=again))
    await posting.posts.perform(task)
    assert posting.edge.sent == [f"keys again={again}", "bundle"]
