"""Pictures of an evening in a real client: the desk with a card, and the room of a thread, as an advocate sees them.

Rules of this module: the line is a rehearsal's and its texter a drill's; what is typed is what the first evening tells
(`deploy/docs/pages/first_evening.py`), in the client itself, whose device the person's own identity has signed.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final, TypeAlias

from deploy.docs.pages.first_evening import ShownLine, first_evening_lines
from deploy.docs.pages.pictures import CLIENT, SCREENS, file_name
from tests.e2e import separate_line
from tests.e2e.drill_player import hurried
from tests.hydrogen import Hydrogen, run_hydrogen
from tests.outside_programs import find_symbols

QUALITY: Final = 60
SPOKEN: Final = {"en": "", "es": " es"}
"""Behind `!drill NAME`, and behind `!lang me`."""
HANDS: Final = 6
"""How often ✋ stands at the desk once a card and its call are there, each with the tap below it."""
CHANGED: Final = "* "
"""Before a message that was changed."""
HEIGHTS: Final = {"phone": 1200, "desktop": 900}
"""CSS pixels of the client's window."""

Take: TypeAlias = Callable[[str, Hydrogen, str], Awaitable[None]]
"""Takes a picture: its name, the client, and words that stand in its first line."""


async def show_evening(browser: str, files: Path, work: Path, *, language: str, take: Take) -> None:
    """Play the evening in the client; `take` is called whenever that shows what a picture is of.

    `browser`: a Chromium; `files`: the client's packages; `work`: an empty directory.
    """
    lines = first_evening_lines(language)
    typed = [words for kind, words in lines if kind is ShownLine.TYPE]
    texts = [words for kind, words in lines if kind is ShownLine.TEXT]
    *_, over = (words for kind, words in lines if kind is ShownLine.SEE)
    (work / "line").mkdir()
    settings, scripts = separate_line.HURRIED, hurried(work / "drills")
    async with separate_line.run_line(work / "line", settings=settings, drills=scripts) as line:
        account, home = line.ready.account("advocate"), line.ready.homeserver
        async with run_hydrogen(
            browser, files, work / "profile", homeserver=home, account=account, symbols=find_symbols()
        ) as client:
            desk = await client.open_next([])
            if SPOKEN[language]:
                await client.say(f"!lang me{SPOKEN[language]}")
            office = await client.open_next([desk])
            await client.open(desk)
            await client.say(typed[0])
            await client.wait_for("✋", HANDS)
            await take("client-desk", client, typed[0])
            await client.say(typed[1])
            await client.open_next([desk, office])
            await client.wait_for(texts[0])
            await client.wait_for("!unsafe ·")
            await client.say(typed[2])
            await client.wait_for("✓✓")
            await client.wait_for(CHANGED)
            await take("client-thread", client, texts[0])
            await client.wait_for(texts[1])
            await client.say("!safecheck")
            await client.wait_for(texts[2])
            await client.say("!unsafe")
            await client.wait_for(texts[3])
            await client.say("!escalate")
            await client.open(office)
            await client.wait_for(over)
            await take("client-debrief", client, over)


async def client_pictures(browser: str, files: Path, work: Path, *, languages: Iterable[str]) -> dict[str, bytes]:
    """Return the pictures by file name."""
    images: dict[str, bytes] = {}
    for language in languages:

        async def take(what: str, client: Hydrogen, first: str, language: str = language) -> None:
            screen = CLIENT[what]
            await client.tab.look_like(width=SCREENS[screen], height=HEIGHTS[screen], scheme="light")
            await client.scroll_to(first)
            answer = await client.tab.command("Page.captureScreenshot", format="webp", quality=QUALITY)
            images[file_name(what, screen, language)] = base64.b64decode(answer["data"])

        (work / language).mkdir()
        await show_evening(browser, files, work / language, language=language, take=take)
    return images
