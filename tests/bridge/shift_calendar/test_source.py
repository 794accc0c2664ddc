"""Where a calendar is read: an ordinary file, or an address that stands in a file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.shift_calendar import source as module
from bridge.shift_calendar.source import AddressSource, BoundedThread, FileSource
from policies.shifts.content_lines import MOST_BYTES, CalendarError, CalendarProblem
from tests.e2e.polling import wait_until


async def problem(source: FileSource | AddressSource) -> CalendarProblem:
    with pytest.raises(CalendarError) as caught:
        await source.read()
    return caught.value.problem


async def test_a_file_is_read_and_its_mark_tells_its_states(tmp_path: Path) -> None:
    """A file that another takes the place of, or that grows, has another mark; one that stays has the same."""
    file = tmp_path / "plan.ics"
    file.write_bytes(b"one")
    source = FileSource(file)
    first = await source.mark()
    assert (await source.read(), await source.mark()) == (b"one", first)
    (tmp_path / "new").write_bytes(b"two")
    (tmp_path / "new").replace(file)
    second = await source.mark()
    file.write_bytes(b"three")
    assert len({first, second, await source.mark()}) == 3


async def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe without a writer, a directory, and nothing at all."""
    os.mkfifo(tmp_path / "pipe")
    assert await problem(FileSource(tmp_path / "pipe")) is CalendarProblem.NOT_A_CALENDAR
    assert await problem(FileSource(tmp_path)) in {CalendarProblem.NOT_A_CALENDAR, CalendarProblem.UNREACHABLE}
    nothing = FileSource(tmp_path / "nothing")
    assert await problem(nothing) is CalendarProblem.UNREACHABLE
    with pytest.raises(CalendarError):
        await nothing.mark()


async def test_a_drive_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the look at a file, nor reading it, nor reading the file of an address: each is over and said."""
    free, hung = threading.Event(), list[str]()

    def hang(name: str) -> Callable[..., object]:
        def call(*_arguments: object) -> None:
            hung.append(name)
            free.wait()

        return call

    for name in ("_mark", "_read"):
        monkeypatch.setattr(FileSource, name, hang(name))
    monkeypatch.setattr(module, "read_secret", hang("read_secret"))
    try:
        assert await problem(FileSource(tmp_path, thread=BoundedThread(0.05))) is CalendarProblem.UNREACHABLE
        assert await problem(AddressSource(tmp_path, thread=BoundedThread(0.05))) is CalendarProblem.UNREACHABLE
        with pytest.raises(CalendarError):
            await FileSource(tmp_path, thread=BoundedThread(0.05)).mark()

        async def all_hang() -> bool | None:
            return len(hung) == 3 or None

        await wait_until("each has begun", all_hang, every=0.01)
        assert sorted(hung) == ["_mark", "_read", "read_secret"]
    finally:
        free.set()


async def test_an_address_is_read_from_its_file(tmp_path: Path) -> None:
    """Each time, so that another address counts without a start; it stands in nothing that is shown."""
    file, urls = tmp_path / "address", list[str]()
    file.write_text("https://plan.agency.org/secret.ics\n", encoding="utf-8")

    async def fetch(url: str, *, most: int) -> bytes:
        urls.append(url)
        return b"x" * most

    source = AddressSource(file, fetch=fetch)
    assert len(await source.read()) == MOST_BYTES
    assert (urls, await source.mark()) == (["https://plan.agency.org/secret.ics"], None)
    assert "secret" not in repr(source)
    file.write_text("http://plan.agency.org/secret.ics\n", encoding="utf-8")
    assert (await problem(source), len(urls)) == (CalendarProblem.REFUSED, 1)
    file.unlink()
    assert await problem(source) is CalendarProblem.UNREACHABLE
