"""A disk whose syncs a test delays or makes fail, and whose state after a power cut it can read."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.storage import postgres_database, sqlite_maintenance
from bridge.storage.sqlite_connection import SqliteConnection
from tests.fakes import database_engine


class FakeDisk:
    """A disk whose syncs can be delayed or fail.

    `syncs` counts them; `synced_files`: the folder with the files as of the last sync.
    """

    def __init__(self, path: Path, synced_files: Path) -> None:
        self.path, self.synced_files, self._room = path, synced_files, synced_files
        self.syncs, self.fails = 0, False
        self._free = threading.Event()
        self._free.set()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Become the disk of every store from now on. For PostgreSQL it only knows when commits are on the disk."""
        if not database_engine.is_postgres():
            monkeypatch.setattr(sqlite_maintenance, "_fdatasync", self.sync)
            return
        real_sync = postgres_database.ServerLog.sync

        async def sync(server_log: postgres_database.ServerLog) -> None:
            await asyncio.to_thread(self._free.wait)
            if self.fails:
                raise OSError(5, "Input/output error")
            await real_sync(server_log)
            self.syncs += 1

        monkeypatch.setattr(postgres_database.ServerLog, "sync", sync)

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Delay every sync during the block."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    def sync(self, _log: int) -> None:
        """Copy the files as they are now, when syncs are no longer delayed."""
        self._free.wait()
        if self.fails:
            raise OSError(5, "Input/output error")
        folder = self._room / str(self.syncs)
        folder.mkdir(parents=True)
        # The log first: a checkpoint may copy it into the database meanwhile, and then begin it again.
        for name in (f"{self.path.name}-wal", self.path.name):
            shutil.copy(self.path.with_name(name), folder / name)
        self.synced_files, self.syncs = folder, self.syncs + 1

    def after_a_power_cut(self) -> list[int]:
        """Return the rows of the table after a power cut at this moment."""
        again = Path(tempfile.mkdtemp(dir=self._room))
        shutil.copytree(self.synced_files, again, dirs_exist_ok=True)
        with contextlib.closing(SqliteConnection(again / self.path.name)) as db:
            return [number for (number,) in db.fetch("SELECT id FROM parent ORDER BY id")]
