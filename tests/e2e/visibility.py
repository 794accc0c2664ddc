"""What somebody comes to read, and every byte that a line has on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.e2e.polling import StepFailed, wait_until
from tests.e2e.staff_client import NO_SHIELD, StaffClient, TimelineItem
from tests.e2e.staffed_line import Conversation, StaffedLine

READ_TIMEOUT = 60.0
"""Seconds until a client can read: one that has just met our identities for the first time takes about thirty."""


async def wait_until_readable(staffed_line: StaffedLine, client: StaffClient, room: str, author: str, *texts: str) -> None:
    """Wait until somebody can read these texts of an author: ours without a shield, colleagues' at most with a grey one."""
    ours = author in {staffed_line.ready.voice, staffed_line.ready.bot}

    def well(item: TimelineItem) -> bool:
        return item.shield == NO_SHIELD or (not ours and item.shield.startswith("grey"))

    async def probe() -> bool | None:
        items = {i.body: i for i in await client.whole(room) if i.sender == author and i.kind == "message"}
        return all(text in items and well(items[text]) for text in texts) or None

    async def seen() -> str:
        return "; ".join(i.brief() for i in (await client.whole(room))[-12:])

    await wait_until(
        f"{client.mxid} can read {len(texts)} texts of {author}", probe, within=READ_TIMEOUT, every=0.5, seen=seen
    )


async def wait_until_readable_or_recap(conversation: Conversation, client: StaffClient, author: str, *typed: str) -> None:
    """Wait until somebody can read what a colleague typed before, with their key, or else in what `!recap` says.

    A client that learns from its sync that it joined, before the join is answered, has forgotten that it was asked in, and
    takes no bundle from then on: seen on busy machines with clients that had just logged in.
    """
    try:
        await wait_until_readable(conversation.staffed_line, client, conversation.room, author, *typed)
    except StepFailed:
        await client.say(conversation.room, "!recap")
        await replace(conversation, client=client).wait_for_notice("on their way to your devices", *typed)


async def wait_until_identities_known(staffed_line: StaffedLine, client: StaffClient) -> None:
    """Wait until somebody's client reads us at the desk, as people wait, too: before that it loses bundles of keys."""
    desk, bot = staffed_line.ready.desk_room, staffed_line.ready.bot
    await client.find(desk, "they read us", lambda i: i.sender == bot and i.kind == "message", within=READ_TIMEOUT)


def every_file(*directories: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield what stands in every file; one that goes while it is looked for holds nothing any more."""
    for directory in directories:
        for path in directory.rglob("*"):
            try:
                if path.is_file():
                    yield path, path.read_bytes()
            except FileNotFoundError:
                continue
