"""What somebody comes to read, and every byte that a line has on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.e2e.scene import Scene, Talk
from tests.e2e.seat import NO_SHIELD, Item, Seat
from tests.e2e.waiting import StepFailed, until

READS = 60.0
"""Seconds until a client can read: one that has just met our identities for the first time takes about thirty."""


async def reads(scene: Scene, seat: Seat, room: str, author: str, *texts: str) -> None:
    """Wait until somebody can read these texts of an author: ours without a shield, colleagues' at most with a grey one."""
    ours = author in {scene.ready.voice, scene.ready.bot}

    def well(item: Item) -> bool:
        return item.shield == NO_SHIELD or (not ours and item.shield.startswith("grey"))

    async def probe() -> bool | None:
        items = {i.body: i for i in await seat.whole(room) if i.sender == author and i.kind == "message"}
        return all(text in items and well(items[text]) for text in texts) or None

    async def seen() -> str:
        return "; ".join(i.brief() for i in (await seat.whole(room))[-12:])

    await until(f"{seat.mxid} can read {len(texts)} texts of {author}", probe, within=READS, every=0.5, seen=seen)


async def reads_or_is_told(talk: Talk, seat: Seat, author: str, *typed: str) -> None:
    """Wait until somebody can read what a colleague typed before, with their key, or else in what `!recap` says.

    A client that learns from its sync that it joined, before the join is answered, has forgotten that it was asked in, and
    takes no bundle from then on: seen on busy machines with clients that had just logged in.
    """
    try:
        await reads(talk.scene, seat, talk.room, author, *typed)
    except StepFailed:
        await seat.say(talk.room, "!recap")
        await replace(talk, seat=seat).told("on their way to your devices", *typed)


async def knows_us(scene: Scene, seat: Seat) -> None:
    """Wait until somebody's client reads us at the desk, as people wait, too: before that it loses bundles of keys."""
    desk, bot = scene.ready.desk_room, scene.ready.bot
    await seat.find(desk, "they read us", lambda i: i.sender == bot and i.kind == "message", within=READS)


def every_file(*directories: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield what stands in every file; one that goes while it is looked for holds nothing any more."""
    for directory in directories:
        for path in directory.rglob("*"):
            try:
                if path.is_file():
                    yield path, path.read_bytes()
            except FileNotFoundError:
                continue
