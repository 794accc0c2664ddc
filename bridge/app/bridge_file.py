"""`run/bridge.json`: who this bridge is, for programs that may read the line's directory.

Rules of this module: the file has mode 0600, is written whole, and exists only while the bridge runs and has its desk. It
holds what `/ready` must not say, because `/ready` is on the webhooks' listener, which a proxy may expose to the world.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Final

from bridge.config.sections import Config
from bridge.runtime import log

NAME: Final = "bridge.json"


class BridgeFile:
    """The file of one running bridge. `publish` may be called at any time, `remove` at start and stop."""

    def __init__(self, run: Path, config: Config) -> None:
        self._path, self._config = run / NAME, config
        self._published = ""

    def publish(self, desk_room: str) -> None:
        """Write the file if its content has changed. When the disk is full there is no file, and nothing else fails."""
        if desk_room == self._published:
            return
        content = {
            "bot": self._config.policy_mxid,
            "voice": self._config.puppet_mxid,
            "desk_room": desk_room,
            "pid": os.getpid(),
        }
        half = self._path.with_name(f".{NAME}.{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            half.unlink(missing_ok=True)
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
                json.dump(content, file)
            half.replace(self._path)
        except OSError as error:
            log.failure("bridge.file_not_written", error)
            return
        self._published = desk_room

    def remove(self) -> None:
        """Remove the file of this run, or of an earlier run that was killed."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
