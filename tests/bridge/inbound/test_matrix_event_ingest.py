"""The way in from the homeserver: which event becomes what, once, and whose inbox it goes to."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from bot.model.actions import DESK, OFFICE, THREAD, SendMessage
from bot.model.events import (
    IdentityChanged,
    IdentityConfirmed,
    IgnoreReason,
    MemberJoined,
    MemberLeft,
    MemberNamed,
    MemberReturned,
    MessageIgnored,
    MessageRedacted,
    MessageSent,
    PowerLevelsChanged,
    ReactionAdded,
)
from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind
from bridge.matrix.api import events
from bridge.matrix.api.json_fields import BAD_DATA
from bridge.matrix.rooms.room_state import set_owner
from bridge.outbound.dispatcher import OutboxTask
from bridge.storage.errors import Unavailable
from bridge.tables import threads
from tests.fakes.ingest_harness import (
    ADA,
    DESK_ROOM,
    OFFICE_ROOM,
    PUPPET,
    ROOM_PROVISIONER,
    THREAD_ROOM,
    WARM_ROOM,
    IngestHarness,
    message,
    reaction,
    text_content,
    unencrypted,
)
from tests.fakes.room_sender_harness import RoomSenderHarness


async def test_words_reach_the_inbox_of_their_place(ingest: IngestHarness) -> None:
    """What is said in a thread goes to the thread; at the desk and in an office, to the desk with the place's name."""
    for room, owner, place in (
        (THREAD_ROOM, ingest.thread, THREAD),
        (DESK_ROOM, DESK, DESK),
        (OFFICE_ROOM, DESK, OFFICE + ADA),
    ):
        inbox_events = await ingest.take(message(text_content("hi"), room=room, event_id=f"${room}"))
        expected = MessageSent(place=place, sender=ADA, event_id=f"${room}", body="hi", at=1_799_999_999.5)
        assert inbox_events == [(owner, expected)]


async def test_nothing_was_said_in_the_future(ingest: IngestHarness) -> None:
    """Words that were stamped before the clock was set back are as new as can be, and no newer."""
    late = int((ingest.harness.clock.at + 3600) * 1000)
    [(_, event)] = await ingest.take(dataclasses.replace(message(text_content("hi")), at=late))
    assert isinstance(event, MessageSent)
    assert event.at == ingest.harness.clock.at


@pytest.mark.parametrize("room", [WARM_ROOM, "!elsewhere"])
async def test_rooms_that_belong_to_nobody_are_not_heard(ingest: IngestHarness, room: str) -> None:
    """Warm rooms and rooms that are not ours have no inbox."""
    assert await ingest.take(message(text_content("hi"), room=room), reaction("$x", room=room)) == []


async def test_an_event_counts_once(ingest: IngestHarness) -> None:
    """The same event in a later response, as after a crash or a gap, changes nothing."""
    assert len(await ingest.take(message(text_content("hi")))) == 1
    assert await ingest.take(message(text_content("hi"))) == []


async def test_a_commit_that_fails_keeps_nothing(ingest: IngestHarness) -> None:
    """When the response's commit fails, the event is new again at the next time."""
    ingest.harness.database.full = True
    with pytest.raises(Unavailable, match="FULL"):
        await ingest.take(message(text_content("hi")))
    ingest.harness.database.full = False
    assert len(await ingest.take(message(text_content("hi")))) == 1


async def test_nobody_is_forgotten_between_two_commits(ingest: IngestHarness) -> None:
    """Whoever got something is woken, also when a second commit comes before the first was told of."""
    database, intake = ingest.harness.database, ingest.ingest
    await database.commit(lambda transaction: intake.ingest(transaction, [message(text_content("hi"))]))
    await database.commit(
        lambda transaction: intake.ingest(transaction, [message(text_content("hi"), room=DESK_ROOM, event_id="$2")])
    )
    intake.after_commit()
    assert set(ingest.woken) == {ingest.thread, DESK}
    ingest.woken.clear()
    await database.commit(lambda transaction: intake.ingest(transaction, [message(text_content("hi"), event_id="$3")]))
    intake.after_commit()
    assert ingest.thread in ingest.woken


@pytest.mark.parametrize(
    ("item", "event"),
    [
        (events.UntrustedMessage(event_id="$e", room_id=DESK_ROOM, sender=ADA, at=0), IgnoreReason.UNTRUSTED),
        (events.UndecryptableEvent(event_id="$e", room_id=DESK_ROOM, sender=ADA, at=0), IgnoreReason.UNREADABLE),
        (dataclasses.replace(unencrypted("m.room.message", text_content("hi")), event_id="$e"), IgnoreReason.UNENCRYPTED),
    ],
    ids=["untrusted", "unreadable", "in clear"],
)
@pytest.mark.practice(6)
async def test_what_is_not_heard_is_said_why(ingest: IngestHarness, item: events.MatrixEvent, event: IgnoreReason) -> None:
    """Unsigned devices, missing keys and messages in clear are not read; their sender can be told why."""
    assert await ingest.take(item) == [(DESK, MessageIgnored(place=DESK, sender=ADA, event_id="$e", reason=event))]


async def test_what_stops_a_phone_reaches_its_thread_from_any_device(ingest: IngestHarness) -> None:
    """The beginning of such a command goes to the thread, and from the desk's room nowhere."""
    item = events.UntrustedMessage(event_id="$e", room_id=THREAD_ROOM, sender=ADA, at=0, command="!unsafe")
    ignored = MessageIgnored(place=THREAD, sender=ADA, event_id="$e", reason=IgnoreReason.UNTRUSTED, command="!unsafe")
    assert await ingest.take(item) == [(ingest.thread, ignored)]
    clear = unencrypted("m.room.message", text_content(" !unsafe "), room=THREAD_ROOM)
    (_, heard), *rest = await ingest.take(dataclasses.replace(clear, event_id="$c"))
    assert heard == dataclasses.replace(ignored, event_id="$c", reason=IgnoreReason.UNENCRYPTED)
    words = unencrypted("m.room.message", text_content("is it unsafe?"), room=THREAD_ROOM)
    (_, unheard), *more = await ingest.take(dataclasses.replace(words, event_id="$w"))
    assert isinstance(unheard, MessageIgnored)
    assert (unheard.command, rest, more) == ("", [], [])
    at_desk = dataclasses.replace(item, event_id="$d", room_id=DESK_ROOM)
    assert [event.command for _, event in await ingest.take(at_desk) if isinstance(event, MessageIgnored)] == [""]


async def test_an_upload_from_any_device_is_noted_with_its_message(ingest: IngestHarness) -> None:
    """It is deleted with the message or the room, also if the device is not trusted; one at another homeserver is not."""
    here = PUPPET.partition(":")[2]
    uploads = (f"mxc://{here}/fromThisPhone", "mxc://elsewhere.example/fromThisPhone")
    await ingest.take(
        events.UntrustedMessage(event_id="$e", room_id=THREAD_ROOM, sender=ADA, at=0, uploads=uploads),
        message(
            {"msgtype": "m.image", "body": "a.png", "url": f"mxc://{here}/fromAnother"}, event_id="$f", room=THREAD_ROOM
        ),
    )
    rows = await ingest.harness.database.fetch("SELECT mxc, event_id FROM matrix_upload WHERE room_id = $1", THREAD_ROOM)
    assert {row["mxc"]: row["event_id"] for row in rows} == {uploads[0]: "$e", f"mxc://{here}/fromAnother": "$f"}


async def test_memberships_levels_and_identities(ingest: IngestHarness) -> None:
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
            room_id=room, users={"@b:x": 0, "@a:x": 50}, sender=ADA, event_id=event_id, at=0, tampered=True
        )

    inbox_events = await ingest.take(
        moved("join", "invite", "$1"),
        moved("join", "join", "$2"),
        moved("invite", "", "$3"),
        moved("leave", "join", "$4"),
        moved("ban", "leave", "$5"),
        levels(DESK_ROOM, "$6"),
        events.IdentityChanged(user_id=ADA, master_key="k", first=False),
        events.IdentityConfirmed(user_id=ADA),
    )
    assert inbox_events == [
        (DESK, PowerLevelsChanged(users=())),
        (DESK, MemberJoined(place=DESK, user=ADA)),
        (DESK, MemberLeft(place=DESK, user=ADA)),
        (DESK, MemberLeft(place=DESK, user=ADA)),
        (DESK, PowerLevelsChanged(users=(("@a:x", 50), ("@b:x", 0)), tampered=True)),
        (DESK, IdentityChanged(user=ADA, master_key="k")),
        (DESK, IdentityConfirmed(user=ADA)),
    ]


@pytest.mark.parametrize("how", ["closed", "removed", "levels"])
async def test_a_threads_room_that_an_administrator_changed_is_told_at_the_desk(ingest: IngestHarness, how: str) -> None:
    """Whoever writes in it may be cut off, and there nobody else would read it. It is told once, and not of other rooms."""

    def change(room: str) -> events.PowerLevels | events.RoomLost:
        if how == "levels":
            return events.PowerLevels(room_id=room, users={}, sender=ADA, event_id="$c", at=0, tampered=True)
        return events.RoomLost(room_id=room, sender=ADA, event_id="$c", at=0, how=how)

    assert await ingest.take(change("!elsewhere")) == []
    designation = await threads.designation_of(ingest.harness.database, ingest.thread)
    incident = HomeserverIncident(kind=HomeserverIncidentKind.ROOM_CHANGED, designation=designation)
    assert await ingest.take(change(THREAD_ROOM), change(THREAD_ROOM)) == [(DESK, incident)]


async def test_who_is_there_again_is_told_to_whose_room_it_is(ingest: IngestHarness) -> None:
    """To the desk of desk and offices, to a thread of its own room, to nobody of a room that is nobody's."""
    rooms = (DESK_ROOM, THREAD_ROOM, "!elsewhere")
    inbox_events = await ingest.take(*(events.MemberReturned(room_id=room, user_id=ADA) for room in rooms))
    assert inbox_events == [
        (DESK, MemberReturned(place=DESK, user=ADA)),
        (ingest.thread, MemberReturned(place=THREAD, user=ADA)),
    ]
    await ingest.harness.database.commit(lambda transaction: set_owner(transaction, THREAD_ROOM, ""))
    assert await ingest.take(events.MemberReturned(room_id=THREAD_ROOM, user_id=ADA)) == []


async def test_a_name_of_the_desk_is_told_sealed(ingest: IngestHarness) -> None:
    """What a member calls themselves reaches the desk, each time; the database has it under the desk's key alone."""
    named = events.MemberNamed(room_id=DESK_ROOM, user_id=ADA, name="Wilhelmina")
    assert await ingest.take(named) == [(DESK, MemberNamed(user=ADA, name="Wilhelmina"))]
    database = ingest.harness.database
    await database.commit(lambda transaction: ingest.ingest.ingest(transaction, [named]))
    rows = [bytes(row["body"]) for row in await database.fetch("SELECT body FROM inbox")]
    assert len(rows) == 1
    assert b"wilhelmina" not in rows[0].lower()
    assert "Wilhelmina" not in repr((named, MemberNamed(user=ADA, name=named.name)))


async def test_a_redaction_is_unsaying(ingest: IngestHarness) -> None:
    """Who redacts unsays; a redaction of nothing is passed over."""
    inbox_events = await ingest.take(
        unencrypted("m.room.redaction", {}, room=THREAD_ROOM, redacts="$said"),
        dataclasses.replace(unencrypted("m.room.redaction", {}, room=THREAD_ROOM), event_id="$other"),
    )
    assert inbox_events == [(ingest.thread, MessageRedacted(place=THREAD, sender=ADA, target="$said"))]
    await ingest.record_own_event("$card", "card:1")
    inbox_events = await ingest.take(
        dataclasses.replace(unencrypted("m.room.redaction", {}, room=DESK_ROOM, redacts="$card"), event_id="$r")
    )
    assert inbox_events == [(DESK, MessageRedacted(place=DESK, sender=ADA, target="$card", ref="card:1"))]


async def test_no_content_can_kill_the_sync(ingest: IngestHarness) -> None:
    """Whatever a trusted device encrypts, one event never costs more than itself: the commit goes through."""
    assert await take_anything(ingest) == 400


async def take_anything(ingest: IngestHarness) -> int:
    """Take in 400 messages of every content, and as many plain events; return how many were said, by one commit."""
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
        [{"id": PUPPET}, {"user_ids": [PUPPET]}],
        [[]],
        [[[PUPPET]], [1]],
        [None, True, 0, 0.5, 2**70],
        [PUPPET, {"id": PUPPET}, ADA, None],
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

    await ingest.record_own_event("$texter", "in:1:0")
    matrix_events: list[events.MatrixEvent] = []
    for n in range(400):
        clear = anything(2)
        matrix_events.append(message(content(), event_id=f"$said{n}", clear=clear if isinstance(clear, dict) else None))
        kind = chance.choice(["m.reaction", "m.room.message", "m.room.redaction", "m.unheard.of"])
        matrix_events.append(dataclasses.replace(unencrypted(kind, content(), room=THREAD_ROOM), event_id=f"$plain{n}"))
    inbox_events = await ingest.take(*matrix_events)
    return len([event for _, event in inbox_events if isinstance(event, MessageSent)])


class Unforeseen(dict[str, Any]):
    """Content that nobody thought of."""

    def __init__(self, error: type[Exception]) -> None:
        super().__init__()
        self.error = error

    def get(self, key: str, default: Any = None) -> Any:
        raise self.error


@pytest.mark.parametrize("error", BAD_DATA)
async def test_what_cannot_be_read_costs_itself_alone(ingest: IngestHarness, error: type[Exception]) -> None:
    """Content that nobody thought of: its author hears that it was not heard, it is noted for deletion, the rest comes."""
    bad = Unforeseen(error)
    inbox_events = await ingest.take(
        message(bad, event_id="$bad"),
        message(bad, room=WARM_ROOM, event_id="$warm"),
        unencrypted("m.reaction", bad),
        message(text_content("hi"), event_id="$good"),
    )
    unread = MessageIgnored(place=THREAD, sender=ADA, event_id="$bad", reason=IgnoreReason.UNREADABLE)
    assert inbox_events[0] == (ingest.thread, unread)
    assert [event.body for _, event in inbox_events[1:] if isinstance(event, MessageSent)] == ["hi"]
    assert len(inbox_events) == 2
    noted = {row["event_id"] for row in await ingest.harness.database.fetch("SELECT event_id FROM event")}
    assert noted == {"$bad", "$warm", "$plain", "$good"}


async def test_a_tap_knows_what_it_is_on_and_who_may(ingest: IngestHarness) -> None:
    """A tap on an event of ours carries its `ref`, and whether its author has a confirmed device."""
    await ingest.record_own_event("$card", "card:1")
    expected = ReactionAdded(place=THREAD, sender=ADA, event_id="$plain", key="✋", target="card:1", trusted=False)
    assert await ingest.take(reaction("$card", room=THREAD_ROOM)) == [(ingest.thread, expected)]

    await ingest.trust_ada()
    again = dataclasses.replace(reaction("$card", room=THREAD_ROOM), event_id="$again")
    assert await ingest.take(again) == [(ingest.thread, dataclasses.replace(expected, event_id="$again", trusted=True))]


async def test_an_encrypted_tap_is_a_tap(ingest: IngestHarness) -> None:
    """A client that encrypts reactions claims, accepts and stops like any other, also on a card not yet noted."""
    await ingest.record_own_event("$card", "card:1")
    for n, (key, target, ref) in enumerate((("✋", "$card", "card:1"), ("🛑", "$card", "card:1"), ("✋", "$later", ""))):
        relation = {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}}
        inbox_events = await ingest.take(message(relation, event_id=f"$r{n}", kind="m.reaction"))
        tap = ReactionAdded(place=THREAD, sender=ADA, event_id=f"$r{n}", key=key, target=ref, trusted=False)
        assert inbox_events == [(ingest.thread, tap)]
    assert await ingest.take(message({"m.relates_to": {"key": 7}}, event_id="$bad", kind="m.reaction")) == []


async def test_a_tap_on_a_card_we_have_not_noted_yet_is_not_lost(ingest: IngestHarness) -> None:
    """We were killed after the homeserver had the card: whoever tapped it meanwhile is heard when it is noted."""
    sender = RoomSenderHarness(ingest.harness)
    task = OutboxTask(
        number=1,
        owner=DESK,
        txn="q1.0",
        created=int(ingest.harness.clock.now()),
        action=SendMessage(place=DESK, body="somebody waits", ref="card:1"),
    )
    early = ReactionAdded(place=DESK, sender=ADA, event_id="$plain", key="✋", target="", trusted=False)
    assert await ingest.take(reaction("$q1.0")) == [(DESK, early)]
    await sender.room_sender.perform(task)
    assert await ingest.drain_inboxes() == [(DESK, dataclasses.replace(early, target="card:1"))]
    assert sender.woken == [DESK]
    await sender.room_sender.perform(task)
    assert await ingest.drain_inboxes() == []


async def test_who_keeps_the_rooms_hears_that_one_of_ours_was_removed(ingest: IngestHarness) -> None:
    """The keeper of rooms is woken after the commit, once, and nothing reaches the desk as if a person had left."""
    assert await ingest.take(events.SelfRemoved(room_id=DESK_ROOM, user_id=PUPPET)) == []
    assert ingest.woken == [ROOM_PROVISIONER]
    await ingest.take(message(text_content("hi")))
    assert ingest.woken == [ROOM_PROVISIONER, ingest.thread]
