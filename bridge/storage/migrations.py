"""Migrates the tables of a database to the version of this program, one step after another.

Rules of this module: a step and the number it leads to are one commit; a file that a newer program wrote is not changed.
Each set of tables has its number in a table of its own, in mautrix's form, so that older files still work: mautrix made
that table with one row, or with none before the first step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bridge.storage.database import Snapshot, Transaction, Work
from bridge.storage.errors import UnsupportedSchema

Step: TypeAlias = Callable[[Transaction], Awaitable[None]]
Committer: TypeAlias = Callable[[Work[None]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """The steps of one set of tables. `version_table`: the table that has its number.

    `base_version`: the number that the first step follows, besides an empty database; numbers in between are not supported.
    A released step is not edited; changes are new steps.
    """

    version_table: str
    steps: Sequence[Step]
    base_version: int = 0

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

    async def run(self, commit: Committer) -> None:
        """Take every step that is missing. Raises `UnsupportedSchema` when a newer program was here, or too old a one."""
        await commit(self._check_version)
        for number, step in enumerate(self.steps, self.base_version + 1):
            await commit(self._upgrade(step, number))

    async def _check_version(self, transaction: Transaction) -> None:
        await transaction.execute(f"CREATE TABLE IF NOT EXISTS {self.version_table} (version INTEGER PRIMARY KEY)")
        version = await self._version(transaction)
        if version > self.latest or 0 < version < self.base_version:
            raise UnsupportedSchema(self.version_table)

    def _upgrade(self, step: Step, number: int) -> Work[None]:
        async def work(transaction: Transaction) -> None:
            if await self._version(transaction) >= number:
                return
            await step(transaction)
            await transaction.execute(f"DELETE FROM {self.version_table}")  # noqa: S608 - a name of ours
            await transaction.execute(f"INSERT INTO {self.version_table} (version) VALUES ($1)", number)  # noqa: S608

        return work

    async def _version(self, transaction: Transaction) -> int:
        version = await transaction.fetchval(f"SELECT version FROM {self.version_table}")  # noqa: S608 - a name of ours
        return 0 if version is None else int(version)
