"""Plays one conversation on the real product and prints what each side saw: the README's transcript.

Run it as `python -m tests.e2e.transcript`. Rule of this module: nothing is written by hand; every line was read back from
a strict client's timeline or from the handset.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.e2e.scene import Scene
from tests.e2e.seat import Item, Seat
from tests.e2e.stack import Stack
from tests.e2e.strict import StrictClient

HANDSET = "+15555550188"


async def main() -> None:
    """Play and print."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        await stack.start()
        try:
            scene = Scene(stack=stack, ready=stack.ready)
            ada = StrictClient(stack.ready.homeserver, next(a for a in stack.ready.accounts if a.user == "ada"))
            await ada.start()
            try:
                await play(scene, ada)
            finally:
                await ada.stop()
        finally:
            await stack.end()


async def play(scene: Scene, ada: Seat) -> None:
    """One text, one claim, one note, one answer."""
    await scene.seated(ada)
    talk = await scene.talk(ada, HANDSET, "is anyone there")
    await ada.say(talk.room, "// first contact, I have her")
    said = await ada.say(talk.room, "Hi, I'm here. Take your time.")
    await talk.receipt(said, "delivered")
    show("The desk", await ada.whole(scene.ready.desk_room))
    show(f"The room “{talk.designation}”", await ada.whole(talk.room))
    out("The handset")
    for text in await scene.carrier.texts(HANDSET):
        out(f"  {'<-' if text['direction'] == 'out' else '->'}  {text['text']}")


def show(title: str, items: list[Item]) -> None:
    """Print a room as a client shows it: who, what, and the marks on it. All of it decrypted, none with a shield."""
    out(title)
    for item in items:
        if item.kind != "message":
            continue
        marks = ", ".join(item.reactions)
        who = item.sender.removeprefix("@").partition(":")[0]
        body = item.body.replace("\n", "\n" + " " * 14)
        out(f"  {who:<10}  {body}{'   [' + marks + ']' if marks else ''}")


def out(line: str) -> None:
    """Print."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    asyncio.run(main())
