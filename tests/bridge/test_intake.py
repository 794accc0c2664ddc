"""The way in from the homeserver: which event becomes what, once, and whose inbox it goes to."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.actions import DESK, OFFICE, THREAD, Post
from bot.events import Content, IdentityChanged, Joined, Left, LevelsSet, NotHeard, Relation, Said, Tapped, Unsaid, Why
from bridge.early_taps import EARLY
from bridge.matrix import items
from bridge.outbox import Task
from tests.fakes.nerves import Nerves
from tests.fakes.paper_rooms import PaperRooms, WayDown
from tests.fakes.posting import Posting
from tests.fakes.sink import (
    ADA,
    DESK_ROOM,
    OFFICE_ROOM,
    POLICY,
    THREAD_ROOM,
    VOICE,
    WARM_ROOM,
    Sink,
    message,
    plain,
    tap,
    words,
)


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[Sink]:
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.engine.load()
    made = Sink(nerves)
    await made.furnish()
    yield made
    await nerves.end()


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
    ("content", "kind", "body"),
    [
        (words("hi"), Content.TEXT, "hi"),
        ({"msgtype": "m.image", "body": "a.png"}, Content.FILE, "a.png"),
        ({"msgtype": "m.audio", "body": "a"}, Content.FILE, "a"),
        ({"msgtype": "m.emote", "body": "waves"}, Content.OTHER, "waves"),
        ({"msgtype": "m.text", "body": 7}, Content.OTHER, ""),
        ({"msgtype": "m.text"}, Content.OTHER, ""),
        ({"body": "no type"}, Content.OTHER, "no type"),
        ({"msgtype": ["m.image"], "body": "x"}, Content.OTHER, "x"),
        ({}, Content.OTHER, ""),
    ],
)
async def test_only_plain_words_are_text(sink: Sink, content: dict[str, Any], kind: Content, body: str) -> None:
    """Text is what says it is text and has words; everything else is something else, however malformed it is."""
    said = await sink.said(content)
    assert (said.content, said.body) == (kind, body)


@pytest.mark.parametrize(
    ("inner", "clear", "relation"),
    [
        (None, None, Relation.NONE),
        ({"m.in_reply_to": {"event_id": "$texter"}}, None, Relation.TEXTER_REPLY),
        ({"m.in_reply_to": {"event_id": "$card"}}, None, Relation.OTHER_REPLY),
        ({"m.in_reply_to": {"event_id": "$unknown"}}, None, Relation.OTHER_REPLY),
        ({"m.in_reply_to": {"event_id": 7}}, None, Relation.OTHER_REPLY),
        (None, {"m.in_reply_to": {"event_id": "$texter"}}, Relation.TEXTER_REPLY),
        ({"rel_type": "m.thread", "event_id": "$texter"}, None, Relation.THREAD),
        (None, {"rel_type": "m.thread", "event_id": "$texter"}, Relation.THREAD),
        ({"m.in_reply_to": {"event_id": "$texter"}}, {"rel_type": "m.thread", "event_id": "$x"}, Relation.THREAD),
        ({"rel_type": "m.replace", "event_id": "$old"}, None, Relation.EDIT),
        ({"rel_type": "org.unheard.of", "event_id": "$texter"}, None, Relation.OTHER_REPLY),
        ("no object", None, Relation.NONE),
    ],
)
async def test_relations(sink: Sink, inner: Any, clear: dict[str, Any] | None, relation: Relation) -> None:
    """Only a reply to the texter's own words is an answer; threads count wherever they are written; doubt is a note."""
    await sink.ours("$texter", "in:1:0")
    await sink.ours("$card", "card")
    content = words("hi") if inner is None else words("hi", **{"m.relates_to": inner})
    assert (await sink.said(content, clear=clear)).relation is relation


async def test_an_edit_is_its_new_words(sink: Sink) -> None:
    """Of an edit the new content is taken, with its target; an edit without new content is what it shows."""
    relation = {"rel_type": "m.replace", "event_id": "$old"}
    said = await sink.said(words("* new", **{"m.new_content": words("new"), "m.relates_to": relation}))
    assert (said.relation, said.target, said.body) == (Relation.EDIT, "$old", "new")
    ((_, bare),) = await sink.see(message(words("* new", **{"m.relates_to": relation}), event_id="$2"))
    assert isinstance(bare, Said)
    assert (bare.relation, bare.body) == (Relation.EDIT, "* new")


@pytest.mark.parametrize(
    ("more", "mentions"),
    [
        ({}, False),
        ({"m.mentions": {}}, False),
        ({"m.mentions": {"user_ids": []}}, False),
        ({"m.mentions": {"user_ids": [ADA]}}, True),
        ({"m.mentions": {"user_ids": "all"}}, False),
        ({"m.mentions": {"room": True}}, True),
        ({"formatted_body": '<a href="https://matrix.to/#/@bea:x">bea</a>'}, True),
        ({"formatted_body": '<a href="https://matrix.to/#/%40bea:x">bea</a>'}, True),
        ({"formatted_body": '<a href="MATRIX:U/bea:x">bea</a>'}, True),
        ({"formatted_body": "<b>loud</b>"}, False),
        ({"formatted_body": '<mx-reply><a href="https://matrix.to/#/@bea:x">bea</a></mx-reply>hi'}, False),
    ],
)
async def test_who_calls_somebody_is_not_speaking_to_the_phone(sink: Sink, more: dict[str, Any], mentions: bool) -> None:
    """A mention is one in every form that clients write; a quote that clients add is none."""
    assert (await sink.said(words("hi", **more))).mentions is mentions


@pytest.mark.parametrize("whom", [VOICE, POLICY, ADA])
@pytest.mark.parametrize(
    "relation",
    [
        {"m.in_reply_to": {"event_id": "$texter"}},
        {"m.in_reply_to": {"event_id": "$card"}},
        {"rel_type": "m.replace", "event_id": "$old"},
    ],
    ids=["answer", "reply to us", "edit"],
)
async def test_an_answer_to_us_mentions_nobody(sink: Sink, relation: dict[str, Any], whom: str) -> None:
    """Clients mention whom they reply to, and again in an edit of the reply: when it is one of us, that is no call."""
    await sink.ours("$texter", "in:1:0")
    await sink.ours("$card", "card")
    shown = words("hi", **{"m.mentions": {"user_ids": [whom]}})
    said = await sink.said({**shown, "m.new_content": shown, "m.relates_to": relation})
    assert said.mentions is (whom == ADA)
    assert said.named == ((ADA,) if whom == ADA else ())


@pytest.mark.practice(36)
@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("> <@line-a:line.example> I am scared\n> of him\n\nI hear you.", "I hear you."),
        ("> <@ana:line.example> one\n> \n> two\n\n!redact", "!redact"),
        ("> * <@ana:line.example> waves\n\n!unsafe\nnow", "!unsafe\nnow"),
        ("> <@ana:line.example> one\n!redact", "!redact"),
        ("> <@ana:line.example> one", ""),
        ("> not a quote of anybody\n\nx", "> not a quote of anybody\n\nx"),
    ],
)
async def test_quoted_lines_come_off_every_reply(sink: Sink, body: str, left: str) -> None:
    """Earlier words do not go back onto a phone (practice 36), and a command is one behind a quote as well."""
    await sink.ours("$texter", "in:1:0")
    for number, target in enumerate(("$texter", "$other")):
        reply = words(body, **{"m.relates_to": {"m.in_reply_to": {"event_id": target}}})
        ((_, said),) = await sink.see(message(reply, event_id=f"$reply{number}"))
        assert isinstance(said, Said)
        assert said.body == left
    ((_, alone),) = await sink.see(message(words(body), event_id="$alone"))
    assert isinstance(alone, Said)
    assert alone.body == body, "what is no reply stays as it was typed"


async def test_who_answers_a_notice_means_what_it_is_about(sink: Sink) -> None:
    """A reply to a notice of ours counts as one to the message that the notice is on; to a card, it knows which."""
    posting = Posting(sink.nerves)
    notice = Post(place=THREAD, body="Held: say !anyway.", reply_to="$held")
    await sink.nerves.store.commit(
        lambda conn: conn.execute("UPDATE thread SET room_id = $1 WHERE id = $2", THREAD_ROOM, sink.thread)
    )
    await posting.posts.perform(Task(number=1, owner=sink.thread, txn="q1.0", created=0, action=notice))
    await sink.ours("$card", "card:1")
    for number, (target, meant, ref) in enumerate((("$q1.0", "$held", ""), ("$card", "$card", "card:1"))):
        reply = words("!anyway", **{"m.relates_to": {"m.in_reply_to": {"event_id": target}}})
        ((_, said),) = await sink.see(message(reply, event_id=f"$reply{number}"))
        assert isinstance(said, Said)
        assert (said.relation, said.target, said.ref) == (Relation.OTHER_REPLY, meant, ref)


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        ("m.sticker", True),
        ("m.poll.start", True),
        ("org.matrix.msc3381.poll.start", True),
        ("m.message", True),
        ("m.poll.response", False),
        ("m.key.verification.request", False),
        ("m.call.invite", False),
    ],
)
async def test_what_looks_like_a_message_is_heard_as_one(sink: Sink, kind: str, heard: bool) -> None:
    """Stickers and polls stand in the room like messages, so whoever sent one hears that it did not leave."""
    told = await sink.see(message({"msgtype": "m.text", "body": "x"}, kind=kind))
    assert [(event.content, event.body) for _, event in told if isinstance(event, Said)] == (
        [(Content.OTHER, "x")] if heard else []
    )


@pytest.mark.parametrize(
    ("item", "event"),
    [
        (items.Untrusted(event_id="$e", room_id=DESK_ROOM, sender=ADA, at=0), Why.UNTRUSTED),
        (items.Unreadable(event_id="$e", room_id=DESK_ROOM, sender=ADA, at=0), Why.UNREADABLE),
        (dataclasses.replace(plain("m.room.message", words("hi")), event_id="$e"), Why.UNENCRYPTED),
    ],
    ids=["untrusted", "unreadable", "in clear"],
)
async def test_what_is_not_heard_is_said_why(sink: Sink, item: items.Item, event: Why) -> None:
    """Unsigned devices, missing keys and messages in clear are not read; their sender can be told why."""
    assert await sink.see(item) == [(DESK, NotHeard(place=DESK, sender=ADA, event_id="$e", why=event))]


async def test_memberships_levels_and_identities(sink: Sink) -> None:
    """Joins, departures, the desk's levels and new identities are told; what changes nothing is not."""

    def moved(membership: str, previous: str, event_id: str) -> items.Membership:
        return items.Membership(
            room_id=DESK_ROOM,
            user_id=ADA,
            membership=membership,
            sender=ADA,
            previous=previous,
            event_id=event_id,
            at=0,
        )

    def levels(room: str, event_id: str) -> items.PowerLevels:
        return items.PowerLevels(
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
        items.IdentityChanged(user_id=ADA, master_key="k", first=False),
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
    ]
    keys = ["msgtype", "body", "m.relates_to", "m.new_content", "m.mentions", "rel_type", "event_id", "m.in_reply_to"]
    keys += ["user_ids", "room", "formatted_body", "key"]

    def anything(depth: int) -> Any:
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(leaves)
        return {key: anything(depth - 1) for key in chance.sample(keys, chance.randrange(len(keys)))}

    def content() -> dict[str, Any]:
        return {key: anything(3) for key in keys if chance.random() < 0.7}

    await sink.ours("$texter", "in:1:0")
    seen: list[items.Item] = []
    for n in range(400):
        clear = anything(2)
        seen.append(message(content(), event_id=f"$said{n}", clear=clear if isinstance(clear, dict) else None))
        kind = chance.choice(["m.reaction", "m.room.message", "m.room.redaction", "m.unheard.of"])
        seen.append(dataclasses.replace(plain(kind, content(), room=THREAD_ROOM), event_id=f"$plain{n}"))
    told = await sink.see(*seen)
    assert len([event for _, event in told if isinstance(event, Said)]) == 400


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
