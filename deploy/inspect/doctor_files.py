"""The doctor's checks of files: who may read them, the places of keys, the age of logs.

Rule of this module: it shows a file's name and mode, never its content.
"""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.runtime.settings import is_private, secret_files
from deploy.data_dir.atomic_files import BACKUP_EXCLUSION_TAG
from deploy.inspect.check_report import CheckResult, fault, well

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout

GROUP_AND_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
KEYS: Final = re.compile(r"keys\.db")
LOG_MAX_AGE_SECONDS: Final = 15 * 24 * 3600.0


def check_modes(layout: Layout, config: Config) -> CheckResult:
    """Whether only their owner reads secrets and databases, and that is the account that runs the line."""
    files: list[Path] = []
    for directory in (layout.secrets, layout.bridge, layout.homeserver, config.data_dir):
        files += [directory, *(path for path in _walk(directory) if path.is_file())]
    wide = {str(path) for path in files if path.exists() and path.stat().st_mode & GROUP_AND_OTHERS}
    # A credential may be readable by its group: the machine or the cluster provides it.
    wide |= {str(path) for _, path in secret_files(config) if path.exists() and not is_private(path)}
    if not wide and (foreign := _foreign_files(layout, config)):
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        what = f"the account that runs the line may not use {', '.join(foreign[:3])}{more}, which belong to another"
        return fault("file modes", what, f"`chown -R --reference={layout.data} {layout.data}`")
    if not wide:
        return well("file modes", "secrets and databases are readable by their owner only")
    more = f" and {len(wide) - 3} more" if len(wide) > 3 else ""
    what = f"others can read {', '.join(sorted(wide)[:3])}{more}"
    return fault("file modes", what, f"`chmod -R go= {layout.data}`, and likewise secrets that lie elsewhere.")


def _foreign_files(layout: Layout, config: Config) -> list[str]:
    """Return files that root, for instance, left where the line's own account runs it; `data directory` is about the rest.

    Of a line on the agency's homeserver the service's manager may read the secrets and hand them over.
    """
    own = layout.data.stat().st_uid if layout.data.is_dir() else 0
    if own == 0:  # root can use everything
        return []
    places = [layout.homeserver, layout.run, layout.logs, *([] if config.homeserver.joined else [layout.secrets])]
    paths = [path for place in places if place.is_dir() for path in (place, *_walk(place))]
    paths += [layout.config] if layout.config.is_relative_to(layout.data) else []
    foreign = (path for path in paths if path.exists() and path.stat().st_uid != own)
    return sorted(str(path) for path in foreign if not path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def check_key_copies(layout: Layout, config: Config) -> CheckResult:
    """Whether `keys.db` exists only in its place, and is excluded from ordinary backups."""
    place = (config.data_dir / "keys.db").resolve()
    own = {place, place.with_name("keys.db-journal")}
    copies = [path for path in _walk(layout.data) if KEYS.search(path.name) and path.resolve() not in own]
    if copies:
        do = "Destroy the copy (it can open what was erased), and have whatever made it leave this directory out."
        return fault("data directory", f"there is a copy of keys.db: {', '.join(map(str, copies))}", do)
    if not (config.data_dir / BACKUP_EXCLUSION_TAG).is_file():
        do = f"Start the line again, which writes {BACKUP_EXCLUSION_TAG}, and leave this directory out of every backup."
        return fault("data directory", "nothing tells backup programs to leave out the directory of keys.db", do)
    what = f"keys.db is in one place, and {BACKUP_EXCLUSION_TAG} tells backup programs to leave it out"
    do = "Not every backup program looks at that: leave the directory out there too, and out of snapshots."
    return well("data directory", what, do)


def check_logs(layout: Layout) -> CheckResult:
    """Whether no log entry is kept for too long."""
    old = [
        path.name
        for path in _walk(layout.logs)
        if path.stat().st_size and time.time() - path.stat().st_mtime > LOG_MAX_AGE_SECONDS
    ]
    if old:
        do = "The supervisor rotates them while it runs; delete these."
        return fault("disk", f"logs are older than two weeks: {', '.join(sorted(old))}", do)
    return well("disk", "no log is older than two weeks")


def _walk(directory: Path) -> Iterator[Path]:
    for root, _, names in os.walk(directory):
        yield from (Path(root) / name for name in names if (Path(root) / name).exists())
