"""What is shown in rooms: once, looked up when it is old, with one receipt and never none."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from bot.model.actions import DESK, OFFICE, THREAD, Action, Edit, Expel, GiveKeys, Invite, Mark, Post, Receipt
from bridge.matrix.room_client import Permanent, TokenRefused, Transient
from bridge.matrix.rooms.room_state import set_membership
from bridge.outbound.dispatcher import Impossible, Task, TryAgain
from bridge.outbound.edit_throttle import MOST_EARLIER
from bridge.outbound.room_sender import REMEMBERED
from bridge.storage.database import Connection
from tests.fakes.nerves import Nerves
from tests.fakes.posting import Posting


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
    await nerves.store.commit(lambda conn: set_membership(conn, "!room", "@ana:line.example", "join"))
    await posting.posts.perform(task)
    assert posting.edge.sent == [f"keys again={again}", "bundle"]


@pytest.mark.parametrize("membership", ["leave", "ban", "invite"])
async def test_who_is_not_in_the_room_gets_no_keys(nerves: Nerves, membership: str) -> None:
    """Keys that waited while their person was removed or left do not go, nor to one who was never in."""
    posting = Posting(nerves)
    task = await posting.task(GiveKeys(place=THREAD, user="@ana:line.example", again=True))
    await posting.posts.perform(task)
    await nerves.store.commit(lambda conn: set_membership(conn, "!room", "@ana:line.example", membership))
    await posting.posts.perform(task)
    assert posting.edge.sent == []


async def desk_with(nerves: Nerves, **memberships: str) -> None:
    """Note a desk room with these members."""

    async def commit(conn: Connection) -> None:
        query = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, $2, $3, $4)"
        await conn.execute(query, "!desk", "desk", DESK, "room:!desk")
        await conn.execute(query, "!office", "office", "@ben:h", "room:!office")
        for name, membership in memberships.items():
            await set_membership(conn, "!desk", f"@{name}:h", membership)

    await nerves.store.commit(commit)


async def test_nobody_is_invited_who_has_left_the_desk(nerves: Nerves) -> None:
    """An invitation that waited while its person left the desk sends neither keys nor invite; nobody waits for it."""
    posting = Posting(nerves)
    await desk_with(nerves, ana="join", ben="leave", eve="invite")
    for user in ("@ana:h", "@ben:h", "@eve:h", "@nobody:h"):
        await posting.posts.perform(await posting.task(Invite(user=user)))
    assert posting.edge.company == [("invite", "!room", "@ana:h")]


async def test_an_office_that_is_not_there_holds_nothing_up(nerves: Nerves) -> None:
    """Removing somebody from their office, or inviting them back, is done at once where they have none."""
    posting = Posting(nerves)
    await desk_with(nerves, ana="join", ben="join")
    for user in ("@ana:h", "@ben:h"):
        await posting.posts.perform(await posting.task(Expel(user=user, place=OFFICE + user)))
        await posting.posts.perform(await posting.task(Invite(user=user, place=OFFICE + user)))
    assert posting.edge.company == [("remove", "!office", "@ben:h"), ("invite", "!office", "@ben:h")]


async def test_a_card_bears_what_is_to_be_tapped(nerves: Nerves) -> None:
    """What a message asks to be tapped stands on it, once however often the row is performed, and goes when it goes."""
    posting = Posting(nerves)
    task = await posting.task(Post(place=THREAD, body="words", ref="r", taps=("✅", "❌")))
    for _ in range(2):
        await posting.posts.perform(task)
        assert posting.edge.sent == ["q1.0", "q1.0.tap0", "q1.0.tap1"]
        posting.edge.sent.clear()
    rows = await nerves.store.fetch("SELECT event_id FROM event WHERE about = '$q1.0' ORDER BY n")
    assert [row["event_id"] for row in rows] == ["$q1.0.tap0", "$q1.0.tap1"]


async def test_a_tap_that_is_refused_holds_no_card_up(nerves: Nerves) -> None:
    """A reaction that stands already, or may not be, is left; the message is shown all the same."""
    posting = Posting(nerves)
    posting.edge.no_taps = Permanent(400, "M_DUPLICATE_ANNOTATION")
    task = await posting.task(Post(place=THREAD, body="words", ref="r", taps=("✅",)))
    await posting.posts.perform(task)
    assert await nerves.store.fetchval("SELECT event_id FROM event WHERE ref = 'r'") == "$q1.0"


async def test_an_edit_that_another_one_overtakes_is_not_sent(nerves: Nerves) -> None:
    """Many changes of one message within two seconds are two edits, the first and the last; others' are not touched."""
    posting = Posting(nerves)
    first = await posting.task(Post(place=THREAD, body="0", ref="card"))
    await posting.posts.perform(first)
    await posting.posts.perform(replace(first, txn="q2.0", action=Post(place=THREAD, body="0", ref="other")))
    tasks = []
    for number, ref in enumerate(("card", "card", "other", "card"), 3):
        edit = Edit(place=THREAD, ref=ref, body=f"{number}")
        sealed = await nerves.outbox.seal(first.owner, f"q{number}.0", edit)
        row = await nerves.store.commit(partial(nerves.outbox.put, owner=first.owner, item=sealed, created=first.created))
        tasks.append(replace(first, number=row, txn=f"q{number}.0", action=edit))
    posting.edge.sent.clear()
    await posting.posts.perform(tasks[0])
    await posting.posts.perform(tasks[1])
    await posting.posts.perform(tasks[2])
    with pytest.raises(TryAgain):
        await posting.posts.perform(tasks[3])
    assert posting.edge.sent == ["q3.0", "q5.0"]
    nerves.clock.at += 2
    await posting.posts.perform(tasks[3])
    assert posting.edge.sent == ["q3.0", "q5.0", "q6.0"]
    assert await nerves.count("outbox") == 0


async def test_an_edit_waits_for_its_message_and_for_no_other(nerves: Nerves) -> None:
    """While the message stands in the outbox its edit waits, and is shown on it; a swept one's edit is done at once."""
    posting = Posting(nerves)
    first = await posting.task(Edit(place=THREAD, ref="gone", body="1"))
    rows = []
    actions: list[Action] = [Post(place=THREAD, body="0", ref="card"), Edit(place=THREAD, ref="card", body="1")]
    for number, action in enumerate(actions, 2):
        sealed = await nerves.outbox.seal(first.owner, f"q{number}.0", action)
        row = await nerves.store.commit(partial(nerves.outbox.put, owner=first.owner, item=sealed, created=first.created))
        rows.append(replace(first, number=row, txn=f"q{number}.0", action=action))
    post, edit = rows
    for _ in range(3):
        with pytest.raises(TryAgain):
            await posting.posts.perform(edit)
        nerves.clock.at += 100
    await posting.posts.perform(replace(edit, txn="q4.0", number=edit.number + 1, action=first.action))
    assert posting.edge.sent == []
    await posting.posts.perform(post)
    await posting.posts.perform(edit)
    assert posting.edge.sent == ["q2.0", "q3.0"]
    assert await nerves.count("outbox") == 0


async def test_an_edit_does_not_miss_a_message_that_comes_just_then(
    nerves: Nerves, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is posted between the two looks of its edit, in the index and in the outbox: it is edited."""
    posting = Posting(nerves)
    post = await posting.task(Post(place=THREAD, body="0", ref="card"))

    async def just_then(_task: Task, _edit: Edit) -> bool:
        await posting.posts.perform(post)
        return False

    monkeypatch.setattr(posting.posts._pace, "to_come", just_then)
    await posting.posts.perform(replace(post, number=2, txn="q2.0", action=Edit(place=THREAD, ref="card", body="1")))
    assert posting.edge.sent == ["q1.0", "q2.0"]


async def test_an_edit_behind_very_many_posts_looks_at_some(nerves: Nerves) -> None:
    """In a rush an edit waits unseen for its turn, so that looking for its message costs the same however many come."""
    posting = Posting(nerves)
    first = await posting.task(Edit(place=THREAD, ref="gone", body="1"))
    for number in range(2, MOST_EARLIER + 2):
        sealed = await nerves.outbox.seal(first.owner, f"q{number}.0", Post(place=THREAD, body="0", ref=f"r{number}"))
        await nerves.store.commit(partial(nerves.outbox.put, owner=first.owner, item=sealed, created=first.created))
    late = replace(first, number=1_000_000)
    with pytest.raises(TryAgain):
        await posting.posts.perform(late)
    await nerves.store.commit(lambda conn: conn.execute("DELETE FROM outbox WHERE txn = 'q2.0'"))
    await posting.posts.perform(late)
    assert posting.edge.sent == []
