"""What a person says to the next start: the keys that are missing are lost for good, or old rooms may be erased.

Rule of this module: the line must be stopped, on every machine. A missing `keys.db` is not made: it would be in the way of
the right one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.model.audit_kinds import AuditKind
from bridge.tables import line_state
from deploy.data_dir import offline
from deploy.data_dir.line_lock import line_stopped
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from bridge.config.sections import Config


async def accept_lost_keys(config: Config) -> None:
    """Make the next start end the conversations without a key. Raises :class:`SetupError`, `DatabaseError`, `OSError`."""
    await _note(config, line_state.KEYS_LOST, "yes")


async def accept_old_rooms(config: Config) -> None:
    """Make the next start erase the rooms from before a restore. Raises as `accept_lost_keys`."""
    await _note(config, line_state.OLD_ROOMS, line_state.ERASE)


async def _note(config: Config, name: str, value: str) -> None:
    with line_stopped(config.data_dir):
        if not (keys := config.data_dir / "keys.db").is_file():
            raise SetupError([f"{keys}: missing: put it back, or mount its volume here; nothing was changed"])
        await offline.record_audit(
            config, AuditKind.ACCEPT_FACTS, lambda transaction: line_state.put(transaction, name, value), leads=True
        )
