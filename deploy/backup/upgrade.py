"""`quietline upgrade`: a line's databases, brought to this version after a backup, with the line stopped.

Each step is one commit, so an interruption (a kill, a full disk) loses nothing and the same command continues. A database
of a newer version is not touched.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from bridge.matrix.schema import MAIN_SCHEMA, PUPPET_SCHEMA
from bridge.storage.postgres_database import database_of
from deploy.backup.backup import read_passphrase
from deploy.backup.rotation import backup_into
from deploy.data_dir.line_lock import line_stopped
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout

FILES: Final = (("main.db", MAIN_SCHEMA), ("voice.db", PUPPET_SCHEMA))


async def upgrade(layout: Layout, config: Config, *, with_backup: bool = True) -> Path | None:
    """Upgrade a line to this version; return the backup made before, if any.

    Raises :class:`SetupError`, `DatabaseError`, `OSError`.
    """
    with line_stopped(config.data_dir) if config.data_dir.is_dir() else contextlib.nullcontext():
        file = None
        if with_backup:
            if (section := config.backup) is None:
                raise SetupError([f"{layout.config}: backup: is not there; write it, or say --without-backup"])
            file = (await backup_into(layout, section.to, read_passphrase(section.passphrase_file))).file
        for name, schema in FILES:
            if config.database is None and not (config.data_dir / name).exists():
                continue
            # It leads meanwhile, so that no bridge of another machine uses the same tables.
            database = database_of(config.data_dir / name, config.database_url, schema=schema, leads=name == "main.db")
            try:
                await database.open()
            finally:
                await database.close()
    return file
