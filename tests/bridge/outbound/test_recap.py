"""What `!recap` says: what colleagues typed and the room still shows, once, and no longer than the room shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.commands.parser import ANSWER_TTL
from bot.model.actions import RECAP, THREAD, EraseMessage, RedactEvent, RedactMessage, SendRecap
from bridge.matrix.api.events import DecryptedMessage
from bridge.matrix.room_keys.history import RecentMessages
from bridge.outbound.dispatcher import RetryLater
from bridge.outbound.recap import MAX_BYTES
from bridge.outbound.routing import route
from bridge.runtime.crash_points import CrashPoint
from bridge.tables import room_events
from bridge.tables.outbox import number_of
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.room_sender_harness import RoomSenderHarness

ADA, BEA = "@ada:x", "@bea:x"
ROOM = "!room"
NOON = 1_800_014_400_000
"""12:00 UTC on a Friday, in milliseconds."""


def typed(body: str, *, minute: int = 0, sender: str = ADA, event_id: str = "", **content: Any) -> DecryptedMessage:
    return DecryptedMessage(
        event_id=event_id or f"${body}",
        room_id=ROOM,
        sender=sender,
        device_id="",
        type="m.room.message",
        content={"msgtype": "m.text", "body": body, **content},
        clear_relation=None,
        at=NOON + minute * 60_000,
    )


def edit(of: str, body: str, **changed: Any) -> DecryptedMessage:
    relation = {"rel_type": "m.replace", "event_id": of}
    new = {"msgtype": "m.text", "body": body}
    return typed(f"* {body}", **{"m.new_content": new, "m.relates_to": relation, **changed})


class RecapHarness:
    """A thread's room in which these were typed, and a person who asks for a recap."""

    def __init__(self, harness: BridgeHarness, **more: Any) -> None:
        self.harness, self.posting = harness, RoomSenderHarness(harness, **more)
        self.room_client = self.posting.room_client

    async def has(
        self,
        *said: DecryptedMessage,
        expires: dict[str, int] | None = None,
        receipts: tuple[tuple[str, str], ...] = (),
        **more: Any,
    ) -> None:
        """Let the room have these; `expires`: when some of them go; `receipts`: what became of some of them."""
        self.room_client.history = RecentMessages(messages=said, **more)
        self.receipts = receipts
        self.task = await self.posting.task(SendRecap(place=THREAD, reply_to="$asked", receipts=receipts))
        now = self.harness.clock.now()
        for each in said:
            until = (expires or {}).get(each.event_id)
            noted = {"event_id": each.event_id, "room_id": ROOM, "owner": self.task.owner, "place": THREAD}
            await self.harness.database.commit(
                lambda transaction, noted=noted, until=until: room_events.record(  # type: ignore[misc]
                    transaction, **noted, at=0, now=now, lifetime=60, until=until
                )
            )

    async def told_in(self, language: str) -> str:
        """Perform the row for somebody who reads that language."""
        action = SendRecap(place=THREAD, reply_to="$asked", receipts=self.receipts, language=language)
        self.task = replace(self.task, action=action)
        return await self.told()

    async def told(self, number: int = 1) -> str:
        """Perform a row and return what stands then, in its room."""
        txn = f"q{number}.0"
        await self.posting.room_sender.perform(replace(self.task, number=number, txn=txn))
        return self.room_client.posted[txn]

    async def standing(self) -> Any:
        """Return the row of what is said again, or None."""
        return await self.harness.database.fetchrow("SELECT event_id, expires, about FROM event WHERE ref = $1", RECAP)


async def lines(harness: BridgeHarness, *said: DecryptedMessage, **more: Any) -> list[str]:
    """Return the lines of a recap of these."""
    recap = RecapHarness(harness)
    await recap.has(*said, **more)
    return (await recap.told()).split("\n")


async def test_who_when_and_which_words(harness: BridgeHarness) -> None:
    """Answers, notes and files, oldest first; that the keys went again is said above, how long it stands below."""
    first, *body_lines, last = await lines(
        harness,
        typed("How are you?"),
        typed("// she sounds tired", minute=1, sender=BEA),
        typed("!note she has a dog", minute=1, sender=BEA),
        typed("photo.jpg", minute=2, msgtype="m.image"),
        typed("bold", minute=3, format="org.matrix.custom.html", formatted_body="<b>very</b> bold"),
    )
    assert first.startswith("The keys of this room are on their way to your devices.")
    assert body_lines == [
        "ada, Fri 12:00: How are you?",
        "bea, Fri 12:01: // she sounds tired",
        "bea, Fri 12:01: !note she has a dog",
        "ada, Fri 12:02: (a file)",
        "ada, Fri 12:03: very bold",
    ]
    assert "10 minutes" in last


async def test_what_may_be_an_agreed_word_is_never_said_again(harness: BridgeHarness) -> None:
    """Words behind a command about agreed words are left out, whichever mark stood before it."""
    said = [typed("/codeword marmalade"), typed("code word?"), edit("$code word?", "!code-word marmalade", minute=1)]
    assert "marmalade" not in "\n".join(await lines(harness, *said))


async def test_an_edit_by_the_author_is_what_counts(harness: BridgeHarness) -> None:
    """The newest one; an edit by another person changes nothing, and one that makes a command of it takes it out."""
    _, *body_lines, _ = await lines(
        harness,
        typed("first"),
        typed("other"),
        typed("third"),
        edit("$first", "second thought", minute=1),
        edit("$first", "last thought", minute=2),
        edit("$other", "put into her mouth", sender=BEA, minute=3),
        edit("$third", "!close", minute=4),
    )
    assert body_lines == ["ada, Fri 12:00: last thought", "ada, Fri 12:00: other"]


async def test_what_is_not_on_the_index_is_not_said_again(harness: BridgeHarness) -> None:
    """What was redacted, goes sooner than the recap, or was edited by what goes sooner, is left out and counted."""
    until = int(harness.clock.now() + ANSWER_TTL)
    said = (typed("stays"), typed("soon"), typed("edited"), edit("$edited", "edited anew"), typed("gone"))
    recap = RecapHarness(harness)
    await recap.has(*said, expires={"$stays": until, "$soon": until - 1, "$* edited anew": until - 1})
    await harness.database.commit(lambda transaction: room_events.delete(transaction, ["$gone"]))
    text = await recap.told()
    assert text.split("\n")[1:-1] == ["ada, Fri 12:00: stays"]
    assert "3 that will be gone" in text


async def test_it_is_never_too_large(harness: BridgeHarness) -> None:
    """Long words are cut, and as many of the newest are said as one event can bear, whatever the script."""
    recap_lines = await lines(harness, *(typed(f"{n} " + "ш" * 5_000, minute=n) for n in range(9)))
    assert len("\n".join(recap_lines).encode()) < MAX_BYTES + 1_000
    assert [line.split()[3] for line in recap_lines[1:-1]] == ["6", "7", "8"]
    assert recap_lines[-2].startswith("ada, Fri 12:08: 8 ш")
    assert recap_lines[-2].endswith("(it goes on)")


async def test_it_stands_for_a_while(harness: BridgeHarness) -> None:
    """It has its time from when it was asked for, and nobody's reading gives it more; it is on what asked for it."""
    recap = RecapHarness(harness)
    await recap.has(typed("one"))
    harness.clock.at += 10
    await recap.told()
    until = recap.task.created + int(ANSWER_TTL)
    row = await recap.standing()
    assert (row["event_id"], row["expires"], row["about"]) == ("$q1.0", until, "$asked")
    await harness.database.commit(
        lambda transaction: room_events.mark_seen(transaction, ROOM, "$q1.0", said=False, expires=until + 1)
    )
    assert (await recap.standing())["expires"] == until
    assert [event.event_id for event in await room_events.due_events(harness.database, until, 9)] == ["$q1.0"]


async def test_there_is_one_the_newest(harness: BridgeHarness) -> None:
    """Whoever asks next gets a new one in the place of the one before, which is redacted."""
    recap = RecapHarness(harness)
    await recap.has(typed("one"))
    await recap.told()
    await recap.told(2)
    assert (recap.room_client.sent, recap.room_client.redacted) == (["q1.0", "q2.0", "q2.0.old"], ["$q1.0"])
    assert (await recap.standing())["event_id"] == "$q2.0"
    assert await harness.database.fetchval("SELECT COUNT(*) FROM event WHERE event_id = '$q1.0'") == 0


def test_what_takes_words_away_and_what_repeats_them_wait_in_one_lane() -> None:
    """So a recap that was asked for before a redaction is posted and noted before that is looked for."""
    actions = (
        SendRecap(place=THREAD, reply_to="$"),
        RedactMessage(place=THREAD, ref=RECAP),
        EraseMessage(place=THREAD, event_id="$"),
    )
    assert len({route(action) for action in actions}) == 1


async def test_it_waits_for_an_agreed_word_to_be_gone(harness: BridgeHarness) -> None:
    """While a message that held one is still to be redacted, nothing is said again."""
    recap = RecapHarness(harness)
    await recap.has(typed("it is marmalade"))
    said = await harness.outbox.seal(recap.task.owner, "q0.0", RedactEvent(place=THREAD, event_id="$it is marmalade"))
    appended = await harness.database.commit(lambda transaction: harness.outbox.put(transaction, recap.task.owner, said, 0))
    number = number_of(appended)
    with pytest.raises(RetryLater) as again:
        await recap.told(number + 1)
    assert again.value.in_turn
    assert recap.room_client.sent == []
    await harness.database.commit(lambda transaction: transaction.execute("DELETE FROM outbox"))
    await recap.told(number + 1)
    assert recap.room_client.sent == [f"q{number + 1}.0"]


class ProcessKilledError(Exception):
    pass


async def test_killed_between_posting_and_noting(harness: BridgeHarness) -> None:
    """It is said once: the same transaction again, the same time, and by its name it can be taken away."""

    def killed(point: CrashPoint) -> None:
        if point is CrashPoint.MATRIX_SENT:
            raise ProcessKilledError

    recap = RecapHarness(harness, crash=killed)
    await recap.has(typed("one"))
    with pytest.raises(ProcessKilledError):
        await recap.told()
    assert await recap.standing() is None
    again = RecapHarness(harness)
    again.task, again.room_client.history = recap.task, recap.room_client.history
    harness.clock.at += 60
    await again.told()
    assert again.room_client.sent == recap.room_client.sent == ["q1.0"]
    assert (await again.standing())["expires"] == recap.task.created + int(ANSWER_TTL)


async def test_on_hold_all_is_said_and_nothing_taken_away(harness: BridgeHarness) -> None:
    """What only a hold keeps is said again and goes with it; the recap before stays, for nothing is erased meanwhile."""
    recap = RecapHarness(harness)
    await recap.has(typed("one"), expires={"$one": 1})
    await harness.database.commit(lambda transaction: transaction.execute("UPDATE thread SET legal_hold = $1", True))
    for number in (1, 2):
        assert "ada, Fri 12:00: one" in await recap.told(number)
    assert recap.room_client.redacted == []
    assert await room_events.due_events(harness.database, harness.clock.now(), 9) == []
    await harness.database.commit(lambda transaction: transaction.execute("UPDATE thread SET legal_hold = $1", False))
    due = await room_events.due_events(harness.database, harness.clock.now(), 9)
    assert [event.event_id for event in due] == ["$one", "$q1.0", "$q2.0"]


async def test_it_says_what_the_phone_got(harness: BridgeHarness) -> None:
    """An answer has its receipt beside it, as it is now; of words without one nothing is claimed."""
    recap = RecapHarness(harness)
    await recap.has(typed("How are you?"), typed("waves at you", minute=1), receipts=(("$How are you?", "✓✓ delivered"),))
    assert (await recap.told()).split("\n")[1:-1] == [
        "ada, Fri 12:00 [✓✓ delivered]: How are you?",
        "ada, Fri 12:01: waves at you",
    ]
