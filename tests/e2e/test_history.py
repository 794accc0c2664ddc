"""Who can read what, end to end with strict clients, in every order of coming, going and coming back.

The texter's side is readable from the first word and without a shield; what colleagues typed carries at most the grey one;
whoever has left reads nothing that came afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.e2e import separate_line
from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.second_devices import second_device, strict
from tests.e2e.staff_client import NO_SHIELD, StaffClient
from tests.e2e.staffed_line import Conversation, StaffedLine
from tests.e2e.visibility import (
    READ_TIMEOUT,
    wait_until_readable,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(
    tmp_path_factory: pytest.TempPathFactory, strict_client_factory: StrictClientFactory
) -> AsyncIterator[tuple[StaffedLine, StaffClient, StaffClient]]:
    """Run a line of this module's own, with both advocates at the desk; the supervisor has never logged in."""
    async with separate_line.run_line(tmp_path_factory.mktemp("history")) as staffed_line:
        ready = staffed_line.ready
        opening = (strict_client_factory.log_in(ready.homeserver, ready.account("advocate", number)) for number in range(2))
        async with separate_line.bring_people(staffed_line, opening) as (ada, bea):
            yield staffed_line, ada, bea


async def texts(staffed_line: StaffedLine, conversation: Conversation, body: str, *, client: StaffClient) -> None:
    """Have the handset text, and wait until it is in the room, readable."""
    await staffed_line.carrier.text(conversation.handset, body)
    await wait_until_readable(staffed_line, client, conversation.room, staffed_line.ready.voice, body)


async def test_a_second_device_later(own: tuple[StaffedLine, StaffClient, StaffClient]) -> None:
    """A device that its owner verifies long after the words reads the texter's side from the first one.

    What people typed before, it may not; `!recap` says it again, as it stands now, and no longer than it stands.
    """
    staffed_line, ada, bea = own
    conversation = await staffed_line.start_conversation(ada, handset(), "said to your first device")
    bot = staffed_line.ready.bot
    await ada.say(conversation.room, "// a note of ada's")
    answer = await ada.say(conversation.room, "an answer with a msitake")
    await ada.edit(conversation.room, answer, "an answer without one")
    await ada.say(conversation.room, f"!with {bea.mxid}")
    assert await staffed_line.wait_for_invite(bea, set()) == conversation.room
    await bea.join(conversation.room)
    note = await bea.say(conversation.room, "// this is taken back")
    regretted = await bea.say(conversation.room, "// this is regretted later")
    await conversation.wait_for_receipt(note, "📝")
    await bea.redact(conversation.room, note)
    await conversation.wait_for_receipt(answer, "delivered")

    async with second_device(staffed_line, ada) as second:
        # A key that comes before the client has asked who the texter puppet is leaves what it shows unread until it is
        # opened again: "unsigned device". People open a room later than that.
        desk, puppet = staffed_line.ready.desk_room, staffed_line.ready.voice
        await second.find(
            desk, "she reads the line", lambda i: i.sender == puppet and i.kind == "message", within=READ_TIMEOUT
        )
        await wait_until_readable(staffed_line, second, conversation.room, puppet, "said to your first device")
        await texts(staffed_line, conversation, "said to both", client=second)
        typed = await second.say(conversation.room, "typed on the second device")
        await wait_until_readable(staffed_line, ada, conversation.room, ada.mxid, "typed on the second device")
        await conversation.wait_for_receipt(await second.say(conversation.room, "// a note from it"), "📝")
        await conversation.wait_for_receipt(typed, "delivered")
        assert [i.kind for i in await second.whole(conversation.room) if i.event_id == regretted.event_id] == [
            "undecryptable"
        ]
        command = await second.say(conversation.room, "!recap")
        recap = await replace(conversation, client=second).wait_for_notice(
            "on their way to your devices", "// this is regretted later"
        )
        assert recap.shield == NO_SHIELD
        said = [line.partition(": ")[2] for line in recap.body.split("\n")[1:-1]]
        assert said == [
            "// a note of ada's",
            "an answer without one",
            "// this is regretted later",
            "typed on the second device",
            "// a note from it",
        ]
        assert [line.partition(",")[0] for line in recap.body.split("\n")[1:-1]] == ["ada", "ada", "bea", "ada", "ada"]
        await conversation.wait_for_receipt(command, "📝")

        # Said to the recap, nothing reaches the phone.
        before = await staffed_line.carrier.texts_delivered(conversation.handset)
        await conversation.wait_for_receipt(await second.reply(conversation.room, recap, "thank you"), "📝")
        await conversation.wait_for_receipt(await second.reply(conversation.room, recap, "!again"), "📝")
        await second.react(conversation.room, recap, "✅")

        await bea.redact(conversation.room, regretted)

        async def taken_away() -> bool | None:
            shown = [i for i in await second.whole(conversation.room) if i.event_id == recap.event_id]
            return all(i.kind == "redacted" for i in shown) or None

        await wait_until("what was said again goes with what was taken back", taken_away)
        await second.say(conversation.room, "!recap")
        again = await second.find(
            conversation.room,
            "what is left is said again",
            lambda i: i.sender == bot and i.event_id != recap.event_id and "a note of ada's" in i.body,
        )
        assert "regretted" not in again.body
        assert await staffed_line.carrier.texts_delivered(conversation.handset) == before


_questions = itertools.count()


async def sent_to(client: StaffClient) -> list[str]:
    """Return who sent what waits at the homeserver for a device that is off: keys, and nothing else, are sent like that.

    No question is asked twice: the homeserver would give the answer that it gave before.
    """
    status, content = await strict(client).ask("sync", timeout=str(next(_questions)))
    assert status == 200, f"the homeserver answered {status}"
    return [letter["sender"] for letter in content.get("to_device", {}).get("events", [])]


async def encrypted(staffed_line: StaffedLine, room: str) -> dict[str, tuple[str, str]]:
    """Return the encrypted events of a room that the homeserver has and that are not redacted: id to sender and session."""
    page = await staffed_line.as_bot("GET", f"rooms/{quote(room, safe='')}/messages?dir=b&limit=100")
    events = (event for event in page["chunk"] if event["type"] == "m.room.encrypted" and event["content"])
    return {event["event_id"]: (event["sender"], event["content"]["session_id"]) for event in events}


async def test_whoever_left_gets_neither_words_nor_keys(own: tuple[StaffedLine, StaffClient, StaffClient]) -> None:
    """Of what is said after a person left, their device gets no key and, asking past its client, no event."""
    staffed_line, ada, bea = own
    conversation = await staffed_line.start_conversation(ada, handset(), "before she leaves")
    await ada.say(conversation.room, f"!transfer {bea.mxid} quiet")
    assert await staffed_line.wait_for_invite(bea, set()) == conversation.room
    await bea.join(conversation.room)
    await bea.say(conversation.room, "!accept")
    await wait_until_readable(
        staffed_line,
        bea,
        conversation.room,
        staffed_line.ready.bot,
        "bea is the advocate now: the phone hears them, and nobody else.",
    )
    before, stood = (
        await encrypted(staffed_line, conversation.room),
        {i.event_id for i in await bea.whole(conversation.room)},
    )
    await ada.leave(conversation.room)
    await bea.find(
        conversation.room, "ada has left", lambda i: i.sender == ada.mxid and i.kind == "state" and i.event_id not in stood
    )
    await strict(ada).away()
    try:
        # Until the bot has heard of it she is one of the room: the homeserver keeps the words from her, not we.
        await replace(conversation, client=bea).wait_for_receipt(await bea.say(conversation.room, "// she has left"), "📝")
        earlier, waits = await encrypted(staffed_line, conversation.room), await sent_to(ada)
        await texts(staffed_line, conversation, "after she has left", client=bea)
        said = await bea.say(conversation.room, "answered after somebody left")
        await replace(conversation, client=bea).wait_for_receipt(said, "delivered")
        after = {
            event_id: of
            for event_id, of in (await encrypted(staffed_line, conversation.room)).items()
            if event_id not in earlier
        }
        assert {staffed_line.ready.voice, bea.mxid} <= {sender for sender, _ in after.values()}
        assert not set(after.values()) & set(before.values()), "a session goes on whose key somebody has who left"
        path = f"rooms/{quote(conversation.room, safe='')}"
        for event_id in after:
            status, content = await strict(ada).ask(f"{path}/event/{quote(event_id, safe='')}")
            assert (status, content["errcode"]) == (404, "M_NOT_FOUND")
        status, content = await strict(ada).ask(f"{path}/messages", dir="b", limit="100")
        shown = {event["event_id"] for event in content["chunk"]}
        assert set(before) <= shown, "up to there it may read"
        assert not set(after) & shown
        assert await sent_to(ada) == waits, "a key went to somebody who had left"

        await bea.say(conversation.room, f"!transfer {ada.mxid} quiet")

        async def keys() -> bool | None:
            return {staffed_line.ready.voice, staffed_line.ready.bot} <= set((await sent_to(ada))[len(waits) :]) or None

        await wait_until("whoever is asked back in is sent keys: they would have been seen before", keys)
    finally:
        await strict(ada).back()
    assert await staffed_line.wait_for_invite(ada, set()) == conversation.room
    await ada.join(conversation.room)
    await wait_until_readable(
        staffed_line, ada, conversation.room, staffed_line.ready.voice, "before she leaves", "after she has left"
    )
