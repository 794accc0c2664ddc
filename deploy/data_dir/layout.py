"""Where everything lies under a data directory, and on which ports.

Rule of this module: a path or a port is spelled out here and nowhere else, and no name of a file tells anything about a
person, but a hand-out's, which is the name of an account.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

HOST: Final = "127.0.0.1"
HOMESERVER_NAME: Final = "homeserver"
"""The homeserver's host where each part has a network of its own (`deploy/init/compose_files.py`)."""
EVERYWHERE: Final = "0.0.0.0"
"""Where parts listen there."""
DEFAULT_PORT_BASE: Final = 8448
CHILDREN: Final = ("homeserver", "bridge", "carrier")
REAL_LINE_CHILDREN: Final = ("homeserver", "bridge")
"""Of a line that is no rehearsal: its carrier is elsewhere."""


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
        """Tell the port of a child by its name."""
        return self.base + CHILDREN.index(child)

    def url(self, child: str) -> str:
        """Where a child answers, without a slash at the end."""
        return f"http://{HOST}:{self.of(child)}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files under one data directory (absolute). `config_file`: the configuration, if it is not `config.yaml` there."""

    data: Path
    config_file: Path | None = None

    @property
    def secrets(self) -> Path:
        """Keys, tokens and passwords; mode 0700, files 0600."""
        return self.data / "secrets"

    @property
    def handout(self) -> Path:
        """Of a real line, for each of its first people how to sign in (`deploy/data_dir/handouts.py`)."""
        return self.data / "handout"

    @property
    def homeserver(self) -> Path:
        """The homeserver's configuration, database and media."""
        return self.data / "homeserver"

    @property
    def logs(self) -> Path:
        """One log per child, and one older one of each."""
        return self.data / "logs"

    @property
    def run(self) -> Path:
        """Locks, process ids and `ready.json`: of no worth when nothing runs."""
        return self.data / "run"

    @property
    def bridge(self) -> Path:
        """What the bridge keeps: its databases."""
        return self.data / "bridge"

    @property
    def config(self) -> Path:
        """The bridge's configuration, the operator's to edit."""
        return self.config_file or self.data / "config.yaml"

    @property
    def has_config(self) -> bool:
        """Whether anything lies there: a link to nothing, or a directory, is no line that is new. Its reader says what."""
        return os.path.lexists(self.config)

    @property
    def carrier(self) -> Path:
        """The rehearsal carrier's configuration."""
        return self.data / "carrier.json"

    @property
    def carrier_store(self) -> Path:
        """What the rehearsal carrier keeps over its restart, sealed."""
        return self.data / "carrier.journal"

    @property
    def homeserver_config(self) -> Path:
        """Synapse's configuration, rewritten at every start."""
        return self.homeserver / "homeserver.yaml"

    @property
    def homeserver_settings(self) -> Path:
        """Settings of the operator's own for Synapse (`deploy/stack/synapse_overlay.py`); often not there."""
        return self.data / "homeserver.d"

    @property
    def first_start(self) -> Path:
        """What Synapse is told besides at its first start only: where the registration secret is. Removed after."""
        return self.homeserver / "first-start.yaml"

    @property
    def provisioned(self) -> Path:
        """Written last, when the accounts are there; so an interrupted first run is done again."""
        return self.homeserver / "provisioned"

    @property
    def postgres_begun(self) -> Path:
        """Written before the homeserver's first start on PostgreSQL: what its database then holds is this directory's."""
        return self.homeserver / "postgresql"

    @property
    def begun(self) -> Path:
        """A file as old as the line: the first run's mark, or the configuration of a line with a homeserver elsewhere."""
        return self.provisioned if self.provisioned.exists() else self.config

    @property
    def ready(self) -> Path:
        """`ready.json` of design.md, "Contracts with the outside"."""
        return self.run / "ready.json"

    @property
    def bridge_file(self) -> Path:
        """What a running bridge says of itself (`bridge/app/bridge_file.py`)."""
        return self.run / "bridge.json"

    @property
    def canary_file(self) -> Path:
        """How the canary's last round trip went (`deploy/canary/runner.py`)."""
        return self.run / "canary.json"

    @property
    def deaths(self) -> Path:
        """When children ended by themselves (`deploy/stack/deaths.py`)."""
        return self.run / "deaths.json"

    @property
    def doctor(self) -> Path:
        """What `doctor --changes` found the last time (`deploy/doctor/changes.py`)."""
        return self.run / "doctor.json"

    @property
    def doctor_alarm(self) -> Path:
        """What `doctor --alarm` told the last time (`deploy/doctor/alarm.py`)."""
        return self.run / "doctor-alarm.json"

    @property
    def lock(self) -> Path:
        """Held by the one `up` of this directory."""
        return self.run / "up.lock"

    def pid(self, child: str) -> Path:
        """Locked by a running child, with its process id inside."""
        return self.run / f"{child}.pid"

    def log(self, child: str) -> Path:
        """Where a child's output goes."""
        return self.logs / f"{child}.log"
