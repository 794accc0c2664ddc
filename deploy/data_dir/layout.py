"""The paths under a data directory, and the ports.

Rule of this module: paths and ports are written only here, and no file's name reveals anything about a person, except a
hand-out's, which is the name of an account.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

HOST: Final = "127.0.0.1"
HOMESERVER_NAME: Final = "homeserver"
"""The homeserver's host when each part has its own address (`deploy/init/compose_files.py`)."""
EVERYWHERE: Final = "0.0.0.0"
"""The listen address of the parts in that case."""
DEFAULT_PORT_BASE: Final = 8448
CHILDREN: Final = ("homeserver", "bridge", "carrier")
REAL_LINE_CHILDREN: Final = ("homeserver", "bridge")
"""The children of a line that is no rehearsal: it has an outside carrier."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The three ports: N, N+1, N+2, all on loopback (design.md, "Contracts with the outside")."""

    base: int

    @property
    def homeserver(self) -> int:
        """Port N."""
        return self.base

    @property
    def bridge(self) -> int:
        """Port N+1."""
        return self.base + 1

    @property
    def carrier(self) -> int:
        """Port N+2."""
        return self.base + 2

    def of(self, child: str) -> int:
        """Return the port of a child by its name."""
        return self.base + CHILDREN.index(child)

    def url(self, child: str) -> str:
        """Return the URL of a child, without a slash at the end."""
        return f"http://{HOST}:{self.of(child)}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files under one data directory (absolute). `config_file`: the configuration, if it is not `config.yaml` there."""

    data: Path
    config_file: Path | None = None

    @property
    def option(self) -> str:
        """The option by which a command finds this line."""
        return f"--data {self.data}" if self.config_file is None else f"--config {self.config_file}"

    @property
    def secrets(self) -> Path:
        """Keys, tokens and passwords; mode 0700, files 0600."""
        return self.data / "secrets"

    @property
    def handout(self) -> Path:
        """Hand-outs for the first people of a real line (`deploy/data_dir/handouts.py`)."""
        return self.data / "handout"

    @property
    def homeserver(self) -> Path:
        """The homeserver's configuration, database and media."""
        return self.data / "homeserver"

    @property
    def logs(self) -> Path:
        """For each child one log and one older log."""
        return self.data / "logs"

    @property
    def run(self) -> Path:
        """Locks, process ids and `ready.json`: not needed when nothing runs."""
        return self.data / "run"

    @property
    def bridge(self) -> Path:
        """The bridge's databases."""
        return self.data / "bridge"

    @property
    def config(self) -> Path:
        """The bridge's configuration, which the operator edits."""
        return self.config_file or self.data / "config.yaml"

    @property
    def has_config(self) -> bool:
        """Whether that path exists, even as a dangling link or a directory: then the line is not new."""
        return os.path.lexists(self.config)

    @property
    def carrier(self) -> Path:
        """The rehearsal carrier's configuration."""
        return self.data / "carrier.json"

    @property
    def carrier_store(self) -> Path:
        """The rehearsal carrier's sealed store of texts."""
        return self.data / "carrier.journal"

    @property
    def homeserver_config(self) -> Path:
        """Synapse's configuration, rewritten at every start."""
        return self.homeserver / "homeserver.yaml"

    @property
    def homeserver_settings(self) -> Path:
        """The operator's own settings for Synapse (`deploy/stack/synapse_overlay.py`); it often does not exist."""
        return self.data / "homeserver.d"

    @property
    def first_start(self) -> Path:
        """Synapse's additional configuration for its first start only: the registration secret's path. Deleted later."""
        return self.homeserver / "first-start.yaml"

    @property
    def provisioned_file(self) -> Path:
        """Written last, after the accounts were made; so an interrupted first run is repeated."""
        return self.homeserver / "provisioned"

    @property
    def postgres_begun(self) -> Path:
        """Written before the homeserver's first start on PostgreSQL: says that its database belongs to this directory."""
        return self.homeserver / "postgresql"

    @property
    def oldest_file(self) -> Path:
        """A file as old as the line: the first run's mark, or the configuration of a line without its own homeserver."""
        return self.provisioned_file if self.provisioned_file.exists() else self.config

    @property
    def ready(self) -> Path:
        """`ready.json` of design.md, "Contracts with the outside"."""
        return self.run / "ready.json"

    @property
    def bridge_file(self) -> Path:
        """Facts that a running bridge writes about itself (`bridge/app/bridge.py`)."""
        return self.run / "bridge.json"

    @property
    def canary_file(self) -> Path:
        """The result of the canary's last round trip (`deploy/canary/runner.py`)."""
        return self.run / "canary.json"

    @property
    def deaths(self) -> Path:
        """The times of children's deaths (`deploy/stack/readiness.py`)."""
        return self.run / "deaths.json"

    @property
    def doctor_alarm(self) -> Path:
        """The last report of `doctor --alarm` (`deploy/doctor/changes.py`)."""
        return self.run / "doctor-alarm.json"

    @property
    def lock(self) -> Path:
        """The lock that the directory's one `up` holds."""
        return self.run / "up.lock"

    def pid(self, child: str) -> Path:
        """Return the file that a running child locks; it contains the process id."""
        return self.run / f"{child}.pid"

    def log(self, child: str) -> Path:
        """Return the file of a child's output."""
        return self.logs / f"{child}.log"
