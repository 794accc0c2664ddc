"""`quietline accept-facts`: a person accepts a marked set as it is, for instance after an old database was put back.

Or accepts that keys are lost for good, or that rooms from before a restore are erased.

Rules of this module: the line must be stopped, because only a running bridge may use `keys.db`. A missing `keys.db` is not
made: it would be in the way of the right one. After an interruption the same command completes the work. Confirmed
identities are not accepted as they are, but deleted.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bot.model.audit_kinds import AuditKind
from bridge.matrix.room_keys.confirmed_identities import forget_confirmations
from bridge.storage import marked_sets
from bridge.storage.key_file import KeyFile
from bridge.storage.marked_sets import SetName
from bridge.tables import line_state
from deploy.data_dir import offline
from deploy.data_dir.line_lock import line_stopped
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from bridge.storage.database import Transaction


async def accept_facts(config: Config, name: SetName) -> None:
    """Make the next start accept the set as it is. Raises :class:`SetupError`, `DatabaseError`, `OSError`."""
    with _keep_stopped(config):

        async def forget(transaction: Transaction) -> None:
            await marked_sets.forget(transaction, name)
            if name is SetName.CONFIRMED:
                await forget_confirmations(transaction)

        await offline.record_audit(config, AuditKind.ACCEPT_FACTS, forget, leads=True)
        keys = KeyFile(path=config.data_dir / "keys.db")
        await keys.open()
        try:
            vault = offline.open_vault(config, keys)
            await vault.forget_mark(name.value)
        finally:
            await keys.close()


async def accept_lost_keys(config: Config) -> None:
    """Make the next start end the conversations without a key. Raises as `accept_facts`."""
    await _note(config, line_state.KEYS_LOST, "yes")


async def accept_old_rooms(config: Config) -> None:
    """Make the next start erase the rooms from before a restore. Raises as `accept_facts`."""
    await _note(config, line_state.OLD_ROOMS, line_state.ERASE)


async def _note(config: Config, name: str, value: str) -> None:
    """Note what a person said, for the next start."""
    with _keep_stopped(config):
        await offline.record_audit(
            config, AuditKind.ACCEPT_FACTS, lambda transaction: line_state.put(transaction, name, value), leads=True
        )


@contextlib.contextmanager
def _keep_stopped(config: Config) -> Iterator[None]:
    """Lock this directory against bridges. Raises :class:`SetupError` while one runs, and without `keys.db`."""
    with line_stopped(config.data_dir):
        if not (keys := config.data_dir / "keys.db").is_file():
            raise SetupError([f"{keys}: missing: put it back, or mount its volume here; nothing was changed"])
        yield
