"""The file of keys: what is on the disk, and what no longer is."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bridge.lease.key_file_age import peek_epoch, peek_keys
from bridge.storage.database import Row, Transaction, Value
from bridge.storage.errors import Unavailable
from bridge.storage.key_file import KeyFile
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.storage.vault import Vault
from tests.bridge.deleted_rows import all_bytes
from tests.fakes.database_engine import make_database
from tests.fakes.database_file import write
from tests.fakes.key_file_reader import wrapped_keys
from tests.fakes.open_vault import vault_over


@pytest.fixture
def vault(keys: KeyFile) -> Vault:
    return vault_over(keys)


def modes(directory: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}


async def test_a_destroyed_key_is_in_no_byte(vault: Vault, path: Path, tmp_path: Path) -> None:
    """After `destroy`, no eight bytes of the wrapped key are left in the file or beside it; while it lived, they were."""
    rng = random.Random(5)  # noqa: S311 - the same story each time
    living: set[str] = set()
    blobs: dict[str, bytes] = {}
    for n in range(700):
        owner = f"t{rng.getrandbits(64):x}"
        await vault.create(owner)
        living.add(owner)
        if n % 100 == 0:
            blobs |= wrapped_keys(path)
        if rng.random() < 0.6:
            victim = rng.choice(sorted(living))
            living.discard(victim)
            await vault.destroy(victim)
            if victim in blobs:
                blob, content = blobs[victim], all_bytes(tmp_path)
                assert not any(blob[i : i + 8] in content for i in range(1, len(blob) - 8))
                assert victim.encode() not in content
    content = all_bytes(tmp_path)
    assert len(blobs.keys() & living) > 50
    assert len(blobs.keys() - living) > 50
    assert all(blobs[owner] in content for owner in blobs.keys() & living)
    assert not any(blob[i : i + 8] in content for owner, blob in blobs.items() if owner not in living for i in range(1, 50))


async def test_a_key_is_never_moved(keys: KeyFile, path: Path) -> None:
    """Each key that lives is in the file once, whatever came and went around it, and no destroyed one is.

    With a row for each key, which SQLite moves about, three of these stood in the file twice (measured with 3.46).
    """
    rng = random.Random(0)  # noqa: S311 - the same story each time
    living: dict[str, bytes] = {}
    destroyed: list[bytes] = []
    for _ in range(1500):
        if rng.random() < 0.9 or not living:
            owner, wrapped = f"{rng.getrandbits(64):x}" + "t" * rng.choice((1, 240)), rng.randbytes(61)
            living[owner] = await keys.insert(owner, wrapped)
        else:
            owner = rng.choice(sorted(living))
            destroyed.append(living.pop(owner))
            await keys.delete(owner)
    raw = await asyncio.to_thread(path.read_bytes)  # the journal has copies until the next deletion
    assert wrapped_keys(path) == living
    assert {raw.count(wrapped) for wrapped in living.values()} == {1}
    content = all_bytes(path.parent)
    assert not [wrapped for wrapped in destroyed if wrapped[-16:] in content]


async def test_the_journal_holds_what_it_must_lose(keys: KeyFile, tmp_path: Path) -> None:
    """The journal does hold old keys until it is cleared: without that, the test above would prove nothing."""
    wrapped = os.urandom(61)
    await keys.insert("t1", wrapped)
    await keys._run(lambda: keys._db().execute("UPDATE slot SET wrapped = zeroblob(61)"))
    assert wrapped in all_bytes(tmp_path)
    await keys.delete("t1")
    assert wrapped not in all_bytes(tmp_path)


async def test_opening_clears_the_journal(keys: KeyFile, path: Path, tmp_path: Path) -> None:
    """A crash between a deletion and the clearing leaves the old key until the next start, not longer."""
    wrapped = os.urandom(61)
    await keys.insert("t1", wrapped)
    await keys._run(lambda: keys._db().execute("UPDATE slot SET wrapped = zeroblob(61)"))
    assert wrapped in all_bytes(tmp_path)
    again = KeyFile(path=path)
    await again.open()
    await again.close()
    assert wrapped not in all_bytes(tmp_path)


@pytest.mark.crash
@pytest.mark.parametrize("looks", [(), (peek_epoch,), (peek_keys, peek_epoch)], ids=len)
async def test_a_broken_off_deletion_leaves_no_key_in_a_journal_given_away(
    keys: KeyFile, path: Path, tmp_path: Path, looks: tuple[Callable[[Path], object], ...]
) -> None:
    """The journal of a transaction that a crash broke off is played back, kept in its place, and overwritten there.

    Also when somebody has looked before: who wants to lead asks for the epoch, whatever was broken off.
    """
    wrapped = {f"t{n}": os.urandom(61) for n in range(200)}
    for owner, key in wrapped.items():
        await keys.insert(owner, key)
    crashed = tmp_path / "crashed"
    crashed.mkdir()

    def half() -> None:
        connection = keys._db()
        connection.execute("PRAGMA cache_size = 1")  # so that the file is written to before the end
        connection.execute("BEGIN")
        connection.execute("UPDATE slot SET wrapped = zeroblob(61)")
        for name in ("keys.db", "keys.db-journal"):
            shutil.copy(path.with_name(name), crashed / name)
        connection.execute("ROLLBACK")

    await keys._run(half)
    blocks = tmp_path / "blocks" / "journal"
    blocks.parent.mkdir()
    os.link(crashed / "keys.db-journal", blocks)
    assert any(key in all_bytes(crashed) for key in wrapped.values())
    for look in looks:
        assert look(crashed / "keys.db") == (True if look is peek_keys else 0)
    again = KeyFile(path=crashed / "keys.db")
    await again.open()
    assert await again.owners() == set(wrapped)
    assert {owner: await again.read(owner) for owner in wrapped} == wrapped
    for owner in wrapped:
        await again.delete(owner)
    await again.close()
    assert not any(key in all_bytes(crashed) for key in wrapped.values())
    assert not any(key in all_bytes(blocks.parent) for key in wrapped.values())


async def hold(keys: KeyFile) -> threading.Event:
    """Keep the thread busy until the event is set, so that what is asked meanwhile waits."""
    free, busy = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        loop.call_soon_threadsafe(busy.set)
        free.wait(60)

    keys._thread.submit(wait)
    await busy.wait()
    return free


async def test_a_flood_of_keys_shares_its_waits(keys: KeyFile, path: Path) -> None:
    """Keys asked for while the thread is busy are written together, in a bounded number, and each asker is told its own."""
    counting = Counting(keys._db())
    keys._connection = cast("SqliteConnection", counting)
    free = await hold(keys)
    new_keys = {f"t{n}": os.urandom(61) for n in range(250)}
    inserts = [asyncio.create_task(keys.insert(owner, key)) for owner, key in new_keys.items()]
    twice = asyncio.create_task(keys.insert("t249", os.urandom(61)))
    await asyncio.sleep(0)
    free.set()
    assert await asyncio.gather(*inserts) == list(new_keys.values())
    assert await twice == new_keys["t249"]
    assert wrapped_keys(path) == new_keys
    assert counting.commits == 3
    keys._connection = counting.whole


async def test_what_is_asked_later_comes_later(keys: KeyFile) -> None:
    """A deletion between two keys of one owner stays between them, and a key that does not fit costs no other."""
    free = await hold(keys)
    first, second, other = (os.urandom(61) for _ in range(3))
    tasks = [
        asyncio.create_task(each)
        for each in (
            keys.insert("t1", first),
            keys.insert("t2", bytes(60)),
            keys.delete("t1"),
            keys.insert("t1", second),
            keys.insert("t3", other),
        )
    ]
    await asyncio.sleep(0)
    free.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in results] == [bytes, ValueError, type(None), bytes, bytes]
    assert await keys.read("t1") == second
    assert await keys.owners() == {"t1", "t3"}


class Counting:
    """A connection that counts its commits, and whose disk fails at the third of a kind of statement, or at a COMMIT."""

    def __init__(self, whole: SqliteConnection, *, fails: str = "nothing") -> None:
        self.whole, self.commits, self._fails, self._left = whole, 0, fails, 1 if fails == "COMMIT" else 3

    def execute(self, statement: str, *values: Value) -> None:
        """Do it, unless it is to fail."""
        self._look(statement)
        self.commits += statement == "COMMIT"
        self.whole.execute(statement, *values)

    def fetchval(self, statement: str, *values: Value) -> Any:
        """Do it, unless it is to fail."""
        self._look(statement)
        return self.whole.fetchval(statement, *values)

    def fetch(self, statement: str, *values: Value) -> list[Row]:
        """Do it."""
        return self.whole.fetch(statement, *values)

    def _look(self, statement: str) -> None:
        if statement.startswith(self._fails):
            self._left -= 1
            if not self._left:
                raise Unavailable("SQLITE_FULL")


@pytest.mark.parametrize("happened", [True, False], ids=["and it happened", "and nothing happened"])
async def test_after_an_error_the_file_says_who_has_a_key(keys: KeyFile, path: Path, happened: bool) -> None:
    """An error that comes after the commit is no reason to write a key twice, nor to leave one that is to go."""
    first, second = os.urandom(61), os.urandom(61)
    await keys.insert("t0", os.urandom(61))
    await keys.delete("t0")
    whole = keys._db()
    keys._connection = cast("SqliteConnection", Breaking(whole, happened=happened))
    with pytest.raises(Unavailable):
        await keys.insert("t1", first)
    keys._connection = whole
    assert await keys.insert("t1", second) == (first if happened else second)
    keys._connection = cast("SqliteConnection", Breaking(whole, happened=happened))
    with pytest.raises(Unavailable):
        await keys.delete("t1")
    keys._connection = whole
    assert await keys.is_on_disk("t1") is not happened
    await keys.delete("t1")
    assert await keys.owners() == set()
    assert not await keys.is_on_disk("t1")
    assert wrapped_keys(path) == {}
    assert not [key for key in (first, second) if key in all_bytes(path.parent)]


class Breaking:
    """A connection whose disk fails at an UPDATE or INSERT: before it, or after its commit."""

    def __init__(self, whole: SqliteConnection, *, happened: bool) -> None:
        self._whole, self._happened = whole, happened

    def fetchval(self, query: str, *values: Value) -> Any:
        """Do it, or not, and fail."""
        if not query.startswith(("UPDATE", "INSERT")):
            return self._whole.fetchval(query, *values)
        if self._happened:
            self._whole.fetchval(query, *values)
        raise Unavailable("SQLITE_IOERR")

    def fetch(self, query: str, *values: Value) -> list[Row]:
        """Do it."""
        return self._whole.fetch(query, *values)


async def test_files_are_for_their_owner_only(path: Path, tmp_path: Path) -> None:
    """The file, and the journal beside it, are 0600, whatever the umask and whatever they were before."""
    before = os.umask(0)
    try:
        os.close(os.open(path, os.O_CREAT, 0o644))
        keys = KeyFile(path=path)
        await keys.open()
        await keys.insert("t1", bytes(61))
        await keys.close()
    finally:
        os.umask(before)
    assert modes(tmp_path) == {"keys.db": 0o600, "keys.db-journal": 0o600}


async def test_a_newer_file_is_refused(path: Path) -> None:
    """A file from a later version stops the start and is left as it is."""
    write(path, "PRAGMA user_version = 99")
    before = all_bytes(path.parent)
    keys = KeyFile(path=path)
    with pytest.raises(ValueError, match="newer version"):
        await keys.open()
    await keys.close()
    assert all_bytes(path.parent) == before


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from bridge.lease.key_file_age import peek_epoch, peek_keys
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault

async def main():
    keys = KeyFile(path=Path(sys.argv[1]))
    await keys.open()
    vault = Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33)))
    await vault.create("t1")
    print((await vault.seal("t1", "body", b"words")).hex(), flush=True)
    asyncio.get_running_loop().create_task(vault.create("t2"))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.crash
async def test_a_key_survives_the_kill(path: Path) -> None:
    """A process killed right after `create` returned leaves the key; one half created is there or not."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, path, cwd=Path(__file__).parents[3], stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    keys = KeyFile(path=path)
    await keys.open()
    vault = vault_over(keys)
    assert await vault.open("t1", "body", bytes.fromhex(out.decode())) == b"words"
    assert await vault.owners() in ({"t1"}, {"t1", "t2"})
    await keys.close()


async def test_inside_a_commit_of_the_main_database(vault: Vault, tmp_path: Path) -> None:
    """Vault calls that need the disk work inside a commit of the main store, and leave that commit whole."""
    database = make_database(tmp_path / "main.db")
    await database.open()

    async def work(transaction: Transaction) -> bytes:
        await transaction.execute(f"CREATE TABLE t (body {transaction.dialect.blob})")
        await vault.create("t1")
        sealed = await vault.seal("t1", "body", b"words")
        await transaction.execute("INSERT INTO t VALUES ($1)", sealed)
        return sealed

    sealed = await database.commit(work)
    assert await database.fetchval("SELECT body FROM t") == sealed
    await database.close()
