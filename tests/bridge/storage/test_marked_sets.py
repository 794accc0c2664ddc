"""Sets of facts that nobody takes back in the main database alone, on either engine, whatever a crash leaves."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.runtime.crash_points import CrashPoint
from bridge.storage import marked_sets
from bridge.storage.database import Transaction, Value, Work, placeholders
from bridge.storage.key_file import KeyFile
from bridge.storage.marked_sets import MarkedSet, Marks, SetMatch, SetName
from bridge.storage.migrations import Schema
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.storage.vault import Vault
from tests.bot.hypothesis_settings import COMMON, EXPLORES
from tests.fakes.database_engine import beside, make_database

KEYS: Final = (b"a", b"b", b"c")
SYNCED: Final = (CrashPoint.MARK_WRITTEN, CrashPoint.MARK_COMMITTED)


class _Killed(Exception):  # noqa: N818 - what happens to a process
    """The process dies here: nothing more of it is written."""


TABLES: Final = ("fact", "marked_set")
Copy: TypeAlias = dict[str, list[dict[str, Value]]]
"""Rows of the main database, by table."""
FACT: Final = "CREATE TABLE fact (key {blob} PRIMARY KEY, value {blob} NOT NULL)"


class Files:
    """One set over a main database and a file of keys, as one run of a bridge has it. `dies_at`: where that run ends."""

    def __init__(self, directory: Path) -> None:
        self.main, self.keys = directory / "main.db", directory / "keys.db"
        self.dies_at: CrashPoint | None = None

    @contextlib.asynccontextmanager
    async def running(self, *, takes_older_keys: bool = False) -> AsyncIterator[tuple[MarkedSet, SetMatch]]:
        """Start, and stop when the block ends."""
        keys = KeyFile(path=self.keys)
        await keys.open()
        self.vault = Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33)))
        self.database = make_database(self.main, schema=Schema(tables=(FACT, marked_sets.TABLE)))
        await self.database.open()
        marks = Marks(database=self.database, vault=self.vault, crash=self._crash, takes_older_keys=takes_older_keys)
        try:
            rows = await self.database.fetch("SELECT key, value FROM fact")
            set_match = await marks.suppression.load({bytes(row["key"]): bytes(row["value"]) for row in rows})
            yield marks.suppression, set_match
        finally:
            await marks.close()
            await self.database.close()
            await keys.close()

    async def change(self, marked: MarkedSet, changes: Mapping[bytes, bytes | None]) -> None:
        """Change entries as an owner does: table and set in one commit."""

        async def commit(transaction: Transaction) -> None:
            await marked.change(transaction, changes)
            for key, value in changes.items():
                await transaction.execute("DELETE FROM fact WHERE key = $1", key)
                if value is not None:
                    await transaction.execute("INSERT INTO fact (key, value) VALUES ($1, $2)", key, value)

        await self.database.commit(commit)
        await marked.close()

    async def once(
        self, changes: Mapping[bytes, bytes | None] | None = None, *, takes_older_keys: bool = False
    ) -> tuple[SetMatch, dict[bytes, bytes] | None]:
        """Run once, with a change or none; return what was found, and the entries, None where they do not count."""
        async with self.running(takes_older_keys=takes_older_keys) as (marked, set_match):
            with contextlib.suppress(_Killed):
                await self.change(marked, changes or {})
            return set_match, dict(marked.entries) if marked.is_intact else None

    async def beside(self, statement: str, *values: bytes) -> None:
        """Write the main database as a person does who has no key."""
        await self._beside(lambda transaction: transaction.execute(statement, *values))

    def copy(self) -> Copy:
        """Keep all rows of the main database as it is between two runs."""
        with beside(self.main) as rows:
            return {table: [dict(row) for row in rows.fetch(f"SELECT * FROM {table}")] for table in TABLES}  # noqa: S608 - names from above

    async def put_back(self, copy: Copy) -> None:
        """Put the whole of it back, with nothing that came since."""

        async def work(transaction: Transaction) -> None:
            for table, rows in copy.items():
                await transaction.execute(f"DELETE FROM {table}")  # noqa: S608 - as above
                for row in rows:
                    names = f"({', '.join(row)}) VALUES ({placeholders(len(row))})"
                    await transaction.execute(f"INSERT INTO {table} {names}", *row.values())

        await self._beside(work)

    def copy_keys(self) -> Path:
        """Keep a copy of the file of keys as it is between two runs."""
        return Path(shutil.copy(self.keys, self.keys.with_suffix(".before")))

    def put_keys_back(self, copy: Path) -> None:
        """Put it back, without what a journal adds to it."""
        for each in self.keys.parent.glob(f"{self.keys.name}-*"):
            each.unlink()
        shutil.copy(copy, self.keys)

    async def _beside(self, work: Work[None]) -> None:
        database = make_database(self.main)
        await database.open()
        try:
            await database.commit(work)
        finally:
            await database.close()

    def _crash(self, point: CrashPoint) -> None:
        if point is self.dies_at:
            raise _Killed


@pytest.fixture
async def files(tmp_path: Path) -> Files:
    """Return a set with two entries, whose mark is settled; nothing runs."""
    set_files = Files(tmp_path)
    assert await set_files.once({b"a": b"1"}) == (SetMatch.AS_WRITTEN, {b"a": b"1"})
    assert await set_files.once({b"b": b"2"}) == (SetMatch.AS_WRITTEN, {b"a": b"1", b"b": b"2"})
    return set_files


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("DELETE FROM fact WHERE key = $1", (b"b",)),
        ("UPDATE fact SET value = $2 WHERE key = $1", (b"b", b"0")),
        ("INSERT INTO fact (key, value) VALUES ($1, $2)", (b"c", b"3")),
        ("DELETE FROM marked_set", ()),
        ("UPDATE marked_set SET version = version + 1", ()),
        ("UPDATE marked_set SET version = version - 1", ()),
    ],
    ids=["delete a row", "change a row", "add a row", "delete the version", "a later version", "an earlier version"],
)
async def test_what_is_written_beside_the_program_is_found(files: Files, statement: str, values: tuple[bytes, ...]) -> None:
    """A row or a version that was not written with the vault key: the set counts for nothing, at every start."""
    await files.beside(statement, *values)
    assert await files.once() == (SetMatch.BEHIND, None)
    assert await files.once({b"c": b"4"}) == (SetMatch.BEHIND, None), "nothing that is committed makes it whole"
    assert await files.once() == (SetMatch.BEHIND, None)


async def test_an_old_row_with_its_old_version_is_found(files: Files) -> None:
    """The whole of the main database as it was before one change: its version and code are right, and too old."""
    old = files.copy()
    assert await files.once({b"b": None}) == (SetMatch.AS_WRITTEN, {b"a": b"1"})
    await files.put_back(old)
    assert await files.once() == (SetMatch.BEHIND, None)


async def test_a_running_line_does_not_read_what_was_written_beside_it(files: Files) -> None:
    """A deleted row still counts in memory; the next start finds that it is gone, whatever was committed meanwhile."""
    async with files.running() as (marked, _):
        await files.beside("DELETE FROM fact WHERE key = $1", b"a")
        assert marked.get(b"a") == b"1"
        await files.change(marked, {b"c": b"3"})
        assert marked.get(b"a") == b"1"
    assert await files.once() == (SetMatch.BEHIND, None)


async def test_an_older_key_file_is_accepted_and_told(files: Files) -> None:
    """The database is ahead of its mark: it counts, once told, and the mark follows."""
    old = files.copy_keys()
    assert await files.once({b"c": b"3"}) == (SetMatch.AS_WRITTEN, {b"a": b"1", b"b": b"2", b"c": b"3"})
    newer = files.copy()
    files.put_keys_back(old)
    whole = {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert await files.once() == (SetMatch.AHEAD, whole)
    assert await files.once({b"c": None}) == (SetMatch.AS_WRITTEN, {b"a": b"1", b"b": b"2"})
    await files.put_back(newer)
    assert await files.once() == (SetMatch.BEHIND, None)


async def test_an_older_key_file_without_marks_is_accepted_and_told(files: Files) -> None:
    """A person takes one of before there were marks: the set counts as it stands, under a new epoch."""
    old = files.copy()
    async with files.running():
        await files.vault.forget_mark(SetName.SUPPRESSION.value)
    assert await files.once({b"b": None}, takes_older_keys=True) == (SetMatch.AHEAD, {b"a": b"1"})
    await files.put_back(old)
    assert await files.once() == (SetMatch.BEHIND, None)


@pytest.mark.parametrize("flipped", range(len("mark suppression")))
async def test_a_mark_whose_name_is_damaged_is_missed(files: Files, flipped: int) -> None:
    """One bit of it: the set does not count, at each start, until a person accepts it as it stands."""
    with contextlib.closing(SqliteConnection(files.keys)) as keys:
        n, owner = keys.fetch("SELECT n, owner FROM slot WHERE substr(owner, 1, 16) = $1", b"mark suppression")[0]
        damaged = bytes(byte ^ (0x80 if at == flipped else 0) for at, byte in enumerate(owner))
        keys.execute("UPDATE slot SET owner = $1 WHERE n = $2", damaged, n)
    for _ in range(2):
        assert await files.once({b"b": None}) == (SetMatch.BEHIND, None)
    async with files.running():
        await files.database.commit(lambda transaction: marked_sets.forget(transaction, SetName.SUPPRESSION))
        await files.vault.forget_mark(SetName.SUPPRESSION.value)
    for _ in range(2):
        assert await files.once() == (SetMatch.AS_WRITTEN, {b"a": b"1"})


async def test_a_person_accepts_a_set_as_it_stands(files: Files) -> None:
    """After `forget` and without its mark it is adopted, without a word; and so is a restored line's, which has neither."""
    await files.beside("DELETE FROM fact WHERE key = $1", b"b")
    assert await files.once() == (SetMatch.BEHIND, None)
    async with files.running():
        await files.database.commit(lambda transaction: marked_sets.forget(transaction, SetName.SUPPRESSION))
        await files.vault.forget_mark(SetName.SUPPRESSION.value)
    assert await files.once() == (SetMatch.AS_WRITTEN, {b"a": b"1"})


@pytest.mark.parametrize("point", SYNCED)
async def test_a_death_between_the_two_files_is_no_attack(files: Files, point: CrashPoint) -> None:
    """Killed before the commit or after it: the next start takes what stands, and what is older than that is found."""
    old = files.copy()
    files.dies_at = point
    await files.once({b"b": None})
    files.dies_at = None
    stands = {b"a": b"1", b"b": b"2"} if point is CrashPoint.MARK_WRITTEN else {b"a": b"1"}
    assert await files.once() == (SetMatch.AS_WRITTEN, stands)
    assert await files.once({b"c": b"3"}) == (SetMatch.AS_WRITTEN, stands | {b"c": b"3"})
    await files.put_back(old)
    assert await files.once() == (SetMatch.BEHIND, None)


async def test_what_changes_nothing_costs_nothing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that leaves each entry as it is writes no mark and no version."""
    async with files.running() as (marked, _):
        written: list[str] = []

        async def write_mark(name: str, _mark: bytes) -> None:
            written.append(name)

        monkeypatch.setattr(files.vault, "write_mark", write_mark)
        version = await files.database.fetchval("SELECT version FROM marked_set")
        await files.change(marked, {b"a": b"1", b"c": None})
        await files.change(marked, {b"c": None})
        assert (written, await files.database.fetchval("SELECT version FROM marked_set")) == ([], version)
        await files.change(marked, {b"c": b"3"})
        assert len(written) == 2, "before the commit and after it"


async def test_a_commit_sees_its_own_change_and_others_do_not(files: Files) -> None:
    """Until the commit is made only it reads the change, and after one that fails nobody does."""
    async with files.running() as (marked, _):

        async def fails(transaction: Transaction) -> None:
            await marked.change(transaction, {b"a": None, b"c": b"3"})
            await marked.change(transaction, {b"c": b"4"})
            assert (marked.get(b"a", transaction), marked.get(b"c", transaction)) == (None, b"4")
            assert (marked.get(b"a"), marked.get(b"c")) == (b"1", None)
            raise _Killed

        with pytest.raises(_Killed):
            await files.database.commit(fails)
        assert dict(marked.entries) == {b"a": b"1", b"b": b"2"}
        await files.change(marked, {b"a": None})
    assert await files.once() == (SetMatch.AS_WRITTEN, {b"b": b"2"})


moves = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(KEYS), st.none() | st.sampled_from((b"1", b"2")), max_size=2),
        st.sampled_from((None, *SYNCED)),
    ),
    min_size=1,
    max_size=6,
)


@settings(COMMON, max_examples=60 if EXPLORES else 15)
@given(moves=moves, back=st.integers(0, 5))
def test_whatever_happened_before_what_stands_counts_and_what_is_older_does_not(
    moves: list[tuple[dict[bytes, bytes | None], CrashPoint | None]], back: int
) -> None:
    """Changes, deaths and starts in any order: no start calls a death an attack, and an older database is always found."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_walk(Path(directory), moves, back))


async def _walk(directory: Path, moves: list[tuple[dict[bytes, bytes | None], CrashPoint | None]], back: int) -> None:
    files = Files(directory)
    stands: dict[bytes, bytes] = {}
    assert await files.once() == (SetMatch.AS_WRITTEN, stands)
    copies = [(files.copy(), 0)]
    settled = 0
    for changes, dies_at in moves:
        files.dies_at = dies_at
        after = {key: value for key, value in (stands | changes).items() if value is not None}
        changed = after != stands
        set_match, _ = await files.once(changes)
        assert set_match is SetMatch.AS_WRITTEN
        if not (changed and dies_at is CrashPoint.MARK_WRITTEN):
            stands = after
            settled += changed
        files.dies_at = None
        assert await files.once() == (SetMatch.AS_WRITTEN, stands)
        copies.append((files.copy(), settled))
    copy, version = copies[min(back, len(copies) - 1)]
    await files.put_back(copy)
    expected = (SetMatch.AS_WRITTEN, stands) if version == settled else (SetMatch.BEHIND, None)
    assert await files.once() == expected
