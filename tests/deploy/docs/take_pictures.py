"""The pictures of the documentation, taken of what the product shows: `python -m tests.deploy.docs.take_pictures`.

Rules of this module: nothing in a picture is of a real person, number or agency; the handsets' page and the report are the
product's own pages, the board is its own message, laid out as the HTML that clients are sent, and an evening is seen in a
client of others (`client_pictures`). A picture is small enough to be kept with the source, and there is no other in
`deploy/docs/pictures`. It needs a Chromium, and Hydrogen (`tests.outside_programs`).
"""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bot.display.desk_board import board_text
from bot.model.actions import DESK, EditMessage
from bot.model.desk import Desk, DeskMember, Facts, QueueEntry, Role
from bot.wording.notice import in_language
from bridge.carriers.adapter import Accepted
from bridge.matrix.api.message_content import edit_content
from deploy.docs.generate import DOCS
from deploy.docs.pages.first_evening import ShownLine, first_evening_lines
from deploy.docs.pages.pictures import CLIENT, LANGUAGES, SCREENS, SHOWN, file_name
from deploy.report.page import report_page
from tests.bridge.carriers.rehearsal_harness import NUMBER, RehearsalHarness, rehearsal_harness
from tests.browser import Tab, open_tab
from tests.deploy.docs.client_pictures import client_pictures
from tests.deploy.rehearsal.handsets import A, B
from tests.deploy.report.tallies import CELLS, months_of
from tests.fakes.fake_carrier import send_words
from tests.outside_programs import find, find_symbols
from tests.packs import shipped

PICTURES: Final = DOCS / "pictures"
TALLEST: Final = 1_500
"""CSS pixels; what is below is cut."""
QUALITY: Final = 60
LARGEST: Final = 150_000
"""Bytes of one picture."""
NOW: Final = 1_800_000_000.0
MINUTE: Final = 60.0
PAGE: Final = """<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>board</title><style>
body{{font:16px/1.5 system-ui,sans-serif;margin:16px;color:#1b1b1b;background:#fff}}
div{{background:#f3f3f0;border-radius:12px;padding:12px 16px;max-width:44rem}}
</style></head><body><div>{body}</div></body></html>"""


def example_desk() -> Desk:
    """Return a desk with one who waits and two who are with somebody, of which one may be in danger."""
    hour, long_ago, advocate = NOW - 60 * MINUTE, NOW - 540 * MINUTE, Role.ADVOCATE
    roster = (
        DeskMember(user="@ana:line.example", role=advocate, on_duty=True, on_duty_since=hour),
        DeskMember(user="@ben:line.example", role=advocate, on_duty=True, on_duty_since=long_ago, languages=("es",)),
        DeskMember(user="@sue:line.example", role=Role.SUPERVISOR, on_duty=True, on_duty_since=hour),
    )
    usual: dict[str, Any] = {"opened_at": NOW - 25 * MINUTE, "since": NOW - 24 * MINUTE}
    threads = (
        QueueEntry(thread="1", designation="quiet maple", since=NOW - 4 * MINUTE, language="es"),
        QueueEntry(
            thread="2",
            designation="amber heron",
            assignee="@ana:line.example",
            danger=True,
            last_activity=NOW - 2 * MINUTE,
            **usual,
        ),
        QueueEntry(
            thread="3",
            designation="brass otter",
            assignee="@ben:line.example",
            last_activity=NOW - 6 * MINUTE,
            last_was_inbound=False,
            **usual,
        ),
    )
    return Desk(roster=roster, threads=threads)


def board_page(language: str) -> str:
    """Return the board as the HTML of its message, on a page of its own."""
    desk = example_desk()
    words = in_language(board_text(shipped("base"), Facts(now=NOW, roster=desk.roster), desk), language)
    edit = EditMessage(place=DESK, ref="board", body=words, formatted=True)
    body = edit_content(edit, "$board")["m.new_content"]["formatted_body"]
    return PAGE.format(language=language, body=body)


async def fill_handsets(stand: RehearsalHarness, tab: Tab, language: str) -> None:
    """Have two handsets text and get what the story of the first evening tells."""
    for number, (kind, words) in enumerate(first_evening_lines(language)):
        if kind is ShownLine.TEXT:
            await stand.text_from_handset(A, words)
        elif kind is ShownLine.PHONE or (kind is ShownLine.TYPE and not words.startswith(("!", "//"))):
            assert isinstance(await send_words(stand.carrier, A, words, number=NUMBER), Accepted)
        if number == 9:
            break
    await stand.text_from_handset(B, {"en": "is this a real person", "es": "hay una persona ahi"}[language])
    await tab.show(stand.base + "/")
    await tab.until("document.querySelectorAll('.in, .out').length >= 5")


async def take(tab: Tab, width: int) -> bytes:
    """Return a picture of the page as it is, in so many CSS pixels."""
    await tab.look_like(width=width, scheme="light")
    height = min(await tab.run("Math.ceil(document.body.getBoundingClientRect().bottom) + 8"), TALLEST)
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    answer = await tab.command(
        "Page.captureScreenshot", format="webp", quality=QUALITY, clip=clip, captureBeyondViewport=True
    )
    return base64.b64decode(answer["data"])


async def pictures(
    program: str, work: Path, *, languages: Iterable[str] = LANGUAGES, screens: Iterable[str] = tuple(SCREENS)
) -> dict[str, bytes]:
    """Return the pictures of our own pages by file name. `work`: a directory for the browser's profile and the pages."""
    images: dict[str, bytes] = {}
    async with open_tab(program, work / "profile", find_symbols()) as tab:
        for language in languages:
            async with rehearsal_harness() as stand:
                for what in (each for each in SHOWN if each not in CLIENT):
                    if what == "handsets":
                        await fill_handsets(stand, tab, language)
                    else:
                        page = board_page(language) if what == "board" else report_page(months_of(CELLS), language)
                        (work / f"{what}.html").write_text(page, encoding="utf-8")
                        await tab.show((work / f"{what}.html").as_uri())
                        await tab.until("document.readyState === 'complete' && document.body.innerText.length > 20")
                    for screen in screens:
                        images[file_name(what, screen, language)] = await take(tab, SCREENS[screen])
    return images


def main() -> int:
    """Take every picture again. 0 taken, 1 there is no browser, or no client."""
    if (program := find("chromium")) is None or (client := find("hydrogen")) is None:
        sys.stderr.write("there is no Chromium or no Hydrogen here, and none can be unpacked\n")
        return 1
    with TemporaryDirectory() as work:
        images = asyncio.run(pictures(program, Path(work)))
        images |= asyncio.run(client_pictures(program, Path(client), Path(work), languages=LANGUAGES))
    PICTURES.mkdir(exist_ok=True)
    for file in PICTURES.iterdir():
        if file.name not in images:
            file.unlink()
    for name, content in images.items():
        (PICTURES / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
