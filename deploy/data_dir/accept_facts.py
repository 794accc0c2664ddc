"""`quietline accept-facts`: a person takes a marked set as it stands, for instance after an old database was put back.

Or that keys are lost for good. Rules of this module: the line is stopped, for `keys.db` belongs to the running bridge
alone; what is interrupted is done again by the same command; who was confirmed is not taken as it stands, but forgotten.
"""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING

from bot.model.audit_kinds import AuditKind
from bridge.matrix.room_keys.confirmed_identities import forget_confirmations
from bridge.storage import marked_sets
from bridge.storage.key_file import KeyFile
from bridge.storage.marked_sets import SetName
from bridge.tables import line_state
from deploy.data_dir import offline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from bridge.storage.database import Transaction


class LineRuns(Exception):  # noqa: N818 - an answer, not a failure
    """A bridge runs on that directory."""


async def accept_facts(config: Config, name: SetName) -> None:
    """Have the next start take the set as it stands. Raises `LineRuns`, `DatabaseError`, `OSError`."""
    with _stopped(config):

        async def forget(transaction: Transaction) -> None:
            await marked_sets.forget(transaction, name)
            if name is SetName.CONFIRMED:
                await forget_confirmations(transaction)

        await offline.record_audit(config, AuditKind.ACCEPT_FACTS, forget)
        keys = KeyFile(path=config.data_dir / "keys.db")
        await keys.open()
        try:
            vault = offline.open_vault(config, keys)
            await vault.forget_mark(name.value)
        finally:
            await keys.close()


async def accept_lost_keys(config: Config) -> None:
    """Have the next start end the conversations that have no key. Raises `LineRuns`, `DatabaseError`, `OSError`."""
    with _stopped(config):
        await offline.record_audit(
            config,
            AuditKind.ACCEPT_FACTS,
            lambda transaction: line_state.put(transaction, line_state.KEYS_LOST, "yes"),
        )


@contextlib.contextmanager
def _stopped(config: Config) -> Iterator[None]:
    """Keep every bridge from this directory. Raises `LineRuns` while one has it."""
    with (config.data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LineRuns from None
        yield
