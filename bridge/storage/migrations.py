"""Migrates the tables of a database to the version of this program, one step after another.

Rules of this module: a step and the number it leads to are one commit, and so are all tables of a new database; a file that
a newer program wrote, in any of its sets of tables, is not changed.
Each set of tables has its number in a table of its own, in mautrix's form, so that older files still work: mautrix made
that table with one row, or with none before the first step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bridge.storage.database import Reader, Snapshot, Transaction, Work
from bridge.storage.errors import OutdatedSchema, UnsupportedSchema

Step: TypeAlias = Callable[[Transaction], Awaitable[None]]
Committer: TypeAlias = Callable[[Work[None]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """The steps of one set of tables. `version_table`: the table that has its number.

    `base_version`: the number that the first step follows, besides an empty database; numbers in between are not supported.
    A released step is not edited; changes are new steps. `upgrades`: whether older tables are brought to this program's.
    """

    version_table: str
    steps: Sequence[Step]
    base_version: int = 0
    upgrades: bool = True

    @property
    def latest(self) -> int:
        """The number that the last step leads to."""
        return self.base_version + len(self.steps)

    def up_to(self, number: int) -> Migrations:
        """Return these steps without those behind a number."""
        return replace(self, steps=self.steps[: max(0, number - self.base_version)])

    def peek_version(self, snapshot: Snapshot) -> int:
        """Return a database's number, read on another connection; 0 if it has none of these tables."""
        if self.version_table not in snapshot.tables():
            return 0
        version = snapshot.fetchval(f"SELECT version FROM {self.version_table}")  # noqa: S608 - a name of ours
        return 0 if version is None else int(version)

    async def check(self, transaction: Transaction) -> None:
        """Raise `UnsupportedSchema` for a newer program's tables, or too old ones; without `upgrades` `OutdatedSchema`."""
        await transaction.execute(f"CREATE TABLE IF NOT EXISTS {self.version_table} (version INTEGER PRIMARY KEY)")
        version = await self.require_not_newer(transaction)
        if not self.upgrades and 0 < version < self.latest:
            raise OutdatedSchema(self.version_table)

    async def require_not_newer(self, reader: Reader) -> int:
        """Return the number of a database that has the table of it. Raises `UnsupportedSchema`."""
        version = await self._version(reader)
        if version > self.latest or 0 < version < self.base_version:
            raise UnsupportedSchema(self.version_table)
        return version

    async def run(self, commit: Committer) -> None:
        """Make the tables, or take every step that is missing. Raises what `check` raises."""
        await commit(self._make)
        for number, step in enumerate(self.steps, self.base_version + 1):
            await commit(self._upgrade(step, number))

    async def _make(self, transaction: Transaction) -> None:
        """Make the tables of a new database."""
        await self.check(transaction)
        if await self._version(transaction) == 0:
            for number, step in enumerate(self.steps, self.base_version + 1):
                await self._upgrade(step, number)(transaction)

    def _upgrade(self, step: Step, number: int) -> Work[None]:
        async def work(transaction: Transaction) -> None:
            if await self._version(transaction) >= number:
                return
            await step(transaction)
            await transaction.execute(f"DELETE FROM {self.version_table}")  # noqa: S608 - a name of ours
            await transaction.execute(f"INSERT INTO {self.version_table} (version) VALUES ($1)", number)  # noqa: S608

        return work

    async def _version(self, reader: Reader) -> int:
        version = await reader.fetchval(f"SELECT version FROM {self.version_table}")  # noqa: S608 - a name of ours
        return 0 if version is None else int(version)


async def migrate(sets: Sequence[Migrations], commit: Committer) -> None:
    """Make or migrate several sets of tables of one database; none is changed when one is refused."""
    for each in sets:
        await commit(each.check)
    for each in sets:
        await each.run(commit)
