"""What commits note of `keys.db`, on either engine: never more than is in the file, and all that they may rest on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.app import key_changes
from bridge.app.line_files import CannotStart, stale_keys
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.storage.database import Transaction
from bridge.storage.key_file import KeyFile
from bridge.tables import line_state
from tests.fakes.database_engine import AnyDatabase, make_database

WRAPPED = bytes(61)


@dataclass(slots=True)
class Line:
    """A database and its keys, as one run of a bridge has them."""

    directory: Path
    database: AnyDatabase
    keys: KeyFile
    is_open: bool = True

    async def settle(self, *, take_over: bool = False) -> None:
        await key_changes.check_change_count(self.database, self.keys, self.keys_path, take_over=take_over)

    @property
    def keys_path(self) -> Path:
        return self.directory / "keys.db"

    async def commit(self) -> None:
        """Commit something that has to do with no key."""
        await self.database.commit(lambda transaction: line_state.put(transaction, "of a test", "x"))

    async def noted(self) -> int:
        return await key_changes.read_change_count(self.database)


async def opened(directory: Path) -> Line:
    database = make_database(directory / "main.db", schema=MAIN_SCHEMA)
    await database.open()
    keys = KeyFile(path=directory / "keys.db")
    await keys.open()
    return Line(directory, database, keys)


async def closed(line: Line) -> None:
    """Close it, if nobody has."""
    if not line.is_open:
        return
    line.is_open = False
    await line.database.close()
    await line.keys.close()


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    running = await opened(tmp_path)
    yield running
    await closed(running)


async def test_whatever_is_committed_notes_what_it_may_rest_on(line: Line) -> None:
    """A key made or destroyed before the end of a commit is noted in it, also one that the commit makes itself."""
    await line.settle()
    await line.commit()
    assert await line.noted() == 0
    await line.keys.insert("before", WRAPPED)
    assert await line.noted() == 0

    async def with_a_key(transaction: Transaction) -> None:
        await line_state.put(transaction, "of a test", "y")
        await line.keys.insert("within", WRAPPED)

    await line.database.commit(with_a_key)
    assert await line.noted() == line.keys.changes == 2
    await line.keys.delete("before")
    await line.keys.replace("within", WRAPPED)
    await line.commit()
    assert await line.noted() == line.keys.changes == 4


async def test_a_commit_without_a_change_of_keys_writes_nothing_besides(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text makes no key: it costs no statement."""
    await line.settle()
    await line.keys.insert("t1", WRAPPED)
    written: list[str] = []
    put = line_state.put

    async def counted(transaction: Transaction, name: str, value: str) -> None:
        written.append(name)
        await put(transaction, name, value)

    monkeypatch.setattr(line_state, "put", counted)
    for _ in range(3):
        await line.commit()
    assert written == ["of a test", line_state.KEY_CHANGES, "of a test", "of a test"]


async def test_what_a_failed_commit_would_have_noted_the_next_one_notes(line: Line) -> None:
    """Nothing of it is kept, also where it fails at its very end, and the number is not taken for noted."""
    await line.settle()
    note = key_changes.KeyChanges(line.keys)

    class Fails:
        async def add(self, transaction: Transaction) -> int | None:
            await note.add(transaction)
            raise ZeroDivisionError

        def record_commit(self, number: int) -> None:
            raise AssertionError(number)

    await line.keys.insert("t1", WRAPPED)
    line.database.note_in_commits(Fails())
    with pytest.raises(ZeroDivisionError):
        await line.commit()
    assert await line.noted() == 0
    line.database.note_in_commits(note)
    await line.commit()
    assert await line.noted() == 1


async def test_many_at_once(line: Line) -> None:
    """Commits that make keys, all asked for together, one of which fails: the last one has noted all of them."""
    await line.settle()

    async def begin(n: int) -> None:
        await line.keys.insert(f"t{n}", WRAPPED)

        async def work(transaction: Transaction) -> None:
            await line_state.put(transaction, f"of a test {n}", "x")
            if n == 20:
                raise ValueError

        await line.database.commit(work)

    results = await asyncio.gather(*(begin(n) for n in range(40)), return_exceptions=True)
    assert [type(each) for each in results if each is not None] == [ValueError]
    assert await line.noted() == line.keys.changes == 40


@pytest.mark.parametrize("change", ["insert", "delete", "replace"])
async def test_a_copy_of_before_a_change_is_refused(line: Line, tmp_path: Path, change: str) -> None:
    """Whichever change it was, once it is noted. A person may take the copy; then the file is the older one."""
    await line.settle()
    await line.keys.insert("t1", WRAPPED)
    await line.commit()
    older, newer = tmp_path / "older.db", tmp_path / "newer.db"
    shutil.copyfile(line.keys_path, older)
    await (line.keys.delete("t1") if change == "delete" else getattr(line.keys, change)("t2", WRAPPED))
    await line.commit()
    await closed(line)
    shutil.copyfile(line.keys_path, newer)

    async def start(file: Path, *, take_over: bool = False) -> Any:
        shutil.copyfile(file, line.keys_path)
        again = await opened(tmp_path)
        try:
            await again.settle(take_over=take_over)
            await again.keys.insert("t3", WRAPPED)
            await again.commit()
        except CannotStart as refused:
            return refused.problems
        else:
            shutil.copyfile(line.keys_path, file)
            return again.keys.changes > key_changes.TAKEN_STEP
        finally:
            await closed(again)

    assert await start(older) == [stale_keys(line.keys_path)]
    assert await start(older, take_over=True) is True
    assert await start(older) is True
    assert await start(newer) == [stale_keys(line.keys_path)]


def test_bytes_in_place_of_the_note_are_damage() -> None:
    """One bit of a page of SQLite is enough for that; a number in them is none."""
    with pytest.raises(CannotStart):
        key_changes._number(b"12")


@pytest.mark.parametrize("damaged", ["1x", "9" * 19, "9" * 5000])
async def test_a_damaged_note_is_no_reason_to_take_any_file(line: Line, damaged: str) -> None:
    """It is refused with a sentence; a person who knows that the file is the newest takes it, and it is noted again."""
    await line.keys.insert("t1", WRAPPED)
    await line.settle()
    await line.commit()
    await line.database.commit(lambda transaction: line_state.put(transaction, line_state.KEY_CHANGES, damaged))
    with pytest.raises(CannotStart) as refused:
        await line.settle()
    assert refused.value.problems == [key_changes.DAMAGED_NOTE]
    await line.settle(take_over=True)
    await line.commit()
    assert await line.noted() == line.keys.changes > key_changes.TAKEN_STEP


async def test_a_file_that_is_ahead_is_the_line_s(line: Line, tmp_path: Path) -> None:
    """A process that died between a key and its commit, or a database that lost its last commits: no copy, and no word."""
    await line.settle()
    await line.keys.insert("t1", WRAPPED)
    await line.commit()
    await line.keys.insert("t2", WRAPPED)
    await closed(line)
    again = await opened(tmp_path)
    await again.settle()
    assert (await again.noted(), again.keys.changes) == (1, 2)
    await again.commit()
    assert await again.noted() == 2
    await closed(again)


async def test_a_line_of_an_earlier_version_notes_from_its_first_start_on(line: Line) -> None:
    """Its database has no number and its file has not counted: both begin, and nothing is refused."""
    await line.keys.insert("t1", WRAPPED)
    for what in ("TRIGGER added", "TRIGGER filled", "TABLE change"):
        await line.keys._run(partial(line.keys._db().execute, f"DROP {what}"))
    await closed(line)
    again = await opened(line.directory)
    await again.settle()
    await again.keys.insert("t2", WRAPPED)
    await again.commit()
    assert await again.noted() == 1
    await closed(again)
