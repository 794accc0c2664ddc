"""What `!recap` says: what colleagues typed and the room still shows, once, and no longer than the room shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.commands.parser import FADES
from bot.model.actions import RECAP, THREAD, Erase, Recap, Redact, RedactSaid
from bridge.matrix.api.events import Said
from bridge.matrix.room_client import Permanent, TokenRefused, Transient
from bridge.matrix.room_keys.history import Typed
from bridge.outbound.dispatcher import Impossible, TryAgain
from bridge.outbound.recap import LARGEST, LATE, MOST, NOBODY, NOT_LOOKED
from bridge.runtime.crash_points import CrashPoint
from bridge.tables import room_events
from bridge.tables.routing import way_of
from tests.fakes.nerves import Nerves
from tests.fakes.posting import Posting

ADA, BEA = "@ada:x", "@bea:x"
ROOM = "!room"
NOON = 1_800_014_400_000
"""12:00 UTC on a Friday, in milliseconds."""


def typed(body: str, *, minute: int = 0, sender: str = ADA, event_id: str = "", **content: Any) -> Said:
    return Said(
        event_id=event_id or f"${body}",
        room_id=ROOM,
        sender=sender,
        device_id="",
        type="m.room.message",
        content={"msgtype": "m.text", "body": body, **content},
        clear_relation=None,
        at=NOON + minute * 60_000,
    )


def edit(of: str, body: str, **changed: Any) -> Said:
    relation = {"rel_type": "m.replace", "event_id": of}
    new = {"msgtype": "m.text", "body": body}
    return typed(f"* {body}", **{"m.new_content": new, "m.relates_to": relation, **changed})


class Asking:
    """A thread's room in which these were typed, and somebody who asks for a recap."""

    def __init__(self, nerves: Nerves, **more: Any) -> None:
        self.nerves, self.posting = nerves, Posting(nerves, **more)
        self.edge = self.posting.edge

    async def has(self, *said: Said, expires: dict[str, int] | None = None, **more: Any) -> None:
        """Let the room have these; `expires`: when some of them go."""
        self.edge.history = Typed(said=said, **more)
        self.task = await self.posting.task(Recap(place=THREAD, reply_to="$asked"))
        now = self.nerves.clock.wall()
        for each in said:
            until = (expires or {}).get(each.event_id)
            noted = {"event_id": each.event_id, "room_id": ROOM, "owner": self.task.owner, "place": THREAD}
            await self.nerves.store.commit(
                lambda conn, noted=noted, until=until: room_events.note(  # type: ignore[misc]
                    conn, **noted, at=0, now=now, lifetime=60, until=until
                )
            )

    async def told(self, number: int = 1) -> str:
        """Perform a row and return what stands then, in its room."""
        txn = f"q{number}.0"
        await self.posting.posts.perform(replace(self.task, number=number, txn=txn))
        return self.edge.posted[txn]

    async def standing(self) -> Any:
        """Return the row of what is said again, or None."""
        return await self.nerves.store.fetchrow("SELECT event_id, expires, about FROM event WHERE ref = $1", RECAP)


async def lines(nerves: Nerves, *said: Said, **more: Any) -> list[str]:
    """Return the lines of a recap of these."""
    asking = Asking(nerves)
    await asking.has(*said, **more)
    return (await asking.told()).split("\n")


async def test_who_when_and_which_words(nerves: Nerves) -> None:
    """Answers, notes and files, oldest first; that the keys went again is said above, how long it stands below."""
    first, *told, last = await lines(
        nerves,
        typed("How are you?"),
        typed("// she sounds tired", minute=1, sender=BEA),
        typed("photo.jpg", minute=2, msgtype="m.image"),
        typed("bold", minute=3, format="org.matrix.custom.html", formatted_body="<b>very</b> bold"),
    )
    assert first.startswith("The keys of this room are on their way to your devices.")
    assert told == [
        "ada, Fri 12:00: How are you?",
        "bea, Fri 12:01: // she sounds tired",
        "ada, Fri 12:02: (a file)",
        "ada, Fri 12:03: very bold",
    ]
    assert "10 minutes" in last


async def test_nobody_has_typed_anything(nerves: Nerves) -> None:
    """Where nothing was typed, and where only commands were, that is what is said."""
    assert NOBODY in (await lines(nerves))[0]
    commands = [typed(body) for body in ("!recap", " !limits her own words", "¡recap", "!nothing of the kind")]
    assert NOBODY in (await lines(nerves, *commands))[0]


async def test_what_may_be_an_agreed_word_is_never_said_again(nerves: Nerves) -> None:
    """Words behind a command about agreed words are left out, whichever mark stood before it."""
    said = [typed("/codeword marmalade"), typed("code word?"), edit("$code word?", "!code-word marmalade", minute=1)]
    assert "marmalade" not in "\n".join(await lines(nerves, *said))


async def test_an_edit_by_the_author_is_what_counts(nerves: Nerves) -> None:
    """The newest one; an edit by somebody else changes nothing, and one that makes a command of it takes it out."""
    _, *told, _ = await lines(
        nerves,
        typed("first"),
        typed("other"),
        typed("third"),
        edit("$first", "second thought", minute=1),
        edit("$first", "last thought", minute=2),
        edit("$other", "put into her mouth", sender=BEA, minute=3),
        edit("$third", "!close", minute=4),
    )
    assert told == ["ada, Fri 12:00: last thought", "ada, Fri 12:00: other"]


async def test_what_is_not_on_the_index_is_not_said_again(nerves: Nerves) -> None:
    """What was redacted, goes sooner than the recap, or was edited by what goes sooner, is left out and counted."""
    until = int(nerves.clock.wall() + FADES)
    said = (typed("stays"), typed("soon"), typed("edited"), edit("$edited", "edited anew"), typed("gone"))
    asking = Asking(nerves)
    await asking.has(*said, expires={"$stays": until, "$soon": until - 1, "$* edited anew": until - 1})
    await nerves.store.commit(lambda conn: room_events.forget(conn, ["$gone"]))
    told = await asking.told()
    assert told.split("\n")[1:-1] == ["ada, Fri 12:00: stays"]
    assert "3 that will be gone" in told


async def test_what_cannot_be_read_is_counted(nerves: Nerves) -> None:
    """That something is missing is said, also when nothing else is there."""
    assert (await lines(nerves, typed("one"), unread=2))[-1].startswith("2 are left out that could not be read")
    assert "1 are left out" in (await lines(nerves, unread=1))[0]


async def test_the_newest_are_said(nerves: Nerves) -> None:
    """No more than fifty, and that older ones are left out; also when the room goes further back than was looked."""
    _, *told, last = await lines(nerves, *(typed(f"{n}", minute=n) for n in range(MOST)))
    assert len(told) == MOST
    assert "Older" not in last
    _, *told, last = await lines(nerves, *(typed(f"{n}", minute=n) for n in range(MOST + 1)))
    assert [line.rpartition(" ")[2] for line in told] == [f"{n}" for n in range(1, MOST + 1)]
    assert last.startswith("Older ones are left out.")
    assert (await lines(nerves, typed("one"), more=True))[-1].startswith("Older ones are left out.")


async def test_it_is_never_too_large(nerves: Nerves) -> None:
    """Long words are cut, and as many of the newest are said as one event can bear, whatever the script."""
    told = await lines(nerves, *(typed(f"{n} " + "ш" * 5_000, minute=n) for n in range(9)))
    assert len("\n".join(told).encode()) < LARGEST + 1_000
    assert [line.split()[3] for line in told[1:-1]] == ["6", "7", "8"]
    assert told[-2].startswith("ada, Fri 12:08: 8 ш")
    assert told[-2].endswith("(it goes on)")


async def test_nobody_speaks_as_somebody_else(nerves: Nerves) -> None:
    """What comes after a break is set in: it is no line of its own."""
    _, *told, _ = await lines(nerves, typed("yes\nbea, Fri 12:00: I said this"))
    assert told == ["ada, Fri 12:00: yes", "    bea, Fri 12:00: I said this"]


async def test_it_stands_for_a_while(nerves: Nerves) -> None:
    """It has its time from when it was asked for, and nobody's reading gives it more; it is on what asked for it."""
    asking = Asking(nerves)
    await asking.has(typed("one"))
    nerves.clock.at += 10
    await asking.told()
    until = asking.task.created + int(FADES)
    row = await asking.standing()
    assert (row["event_id"], row["expires"], row["about"]) == ("$q1.0", until, "$asked")
    await nerves.store.commit(lambda conn: room_events.seen(conn, ROOM, "$q1.0", said=False, expires=until + 1))
    assert (await asking.standing())["expires"] == until
    assert [row["event_id"] for row in await room_events.expired(nerves.store, until, 9)] == ["$q1.0"]


async def test_there_is_one_the_newest(nerves: Nerves) -> None:
    """Whoever asks next gets a new one in the place of the one before, which is redacted."""
    asking = Asking(nerves)
    await asking.has(typed("one"))
    await asking.told()
    await asking.told(2)
    assert (asking.edge.sent, asking.edge.redacted) == (["q1.0", "q2.0", "q2.0.old"], ["$q1.0"])
    assert (await asking.standing())["event_id"] == "$q2.0"
    assert await nerves.store.fetchval("SELECT COUNT(*) FROM event WHERE event_id = '$q1.0'") == 0


@pytest.mark.parametrize("action", [Redact(place=THREAD, ref=RECAP), Erase(place=THREAD, event_id="$asked")])
async def test_it_is_taken_away(nerves: Nerves, action: Redact | Erase) -> None:
    """By its name, when something is taken out of the room; and with the message that asked for it."""
    asking = Asking(nerves)
    await asking.has(typed("one"))
    await asking.told()
    await asking.posting.posts.perform(replace(asking.task, number=2, txn="q2.0", action=action))
    assert asking.edge.redacted == ["$q1.0"]
    assert await asking.standing() is None


def test_what_takes_words_away_and_what_repeats_them_wait_in_one_lane() -> None:
    """So a recap that was asked for before a redaction is posted and noted before that is looked for."""
    actions = (Recap(place=THREAD, reply_to="$"), Redact(place=THREAD, ref=RECAP), Erase(place=THREAD, event_id="$"))
    assert len({way_of(action) for action in actions}) == 1


async def test_it_waits_for_an_agreed_word_to_be_gone(nerves: Nerves) -> None:
    """While a message that held one is still to be redacted, nothing is said again."""
    asking = Asking(nerves)
    await asking.has(typed("it is marmalade"))
    said = await nerves.outbox.seal(asking.task.owner, "q0.0", RedactSaid(place=THREAD, event_id="$it is marmalade"))
    number = await nerves.store.commit(lambda conn: nerves.outbox.put(conn, asking.task.owner, said, 0))
    with pytest.raises(TryAgain) as again:
        await asking.told(number + 1)
    assert again.value.queued
    assert asking.edge.sent == []
    await nerves.store.commit(lambda conn: conn.execute("DELETE FROM outbox"))
    await asking.told(number + 1)
    assert asking.edge.sent == [f"q{number + 1}.0"]


class KilledError(Exception):
    pass


async def test_killed_between_posting_and_noting(nerves: Nerves) -> None:
    """It is said once: the same transaction again, the same time, and by its name it can be taken away."""

    def killed(point: CrashPoint) -> None:
        if point is CrashPoint.MATRIX_SENT:
            raise KilledError

    asking = Asking(nerves, crash=killed)
    await asking.has(typed("one"))
    with pytest.raises(KilledError):
        await asking.told()
    assert await asking.standing() is None
    again = Asking(nerves)
    again.task, again.edge.history = asking.task, asking.edge.history
    nerves.clock.at += 60
    await again.told()
    assert again.edge.sent == asking.edge.sent == ["q1.0"]
    assert (await again.standing())["expires"] == asking.task.created + int(FADES)


async def test_what_was_posted_long_ago_is_not_posted_anew(nerves: Nerves) -> None:
    """After an outage an earlier try is looked for: if it is there its time stays; if not, who asked hears it."""
    asking = Asking(nerves)
    await asking.has(typed("one"))
    nerves.clock.at += FADES / 2
    asking.edge.found = "$q1.0"
    await asking.posting.posts.perform(asking.task)
    assert (asking.edge.sent, asking.edge.looked) == ([], ["q1.0"])
    assert (await asking.standing())["expires"] == asking.task.created + int(FADES)
    asking.edge.found = None
    assert await asking.told(2) == LATE
    assert (await asking.standing())["expires"] == int(nerves.clock.wall() + FADES)


async def test_on_hold_all_is_said_and_nothing_taken_away(nerves: Nerves) -> None:
    """What only a hold keeps is said again and goes with it; the recap before stays, for nothing is erased meanwhile."""
    asking = Asking(nerves)
    await asking.has(typed("one"), expires={"$one": 1})
    await nerves.store.commit(lambda conn: conn.execute("UPDATE thread SET held = $1", True))
    for number in (1, 2):
        assert "ada, Fri 12:00: one" in await asking.told(number)
    assert asking.edge.redacted == []
    assert await room_events.expired(nerves.store, nerves.clock.wall(), 9) == []
    await nerves.store.commit(lambda conn: conn.execute("UPDATE thread SET held = $1", False))
    gone = await room_events.expired(nerves.store, nerves.clock.wall(), 9)
    assert [row["event_id"] for row in gone] == ["$one", "$q1.0", "$q2.0"]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [(Transient(503, "", 2.5), TryAgain), (TokenRefused(401, "M_UNKNOWN_TOKEN"), TryAgain)],
    ids=["transient", "token"],
)
async def test_it_is_tried_again(nerves: Nerves, error: Exception, verdict: type[Exception]) -> None:
    """A homeserver that cannot say what was typed now is asked again, and nothing is posted meanwhile."""
    asking = Asking(nerves)
    await asking.has(typed("one"))
    asking.edge.unreadable = error
    with pytest.raises(verdict):
        await asking.told()
    assert asking.edge.sent == []


async def test_what_is_refused_is_said(nerves: Nerves) -> None:
    """Who asked reads that it was refused; where nothing can be posted, the row fails for good, and without words."""
    asking = Asking(nerves)
    await asking.has(typed("one"))
    asking.edge.unreadable = Permanent(403, "M_FORBIDDEN")
    assert NOT_LOOKED in await asking.told()
    asking.edge.unreadable, asking.edge.raises = None, Permanent(403, "M_FORBIDDEN")
    with pytest.raises(Impossible) as verdict:
        await asking.told(2)
    assert str(verdict.value) == "M_FORBIDDEN"


async def test_a_conversation_that_is_over_meanwhile(nerves: Nerves) -> None:
    """Without its room it waits, as everything does; its row goes with the conversation."""
    asking = Asking(nerves)
    await asking.has(typed("one"))
    await nerves.store.commit(lambda conn: conn.execute("UPDATE thread SET room_id = NULL"))
    with pytest.raises(TryAgain) as again:
        await asking.told()
    assert again.value.after is None
    assert asking.edge.sent == []
