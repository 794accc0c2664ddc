"""Every event has its row on the deletion index, ours and others', and its time where it has one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from bot.model.actions import DESK, RECAP, THREAD, Action, Edit, Erase, Mark, Post, Recap, Receipt, Redact
from bot.model.events import Read
from bridge.engine import transactional_actions
from bridge.matrix.api import events
from bridge.outbound.dispatcher import Task
from bridge.tables import room_events
from tests.bridge.outbound.test_recap import Asking, typed
from tests.e2e.waiting import until
from tests.fakes.nerves import Nerves
from tests.fakes.posting import Posting
from tests.fakes.sink import ADA, DAY, DESK_ROOM, OFFICE_ROOM, THREAD_ROOM, Sink, message


async def index(nerves: Nerves) -> dict[str, Any]:
    rows = await nerves.store.fetch("SELECT event_id, ref, about, expires, state FROM event ORDER BY n")
    return {row["event_id"]: row for row in rows}


async def test_what_we_show_is_noted_and_what_we_take_away_is_not(nerves: Nerves) -> None:
    """Texts, edits and receipts are on the index, with what they are on; what was replaced or has faded is off it."""
    posting = Posting(nerves)
    first = await posting.task(Post(place=THREAD, body="words", ref="card"))
    number = first.number

    async def perform(action: Any) -> str:
        nonlocal number
        number += 1
        txn = f"q{number}.0"
        task = Task(number=number, owner=first.owner, txn=txn, created=int(nerves.clock.wall()), action=action)
        await posting.posts.perform(task)
        return f"${txn}"

    await posting.posts.perform(first)
    card = "$q1.0"
    edit = await perform(Edit(place=THREAD, ref="card", body="other words"))
    leaving = await perform(Mark(place=THREAD, event_id="$said", receipt=Receipt.LEAVING))
    noted = await index(nerves)
    assert [(name, row["about"]) for name, row in noted.items()] == [(card, None), (edit, card), (leaving, "$said")]
    assert {row["expires"] for row in noted.values()} == {None}
    sent = await perform(Mark(place=THREAD, event_id="$said", receipt=Receipt.SENT))
    assert set(await index(nerves)) == {card, edit, sent}
    nerves.clock.at += 3
    newer = await perform(Edit(place=THREAD, ref="card", body="newest words"))
    noted = await index(nerves)
    assert noted[edit]["expires"] is not None
    assert noted[newer]["expires"] is None
    await perform(Redact(place=THREAD, ref="card"))
    assert set(await index(nerves)) == {edit, sent, newer}


async def test_erase_takes_the_message_its_edits_and_its_receipt(nerves: Nerves) -> None:
    """An edit says the same words as its message: all of it is redacted and leaves the index."""
    posting = Posting(nerves)
    task = await posting.task(Erase(place=THREAD, event_id="$said"))
    for event_id, about in (("$said", None), ("$edit", "$said"), ("$mark", "$said"), ("$other", None)):
        query = "INSERT INTO event (event_id, room_id, owner, about, at) VALUES ($1, '!room', '', $2, 0)"
        await nerves.store.commit(lambda conn, e=event_id, a=about, q=query: conn.execute(q, e, a))  # type: ignore[misc]
    redacted: list[str] = []

    async def redact(room_id: str, event_id: str, txn: str) -> str:
        redacted.append(event_id)
        return "$r"

    posting.edge.redact = redact  # type: ignore[method-assign]
    await posting.posts.perform(task)
    assert redacted == ["$said", "$edit", "$mark"]
    assert set(await index(nerves)) == {"$other"}
    await posting.posts.perform(
        Task(number=9, owner=task.owner, txn="q9.0", created=0, action=Erase(place=THREAD, event_id="$x"))
    )
    assert len(redacted) == 3, "an event that is not in the room is not redacted"


async def test_erase_takes_an_edit_whose_message_has_gone(nerves: Nerves) -> None:
    """An edit of something that was redacted before is redacted too, and only then leaves the index."""
    posting = Posting(nerves)
    task = await posting.task(Erase(place=THREAD, event_id="$said"))
    query = "INSERT INTO event (event_id, room_id, owner, about, at) VALUES ('$edit', '!room', '', '$said', 0)"
    await nerves.store.commit(lambda conn: conn.execute(query))
    await posting.posts.perform(task)
    assert posting.edge.sent == ["q1.0.0"]
    assert await index(nerves) == {}


@pytest.mark.parametrize("action", [Erase(place=THREAD, event_id="$said"), Redact(place=THREAD, ref="answer:$x")])
async def test_nothing_is_erased_of_what_somebody_holds_by_now(nerves: Nerves, action: Erase | Redact) -> None:
    """A `!redact`, or an answer's fading, that was decided before a hold takes nothing away; after it the sweep does."""
    posting = Posting(nerves)
    task = await posting.task(action)
    query = "INSERT INTO event (event_id, room_id, owner, ref, at) VALUES ('$said', '!room', $1, 'answer:$x', 0)"
    await nerves.store.commit(lambda conn: conn.execute(query, task.owner))
    await transactional_actions.hold(nerves.store, task.owner)
    await posting.posts.perform(task)
    assert (posting.edge.sent, set(await index(nerves))) == ([], {"$said"})
    assert await room_events.expired(nerves.store, nerves.clock.wall(), 9) == []
    await transactional_actions.release(nerves.store, task.owner)
    due = await room_events.expired(nerves.store, nerves.clock.wall(), 9)
    assert [row["event_id"] for row in due] == ["$said"]


async def test_a_redaction_on_hold_blocks_nothing_behind_it(nerves: Nerves) -> None:
    """`!redact`, a hold, `!recap`: the recap comes at once, without the words that were to go; nothing is taken away."""
    asking = Asking(nerves)
    await asking.has(typed("secret"), typed("other"))
    owner, edge, now = asking.task.owner, asking.edge, int(nerves.clock.wall())
    await transactional_actions.hold(nerves.store, owner)
    behind = Recap(place=THREAD, reply_to="$asked")
    actions: list[Action] = [Erase(place=THREAD, event_id="$secret"), Redact(place=THREAD, ref=RECAP), behind]
    for number, action in enumerate(actions):
        sealed = await nerves.outbox.seal(owner, f"z{number}", action)
        row = await nerves.store.commit(partial(nerves.outbox.put, owner=owner, item=sealed, created=now))
        nerves.outbox.wake(row, owner, sealed.lane, sealed.way)
    running = asyncio.create_task(nerves.outbox.run("matrix", asking.posting.posts.perform))

    async def empty() -> bool | None:
        return await nerves.count("outbox") == 0 or None

    await until("the lane is empty", empty, within=5, every=0.02)
    running.cancel()
    (said,) = edge.posted.values()
    assert ("other" in said, "secret" in said, edge.redacted) == (True, False, [])


async def test_what_is_said_at_the_desk_has_its_time_from_the_start(nerves: Nerves) -> None:
    """A message at the desk or in an office goes a day after it was noted; one in a thread has no time yet."""
    sink = Sink(nerves)
    await sink.furnish()
    await nerves.vault.create(DESK)
    text = {"msgtype": "m.text", "body": "words"}
    for room, event_id in ((DESK_ROOM, "$desk"), (OFFICE_ROOM, "$office"), (THREAD_ROOM, "$thread")):
        await sink.see(message(text, room=room, event_id=event_id))
    noted = await index(nerves)
    until = int(nerves.clock.wall()) + DAY
    assert {name: row["expires"] for name, row in noted.items()} == {"$desk": until, "$office": until, "$thread": None}


async def test_a_card_lasts_as_long_as_its_thread_waits(nerves: Nerves) -> None:
    """The card of a thread that is there has no time; one that is posted when the thread is parked by now has."""
    posting = Posting(nerves)
    task = await posting.task(Post(place=DESK, body="amber heron waits"))
    query = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!desk', 'desk', 'desk', 'desk')"
    await nerves.store.commit(lambda conn: conn.execute(query))
    for number, gone, later in ((2, False, ""), (4, False, ":1"), (3, True, ""), (5, True, ":1")):
        if gone:
            await nerves.store.commit(lambda conn: conn.execute("UPDATE thread SET designation = ''"))
        card = Post(place=DESK, body="x", ref=f"card:{task.owner}{later}")
        await posting.posts.perform(Task(number=number, owner=DESK, txn=f"q{number}.0", created=0, action=card))
        expires = {name: row["expires"] for name, row in (await index(nerves)).items()}
        assert (expires[f"$q{number}.0"] is not None) == gone


async def test_read_receipts_reach_the_thread_they_are_of(nerves: Nerves) -> None:
    """Who has read a thread's event is told to the thread; what is read at the desk concerns nobody."""
    sink = Sink(nerves)
    await sink.furnish()
    seen = events.Seen(room_id=THREAD_ROOM, user_id=ADA, event_id="$x")
    assert await sink.see(seen) == [(sink.thread, Read(place=THREAD, user=ADA, event_id="$x"))]
    assert await sink.see(events.Seen(room_id=DESK_ROOM, user_id=ADA, event_id="$x")) == []
    assert await index(nerves) == {}


async def test_a_room_on_its_way_down_is_noted_and_not_heard(nerves: Nerves) -> None:
    """What somebody still says in a room that is no longer the thread's is erased with it, and is nobody's words."""
    sink = Sink(nerves)
    await sink.furnish()
    await nerves.store.commit(
        lambda conn: conn.execute("UPDATE matrix_room SET owner = '' WHERE room_id = $1", THREAD_ROOM)
    )
    assert await sink.see(message({"msgtype": "m.text", "body": "too late"}, event_id="$late")) == []
    assert set(await index(nerves)) == {"$late"}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"url": "mxc://quietline.localhost/AbcdefGh"}, {"mxc://quietline.localhost/AbcdefGh"}),
        ({"file": {"url": "mxc://quietline.localhost/AbcdefGh"}}, {"mxc://quietline.localhost/AbcdefGh"}),
        (
            {"info": {"thumbnail_file": {"url": "mxc://quietline.localhost/thumbnail"}}},
            {"mxc://quietline.localhost/thumbnail"},
        ),
        (
            {"m.new_content": {"file": {"url": "mxc://quietline.localhost/anEditOfIt"}, "info": {"thumbnail_url": "x"}}},
            {"mxc://quietline.localhost/anEditOfIt"},
        ),
        ({"url": "mxc://elsewhere.example/AbcdefGh"}, set()),
        ({"url": "mxc://quietline.localhost/../../etc"}, set()),
        ({"url": 7, "file": "x"}, set()),
    ],
)
async def test_uploads_are_noted_with_their_room(nerves: Nerves, content: dict[str, Any], found: set[str]) -> None:
    """What staff upload for a message is noted, so that it goes with its room; addresses of others, and none, are not."""
    sink = Sink(nerves)
    await sink.furnish()
    await sink.see(message({"msgtype": "m.image", "body": "home.jpg", **content}))
    rows = await nerves.store.fetch("SELECT mxc, room_id FROM matrix_upload")
    assert {row["mxc"] for row in rows} == found
    assert all(row["room_id"] == THREAD_ROOM for row in rows)
