"""What starts a line at boot: units for systemd, or a file for Compose; with backups on a timer.

Rule of this module: nothing that the line does not need is open to it, and no secret is in a file here.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.data_dir.layout import Layout
    from deploy.init.answers import Answers, BackupAnswer

ROOT: Final = Path(__file__).resolve().parent.parent.parent
SPECIAL: Final = frozenset(" \t\n\"'\\%$;")
"""What units and Compose would read as more than a letter of a path."""


def service_files(answers: Answers, layout: Layout) -> Mapping[str, str]:
    """Return the files by name. Raises :class:`SetupError` when a path cannot stand in them."""
    if answers.service == "none":
        return {}
    paths = [ROOT, layout.data, *((answers.backup.to, answers.backup.passphrase_file) if answers.backup else ())]
    if problems := [
        f"{path}: has letters that `service` cannot have in a path" for path in paths if SPECIAL & set(str(path))
    ]:
        raise SetupError(problems)
    if answers.service == "compose":
        return {"compose.yaml": _compose(layout)}
    files = {"units/quietline.service": _unit(layout)}
    if answers.backup is not None:
        files["units/quietline-backup.service"] = _backup_unit(layout, answers.backup)
        files["units/quietline-backup.timer"] = _BACKUP_TIMER
    return files


def user_name() -> str:
    """Name the account that writes the files, and that is to run the line."""
    return pwd.getpwuid(os.getuid()).pw_name


def _sandbox(*writable: Path) -> str:
    return f"""\
User={user_name()}
UMask=0077
ReadWritePaths={" ".join(str(path) for path in writable)}
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
LimitCORE=0
"""


def _unit(layout: Layout) -> str:
    return f"""\
# Written by `quietline init`. Exit code 2 is a configuration that cannot be used: no restart heals it.
[Unit]
Description=Quietline
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=exec
ExecStart={ROOT}/quietline up --data {layout.data}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2
TimeoutStopSec=40
{_sandbox(layout.data)}
[Install]
WantedBy=multi-user.target
"""


def _backup_unit(layout: Layout, backup: BackupAnswer) -> str:
    name = f"{backup.to}/quietline-$(date +%%Y%%m%%dT%%H%%M%%S).backup"
    command = f"{ROOT}/quietline backup --data {layout.data} --to {name} --passphrase-file {backup.passphrase_file}"
    return f"""\
# Written by `quietline init`. Old backups are yours to delete.
[Unit]
Description=Backup of Quietline

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'exec {command.replace("$", "$$")}'
{_sandbox(layout.data, backup.to)}"""


_BACKUP_TIMER: Final = """\
# Written by `quietline init`.
[Unit]
Description=Backup of Quietline, every week

[Timer]
OnCalendar=weekly
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
"""


def _compose(layout: Layout) -> str:
    return f"""\
# Written by `quietline init`. The container runs the copy of Quietline on this machine, in the same place, because the
# configuration has whole paths. Its environment is made before: docker compose run --rm line {ROOT}/quietline version
services:
  line:
    image: docker.io/library/python:3.13-slim
    command: [{ROOT}/quietline, up, --data, {layout.data}]
    user: "{os.getuid()}:{os.getgid()}"
    network_mode: host # all ports are on loopback; the proxy is beside it
    volumes:
      - {ROOT}:{ROOT}
      - {layout.data}:{layout.data}
    init: true
    restart: unless-stopped
    stop_grace_period: 40s
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    ulimits: {{core: 0}}
"""
