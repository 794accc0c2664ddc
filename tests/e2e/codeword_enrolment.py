"""Agreeing on words for a phone, as after a call: requested in the room, said in the office, redacted at once."""

from __future__ import annotations

import asyncio

from tests.e2e.polling import wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import NOTE, Conversation, StaffedLine
from tests.planted import PLANTED, Kind


async def enrol_codeword(staffed_line: StaffedLine, client: StaffClient, conversation: Conversation, *words: str) -> str:
    """Agree on a codeword and then a duress word or "-"; return the office in which they were said."""
    office = next(room for room, name in (await client.joined()).items() if name == "office")
    command = await client.say(conversation.room, "!codeword")
    await conversation.wait_for_receipt(command, NOTE)
    asks = f"Codeword for {conversation.designation}"
    await client.find(office, "the bot asks", lambda i: i.sender == staffed_line.ready.bot and asks in i.body)
    for word in words:
        PLANTED.add(Kind.CODEWORD, *(each for each in (word, *word.split()) if len(each) > 1))
        before = await _redacted(client, office)
        # The words are redacted before the client sees its own event, so do not wait for that event.
        saying = asyncio.create_task(client.say(office, word))

        async def gone(before: int = before) -> bool | None:
            return await _redacted(client, office) > before or None

        await wait_until("what was said in the office is redacted", gone)
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
    await conversation.wait_for_notice("A codeword is agreed")
    return office


async def _redacted(client: StaffClient, room: str) -> int:
    return sum(item.kind == "redacted" and item.sender == client.mxid for item in await client.items(room))
