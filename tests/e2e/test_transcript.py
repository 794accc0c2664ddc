"""The transcript of the first conversation is what people see: it is played, and compared line by line."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e import transcript
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import StepFailed, wait_until
from tests.e2e.stack import Stack
from tests.e2e.staffed_line import Conversation, StaffedLine

PAGE = Path(__file__).parents[2] / "deploy" / "docs" / "first-conversation.md"
PLAYED = re.compile(r"^The desk$.*?(?=^```$)", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^The room “(.+)”$", re.MULTILINE)
TIME = re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d:\d\d\b")
CUT = " …"
"""Ends a line of which the page shows no more."""


@pytest_asyncio.fixture(loop_scope="session")
async def played(
    tmp_path_factory: pytest.TempPathFactory, strict_client_factory: StrictClientFactory
) -> AsyncIterator[tuple[StaffedLine, Conversation]]:
    """Play the conversation on a line where nothing else has happened."""
    line = Stack(tmp_path_factory.mktemp("transcript"), forks=False)
    try:
        await line.start()
        client = await strict_client_factory.log_in(line.ready.homeserver, line.ready.account("advocate", 0))
        try:
            staffed_line = StaffedLine(stack=line, ready=line.ready)
            yield staffed_line, await transcript.play(staffed_line, client)
        finally:
            await client.stop()
    finally:
        await line.end()


def plain(text: str) -> list[str]:
    """Return a transcript's lines without what is different each time: the designation, and when it was."""
    match = NAME.search(text)
    assert match, "a transcript names its room"
    return TIME.sub("Thu 00:00", text.replace(match[1], "amber heron")).splitlines()


def same(written: list[str], shown: list[str]) -> bool:
    """Whether what is written is what was seen, where written lines may be cut short."""
    return len(written) == len(shown) and all(
        s.startswith(w.removesuffix(CUT)) if w.endswith(CUT) else s == w for w, s in zip(written, shown, strict=True)
    )


async def test_the_readme_shows_what_people_see(played: tuple[StaffedLine, Conversation]) -> None:
    """Desk, room and handset are as the page has them, once cards and board have come to rest."""
    match = PLAYED.search(PAGE.read_text(encoding="utf-8"))
    assert match, "the page holds a transcript"
    written, shown = plain(match[0]), list[str]()

    async def as_written() -> bool | None:
        shown[:] = plain("\n".join(await transcript.shown(*played)))
        return same(written, shown) or None

    try:
        await wait_until("people see what the page shows", as_written)
    except StepFailed:
        assert written == shown
