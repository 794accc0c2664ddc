"""The way in from the homeserver: which event becomes what, once, and whose inbox it goes to."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from bot.model.actions import DESK, OFFICE, THREAD, Post
from bot.model.events import IdentityChanged, Joined, Left, LevelsSet, NotHeard, Said, Tapped, Unsaid, Why
from bridge.matrix.api import events
from bridge.matrix.api.json_fields import BAD_DATA
from bridge.outbound.dispatcher import Task
from bridge.tables.pending_reactions import EARLY
from tests.fakes.paper_rooms import PaperRooms, WayDown
from tests.fakes.posting import Posting
from tests.fakes.sink import (
    ADA,
    DESK_ROOM,
    KEEPER,
    OFFICE_ROOM,
    THREAD_ROOM,
    VOICE,
    WARM_ROOM,
    Sink,
    message,
    plain,
    tap,
    words,
)


async def test_words_reach_the_inbox_of_their_place(sink: Sink) -> None:
    """What is said in a thread goes to the thread; at the desk and in an office, to the desk with the place's name."""
    for room, owner, place in (
        (THREAD_ROOM, sink.thread, THREAD),
        (DESK_ROOM, DESK, DESK),
        (OFFICE_ROOM, DESK, OFFICE + ADA),
    ):
        told = await sink.see(message(words("hi"), room=room, event_id=f"${room}"))
        expected = Said(place=place, sender=ADA, event_id=f"${room}", body="hi", at=1_799_999_999.5)
        assert told == [(owner, expected)]


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 3600.0])
async def test_words_are_as_old_as_they_are_when_the_clock_was_set(sink: Sink, ahead: float) -> None:
    """The homeserver stamps with a clock that somebody set: said a second ago is a second ago, by our own clock."""
    sink.nerves.clock.ahead = ahead
    stamped = int((sink.nerves.clock.machine() - 1) * 1000)
    [(_, event)] = await sink.see(dataclasses.replace(message(words("hi")), at=stamped))
    assert isinstance(event, Said)
    assert event.at == sink.nerves.clock.at - 1
    assert await sink.nerves.store.fetchval("SELECT at FROM event") == event.at * 1000


async def test_nothing_was_said_in_the_future(sink: Sink) -> None:
    """Words that were stamped before the clock was set back are as new as can be, and no newer."""
    late = int((sink.nerves.clock.at + 3600) * 1000)
    [(_, event)] = await sink.see(dataclasses.replace(message(words("hi")), at=late))
    assert isinstance(event, Said)
    assert event.at == sink.nerves.clock.at


@pytest.mark.parametrize("room", [WARM_ROOM, "!elsewhere"])
async def test_rooms_that_belong_to_nobody_are_not_heard(sink: Sink, room: str) -> None:
    """Warm rooms and rooms that are not ours have no inbox."""
    assert await sink.see(message(words("hi"), room=room), tap("$x", room=room)) == []


async def test_an_event_counts_once(sink: Sink) -> None:
    """The same event in a later response, as after a crash or a gap, changes nothing."""
    assert len(await sink.see(message(words("hi")))) == 1
    assert await sink.see(message(words("hi"))) == []


async def test_a_commit_that_fails_keeps_nothing(sink: Sink) -> None:
    """When the response's commit fails, the event is new again at the next time."""
    sink.nerves.store.full = True
    with pytest.raises(Exception, match="full"):
        await sink.see(message(words("hi")))
    sink.nerves.store.full = False
    assert len(await sink.see(message(words("hi")))) == 1


async def test_nobody_is_forgotten_between_two_commits(sink: Sink) -> None:
    """Whoever got something is woken, also when a second commit comes before the first was told of."""
    store, intake = sink.nerves.store, sink.intake
    await store.commit(lambda conn: intake.take(conn, [message(words("hi"))]))
    await store.commit(lambda conn: intake.take(conn, [message(words("hi"), room=DESK_ROOM, event_id="$2")]))
    intake.committed()
    assert set(sink.woken) == {sink.thread, DESK}
    sink.woken.clear()
    await store.commit(lambda conn: intake.take(conn, [message(words("hi"), event_id="$3")]))
    intake.committed()
    assert sink.thread in sink.woken


@pytest.mark.parametrize(
    ("item", "event"),
    [
        (events.Untrusted(event_id="$e", room_id=DESK_ROOM, sender=ADA, at=0), Why.UNTRUSTED),
        (events.Unreadable(event_id="$e", room_id=DESK_ROOM, sender=ADA, at=0), Why.UNREADABLE),
        (dataclasses.replace(plain("m.room.message", words("hi")), event_id="$e"), Why.UNENCRYPTED),
    ],
    ids=["untrusted", "unreadable", "in clear"],
)
async def test_what_is_not_heard_is_said_why(sink: Sink, item: events.Item, event: Why) -> None:
    """Unsigned devices, missing keys and messages in clear are not read; their sender can be told why."""
    assert await sink.see(item) == [(DESK, NotHeard(place=DESK, sender=ADA, event_id="$e", why=event))]


async def test_memberships_levels_and_identities(sink: Sink) -> None:
    """Joins, departures, the desk's levels and new identities are told; what changes nothing is not."""

    def moved(membership: str, previous: str, event_id: str) -> events.Membership:
        return events.Membership(
            room_id=DESK_ROOM,
            user_id=ADA,
            membership=membership,
            sender=ADA,
            previous=previous,
            event_id=event_id,
            at=0,
        )

    def levels(room: str, event_id: str) -> events.PowerLevels:
        return events.PowerLevels(
            room_id=room, users={"@b:x": 0, "@a:x": 50}, sender=ADA, event_id=event_id, at=0, bent=True
        )

    told = await sink.see(
        moved("join", "invite", "$1"),
        moved("join", "join", "$2"),
        moved("invite", "", "$3"),
        moved("leave", "join", "$4"),
        moved("ban", "leave", "$5"),
        levels(DESK_ROOM, "$6"),
        levels(THREAD_ROOM, "$7"),
        events.IdentityChanged(user_id=ADA, master_key="k", first=False),
    )
    assert told == [
        (DESK, LevelsSet(users=())),
        (DESK, Joined(place=DESK, user=ADA)),
        (DESK, Left(place=DESK, user=ADA)),
        (DESK, Left(place=DESK, user=ADA)),
        (DESK, LevelsSet(users=(("@a:x", 50), ("@b:x", 0)), bent=True)),
        (DESK, IdentityChanged(user=ADA, master_key="k")),
    ]


async def test_a_redaction_is_unsaying(sink: Sink) -> None:
    """Who redacts unsays; a redaction of nothing is passed over."""
    told = await sink.see(
        plain("m.room.redaction", {}, room=THREAD_ROOM, redacts="$said"),
        dataclasses.replace(plain("m.room.redaction", {}, room=THREAD_ROOM), event_id="$other"),
    )
    assert told == [(sink.thread, Unsaid(place=THREAD, sender=ADA, target="$said"))]
    await sink.ours("$card", "card:1")
    told = await sink.see(
        dataclasses.replace(plain("m.room.redaction", {}, room=DESK_ROOM, redacts="$card"), event_id="$r")
    )
    assert told == [(DESK, Unsaid(place=DESK, sender=ADA, target="$card", ref="card:1"))]


@pytest.mark.parametrize("relation", [None, "x", {}, {"event_id": 7, "key": "✋"}, {"event_id": "$x", "key": ["✋"]}])
async def test_a_malformed_reaction_is_passed_over(sink: Sink, relation: Any) -> None:
    """A reaction that is none changes nothing and hinders nothing."""
    told = await sink.see(plain("m.reaction", {"m.relates_to": relation}), message(words("hi")))
    assert len(told) == 1


async def test_no_content_can_kill_the_sync(sink: Sink) -> None:
    """Whatever a trusted device encrypts, one event never costs more than itself: the commit goes through."""
    chance = random.Random(4711)  # noqa: S311 - chosen once, so that a failure can be repeated
    leaves: list[Any] = [
        None,
        True,
        0,
        -1,
        2**53 - 1,
        0.5,
        "",
        "x",
        "m.text",
        "m.thread",
        "m.replace",
        "$texter",
        "\0",
        [],
        {},
        ["x"],
        [{}],
        [{"id": VOICE}, {"user_ids": [VOICE]}],
        [[]],
        [[[VOICE]], [1]],
        [None, True, 0, 0.5, 2**70],
        [VOICE, {"id": VOICE}, ADA, None],
    ]
    keys = ["msgtype", "body", "m.relates_to", "m.new_content", "m.mentions", "rel_type", "event_id", "m.in_reply_to"]
    keys += ["user_ids", "room", "formatted_body", "format", "key", "info", "file", "url"]
    keys += ["thumbnail_file", "thumbnail_url"]

    def anything(depth: int) -> Any:
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(leaves)
        return {key: anything(depth - 1) for key in chance.sample(keys, chance.randrange(len(keys)))}

    def content() -> dict[str, Any]:
        return {key: anything(3) for key in keys if chance.random() < 0.7}

    await sink.ours("$texter", "in:1:0")
    seen: list[events.Item] = []
    for n in range(400):
        clear = anything(2)
        seen.append(message(content(), event_id=f"$said{n}", clear=clear if isinstance(clear, dict) else None))
        kind = chance.choice(["m.reaction", "m.room.message", "m.room.redaction", "m.unheard.of"])
        seen.append(dataclasses.replace(plain(kind, content(), room=THREAD_ROOM), event_id=f"$plain{n}"))
    told = await sink.see(*seen)
    assert len([event for _, event in told if isinstance(event, Said)]) == 400


@pytest.mark.parametrize("bad", [{"id": ADA}, {}, [], [ADA], None, 7, 0.5, True])
@pytest.mark.parametrize("relation", [{"m.in_reply_to": {"event_id": "$x"}}, {"rel_type": "m.replace", "event_id": "$x"}])
async def test_who_is_named_by_no_string_is_not_named(sink: Sink, bad: Any, relation: dict[str, Any]) -> None:
    """What stands among the mentioned and is no string is passed over, in answers and edits too; the words arrive."""
    named = {**words("hi"), "m.mentions": {"user_ids": [bad, VOICE, ADA, bad]}}
    said = await sink.said({**named, "m.relates_to": relation, "m.new_content": named})
    assert (said.body, said.named, said.mentions) == ("hi", (ADA,), True)
    named["m.mentions"] = {"user_ids": [bad]}
    [(_, again)] = await sink.see(message({**named, "m.relates_to": relation, "m.new_content": named}, event_id="$again"))
    assert isinstance(again, Said)
    assert (again.body, again.named, again.mentions) == ("hi", (), False)


class Unforeseen(dict[str, Any]):
    """Content that nobody thought of."""

    def __init__(self, error: type[Exception]) -> None:
        super().__init__()
        self.error = error

    def get(self, key: str, default: Any = None) -> Any:
        raise self.error


@pytest.mark.parametrize("error", BAD_DATA)
async def test_what_cannot_be_read_costs_itself_alone(sink: Sink, error: type[Exception]) -> None:
    """Content that nobody thought of: its author hears that it was not heard, it is noted for deletion, the rest comes."""
    bad = Unforeseen(error)
    told = await sink.see(
        message(bad, event_id="$bad"),
        message(bad, room=WARM_ROOM, event_id="$warm"),
        plain("m.reaction", bad),
        message(words("hi"), event_id="$good"),
    )
    unread = NotHeard(place=THREAD, sender=ADA, event_id="$bad", why=Why.UNREADABLE)
    assert told[0] == (sink.thread, unread)
    assert [event.body for _, event in told[1:] if isinstance(event, Said)] == ["hi"]
    assert len(told) == 2
    noted = {row["event_id"] for row in await sink.nerves.store.fetch("SELECT event_id FROM event")}
    assert noted == {"$bad", "$warm", "$plain", "$good"}


async def test_a_tap_knows_what_it_is_on_and_who_may(sink: Sink) -> None:
    """A tap on an event of ours carries its `ref`, and whether its author has a confirmed device."""
    await sink.ours("$card", "card:1")
    expected = Tapped(place=THREAD, sender=ADA, event_id="$plain", key="✋", target="card:1", trusted=False)
    assert await sink.see(tap("$card", room=THREAD_ROOM)) == [(sink.thread, expected)]

    async def trust(conn: Any) -> None:
        await conn.execute("INSERT INTO matrix_confirmed (user_id, master_key) VALUES ($1, 'k')", ADA)
        await conn.execute("INSERT INTO matrix_device VALUES ($1, 'D', 'c', 'e', TRUE, 'k')", ADA)

    await sink.nerves.store.commit(trust)
    again = dataclasses.replace(tap("$card", room=THREAD_ROOM), event_id="$again")
    assert await sink.see(again) == [(sink.thread, dataclasses.replace(expected, event_id="$again", trusted=True))]


async def test_a_tap_on_a_card_we_have_not_noted_yet_is_not_lost(sink: Sink) -> None:
    """We were killed after the homeserver had the card: whoever tapped it meanwhile is heard when it is noted."""
    posting = Posting(sink.nerves)
    task = Task(
        number=1,
        owner=DESK,
        txn="q1.0",
        created=int(sink.nerves.clock.wall()),
        action=Post(place=DESK, body="somebody waits", ref="card:1"),
    )
    early = Tapped(place=DESK, sender=ADA, event_id="$plain", key="✋", target="", trusted=False)
    assert await sink.see(tap("$q1.0")) == [(DESK, early)]
    await posting.posts.perform(task)
    assert await sink.inboxes() == [(DESK, dataclasses.replace(early, target="card:1"))]
    assert posting.woken == [DESK]
    await posting.posts.perform(task)
    assert await sink.inboxes() == []


async def test_taps_on_what_is_not_ours_are_forgotten(sink: Sink) -> None:
    """A tap on somebody's words is no riddle; one on something unknown is kept for a day."""
    await sink.see(message(words("hi"), room=DESK_ROOM))
    await sink.see(tap("$said"), dataclasses.replace(tap("$nothing"), event_id="$other"))
    assert await sink.nerves.count("early_tap") == 1
    nerves = sink.nerves
    sweep = WayDown(nerves, PaperRooms()).sweep
    nerves.clock.at += EARLY + 1
    await sweep.once()
    assert await nerves.count("early_tap") == 0


async def test_who_keeps_the_rooms_hears_that_one_of_ours_was_removed(sink: Sink) -> None:
    """The keeper of rooms is woken after the commit, once, and nothing reaches the desk as if somebody had left."""
    assert await sink.see(events.Ousted(room_id=DESK_ROOM, user_id=VOICE)) == []
    assert sink.woken == [KEEPER]
    await sink.see(message(words("hi")))
    assert sink.woken == [KEEPER, sink.thread]
