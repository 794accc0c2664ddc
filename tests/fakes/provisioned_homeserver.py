"""A homeserver as the first start of a rehearsal leaves it: made once in a run, and copied for each new line.

Rule of this module: it contains only what `provision` made. Each line has its own secrets, except those that the
homeserver's database knows: the passwords of the first accounts and the signing key are copied.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from deploy.data_dir.atomic_files import make_private_directory
from deploy.data_dir.layout import Layout, Ports
from deploy.data_dir.secret_files import StaffAccount
from deploy.stack.provision import first_accounts, make_accounts, open_secrets, write_line_files
from tests.free_ports import free_ports
from tests.run_directory import run_directory

DATABASE: Final = "homeserver.db"


async def provision(layout: Layout, ports: Ports) -> tuple[StaffAccount, ...]:
    """Make everything for a first run, without starting the line. Return the accounts with their passwords."""
    write_line_files(layout, ports)
    await make_accounts(layout, ports)
    return first_accounts(layout)


async def put_homeserver(layout: Layout) -> None:
    """Copy the homeserver into an empty data directory, so that its first start makes no database and no accounts.

    Outside of a run nothing is copied, and the first start makes them.
    """
    assert not any(path.exists() for path in (layout.config, layout.secrets, layout.homeserver)), "there is a line already"
    if (shared := run_directory()) is None:
        return
    original = await _made(shared / "one-homeserver")
    secrets, own = open_secrets(original), open_secrets(layout)
    for directory in (layout.data, layout.secrets, layout.homeserver):
        make_private_directory(directory)
    for source, copy in ((secrets.accounts, own.accounts), (secrets.signing_key, own.signing_key)):
        shutil.copy(source, copy)
    own.make(provisioned=False, sealed=False)
    for name in (DATABASE, f"{DATABASE}-wal"):  # the log has what no checkpoint has copied to the database
        if (file := original.homeserver / name).exists():
            shutil.copy(file, layout.homeserver / name)
    layout.provisioned_file.touch(mode=0o600)


async def _made(place: Path) -> Layout:
    """Return the directory to copy; the first caller makes it."""
    layout, whole = Layout(place / "line"), place / "whole"
    make_private_directory(place)
    async with _lock(place / "lock"):
        if not whole.exists():
            shutil.rmtree(layout.data, ignore_errors=True)
            await provision(layout, Ports(free_ports()))
            whole.touch()
    return layout


@contextlib.asynccontextmanager
async def _lock(path: Path) -> AsyncIterator[None]:
    """Lock a file against other processes. The kernel releases the lock when this process ends."""
    with path.open("a", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(0.1)
            else:
                break
        yield
