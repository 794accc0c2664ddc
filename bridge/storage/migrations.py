"""Makes the tables of a database, and brings those of an older program to this one's, one step after another.

A step and the number it leads to are one commit, and so are all tables of a new database. A database that a newer program
wrote is not changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from bridge.storage.database import Dialect, Reader, Snapshot, Transaction, Work
from bridge.storage.errors import OutdatedSchema, UnsupportedSchema

Step: TypeAlias = Callable[[Transaction], Awaitable[None]]
Committer: TypeAlias = Callable[[Work[None]], Awaitable[None]]

VERSION_TABLE: Final = "quietline_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The tables of one database. `tables`: the statements that make version 1; `{seq}` and `{blob}` are the dialect's.

    `postgres`: statements for PostgreSQL alone. `steps`: what was changed since version 1; a released step is not edited.
    `upgrades`: whether opening a database takes the steps that it lacks.
    """

    tables: Sequence[str]
    postgres: Sequence[str] = ()
    steps: Sequence[Step] = ()
    upgrades: bool = True

    @property
    def latest(self) -> int:
        """The version of this program."""
        return 1 + len(self.steps)

    async def require_not_newer(self, reader: Reader) -> int:
        """Return the version of a database that has the table of it; 0: no tables yet. Raises `UnsupportedSchema`."""
        version = int(await reader.fetchval(f"SELECT version FROM {VERSION_TABLE}") or 0)  # noqa: S608 - a name of ours
        if version > self.latest:
            raise UnsupportedSchema(VERSION_TABLE)
        return version

    async def apply(self, commit: Committer) -> None:
        """Make the tables, or take every step that is missing.

        Raises `UnsupportedSchema`, and without `upgrades` `OutdatedSchema`.
        """
        await commit(self._make)
        for number in range(2, self.latest + 1):
            await commit(lambda transaction, number=number: self._take_step(transaction, number))  # type: ignore[misc]

    async def _make(self, transaction: Transaction) -> None:
        await transaction.execute(f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (version INTEGER PRIMARY KEY)")
        version = await self.require_not_newer(transaction)
        if version and (self.upgrades or version == self.latest):
            return
        if version:
            raise OutdatedSchema(VERSION_TABLE)
        dialect = transaction.dialect
        for statement in (*self.tables, *(self.postgres if dialect is Dialect.POSTGRESQL else ())):
            await transaction.execute(statement.format(seq=dialect.sequence, blob=dialect.blob))
        for step in self.steps:
            await step(transaction)
        await _set_version(transaction, self.latest)

    async def _take_step(self, transaction: Transaction, number: int) -> None:
        if await self.require_not_newer(transaction) < number:
            await self.steps[number - 2](transaction)
            await _set_version(transaction, number)


def peek_version(snapshot: Snapshot) -> int:
    """Return a database's version, read on another connection; 0 if it has no tables yet."""
    if VERSION_TABLE not in snapshot.tables():
        return 0
    return int(snapshot.fetchval(f"SELECT version FROM {VERSION_TABLE}") or 0)  # noqa: S608 - a name of ours


async def _set_version(transaction: Transaction, number: int) -> None:
    await transaction.execute(f"DELETE FROM {VERSION_TABLE}")  # noqa: S608 - a name of ours
    await transaction.execute(f"INSERT INTO {VERSION_TABLE} (version) VALUES ($1)", number)  # noqa: S608 - a name of ours
