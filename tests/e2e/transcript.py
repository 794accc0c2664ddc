"""Plays one conversation on the real product and prints what each side saw, for the page first-conversation.md.

Run it as `python -m tests.e2e.transcript`. Rule of this module: nothing is written by hand; every line is read from a
strict client's timeline or from the handset. `test_transcript` compares the page with it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.stack import Stack
from tests.e2e.staff_client import StaffClient, TimelineItem
from tests.e2e.staffed_line import Conversation, StaffedLine

HANDSET = "+15555550188"


async def main() -> None:
    """Play and print."""
    from tests.e2e.strict_client import StrictClient  # only here: it has no build for some C libraries

    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        await stack.start()
        try:
            staffed_line = StaffedLine(stack=stack, ready=stack.ready)
            ada = StrictClient(stack.ready.homeserver, next(a for a in stack.ready.accounts if a.user == "ada"))
            await ada.start()
            try:
                sys.stdout.write("\n".join(await shown(staffed_line, await play(staffed_line, ada))) + "\n")
            finally:
                await ada.stop()
        finally:
            await stack.end()


async def play(staffed_line: StaffedLine, ada: StaffClient) -> Conversation:
    """Play one text, one claim, one note and one answer."""
    await staffed_line.bring_to_desk(ada, after_board=True)
    conversation = await staffed_line.start_conversation(ada, HANDSET, "is anyone there")
    await ada.say(conversation.room, "// first contact, I have her")
    said = await ada.say(conversation.room, "Hi, I'm here. Take your time.")
    await conversation.wait_for_receipt(said, "delivered")
    return conversation


async def shown(staffed_line: StaffedLine, conversation: Conversation) -> list[str]:
    """Return what each side sees now, line by line."""
    desk, room = (
        await conversation.client.whole(staffed_line.ready.desk_room),
        await conversation.client.whole(conversation.room),
    )
    texts = await staffed_line.carrier.texts(HANDSET)
    return [
        "The desk",
        *_lines(desk),
        f"The room “{conversation.designation}”",
        *_lines(room),
        "The handset",
        *(f"  {'<-' if text['direction'] == 'out' else '->'}  {text['text']}" for text in texts),
    ]


def _lines(items: list[TimelineItem]) -> Iterator[str]:
    """Yield a room's lines as a client shows them: author, words and marks. All must be decrypted, without a shield."""
    for item in items:
        if item.kind != "message":
            continue
        marks = ", ".join(item.reactions)
        who = item.sender.removeprefix("@").partition(":")[0]
        yield from f"  {who:<10}  {item.body}{'   [' + marks + ']' if marks else ''}".replace("\n", "\n" + " " * 14).split(
            "\n"
        )


if __name__ == "__main__":
    asyncio.run(main())
