"""What starts a line at boot: units for systemd or a file for Compose, with timers for backups and the doctor.

Rules of this module: a unit has access only to what the line needs, and no file here contains a secret; `systemd-analyze
security` rates no unit above 2.0. With the agency's own homeserver the bridge runs alone and gets its secrets as
credentials, so it cannot read the directory of secrets. Several lines share templates, whose instance is the slug;
settings of one line are in a drop-in of its instance.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.runtime.program import ROOT
from bridge.runtime.settings import credential_name
from deploy.data_dir.layout import Layout
from deploy.data_dir.secret_files import SetupError
from deploy.init.compose_files import compose_files
from deploy.init.egress import address_lists, bridge_address_lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from deploy.init.answers import Answers, BackupAnswer
    from deploy.init.line_names import LineNames

SPECIAL: Final = frozenset(" \t\n\"'\\%$;:")
"""Characters with a special meaning in units or Compose files."""
INSTANCE: Final = "%i"
"""The specifier in a template for the slug of the line."""
HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
PROTECTED: Final = """\
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
"""
"""In every unit of a line: denies what none needs, kernel, clock, other processes, other address families (systemd.exec(5),
"Sandboxing")."""
SERVICE_USER: Final = "quietline"
"""The account that runs the line when root made its files."""


def service_files(answers: Answers, names: LineNames, layout: Layout, secrets: Sequence[Path]) -> Mapping[str, str]:
    """Return the files by name. `secrets`: the files that the configuration names.

    Raises :class:`SetupError` when a path has characters that these files cannot contain.
    """
    if answers.service == "none":
        return {}
    backup_paths = (answers.backup.to, answers.backup.passphrase_file) if answers.backup else ()
    paths = [ROOT, layout.data, *backup_paths, *secrets]
    if wrong := [path for path in paths if SPECIAL & set(str(path))]:
        # When the line's own directory is wrong, every path in it is; it is reported once.
        told_once = [
            path
            for path in wrong
            if path == layout.data or layout.data not in wrong or not path.is_relative_to(layout.data)
        ]
        remedy = "use a path of letters, digits and . _ - /"
        raise SetupError([f"{path}: has letters that `service` cannot have in a path; {remedy}" for path in told_once])
    if answers.service == "compose":
        return compose_files(answers, layout)
    if names.slug is not None:
        return _template_files(answers, names, layout, secrets)
    own = _of_line(answers, layout, secrets)
    files = {
        **(
            {"units/quietline-canary.service": _canary_unit(layout, *_of_canary(answers))}
            if answers.homeserver is not None
            else {}
        ),
        "units/quietline.service": _unit(
            layout, own, verb="up" if answers.homeserver is None else "bridge", after=_after(answers)
        ),
        "units/quietline-failed.service": _failed_unit(layout),
        "units/quietline-doctor.service": _doctor_unit(layout),
        "units/quietline-doctor.timer": _timer("A look at Quietline, every hour", "hourly"),
    }
    if answers.backup is not None:
        closed = not answers.bridge_postgres
        files["units/quietline-backup.service"] = _backup_unit(
            layout, _of_backup(answers.backup), closed, [answers.backup.to]
        )
        files["units/quietline-backup.timer"] = _timer("Backup of Quietline, every week", "weekly")
        files["units/quietline-drill.service"] = _drill_unit(
            layout, _of_backup(answers.backup), closed, [answers.backup.to]
        )
        files["units/quietline-drill.timer"] = _timer("Trial of Quietline's newest backup, every month", "monthly")
    return files


def _template_files(answers: Answers, names: LineNames, layout: Layout, secrets: Sequence[Path]) -> Mapping[str, str]:
    """Return the templates that all lines of the machine share, and the drop-ins of this line."""
    each = Layout(layout.data.parent / INSTANCE)
    files = {
        "units/quietline@.service": _unit(each, "", verb="bridge", after=""),
        "units/quietline-failed@.service": _failed_unit(each),
        "units/quietline-doctor@.service": _doctor_unit(each),
        "units/quietline-doctor@.timer": _timer("A look at Quietline, line %i, every hour", "hourly"),
        "units/quietline-canary@.service": _canary_unit(each, "", ""),
        "units/quietline-backup@.service": _backup_unit(each, "", closed=True, kept_at=[]),
        "units/quietline-backup@.timer": _timer("Backup of Quietline, line %i, every week", "weekly"),
        "units/quietline-drill@.service": _drill_unit(each, "", closed=True, kept_at=[]),
        "units/quietline-drill@.timer": _timer("Trial of the newest backup of Quietline, line %i, every month", "monthly"),
    }
    run = ""
    if answers.homeserver is None:
        # The template runs a bridge alone; this line runs its homeserver as well.
        run = f"""\
ExecStart=
ExecStart={ROOT}/quietline up --data {layout.data} --port-base {names.ports.base}
TimeoutStartSec=infinity
MemoryDenyWriteExecute=no
"""
    canary, option = _of_canary(answers)
    if option and answers.homeserver is not None:
        canary = f"ExecStart=\nExecStart={_canary_command(layout)}{option}\n{canary}"
    after = f"[Unit]\nAfter={_after(answers).strip()}\n\n" if _after(answers) else ""
    own = {
        "quietline": f"{after}[Service]\n{run}{_of_line(answers, layout, secrets)}",
        "quietline-canary": f"[Service]\n{canary}",
    }
    if (backup := answers.backup) is not None:
        at_home = "ProtectHome=read-only\n" if _is_at_home([backup.to]) else ""
        open_to = "PrivateNetwork=no\n" if answers.bridge_postgres else ""
        own["quietline-backup"] = f"[Service]\n{_of_backup(backup)}ReadWritePaths={backup.to}\n{at_home}{open_to}"
        own["quietline-drill"] = f"[Service]\n{_of_backup(backup)}{at_home}{open_to}"
    for name, text in own.items():
        if text != "[Service]\n":
            files[f"units/{name}@{names.slug}.service.d/line.conf"] = (
                f"# Written by `quietline init` for this line.\n{text}"
            )
    return files


def user_name(slug: str | None = None) -> str:
    """Return the account that runs the line: the user who writes the files; for root, an account of the line's own.

    One account for two lines would let an attacker in one line read the other's secrets.
    """
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    return SERVICE_USER if slug is None else f"{SERVICE_USER}-{slug}"


def _sandbox(layout: Layout, writable: Iterable[Path], *, reached: Sequence[Path], makes_code: bool = False) -> str:
    """Deny everything except the network and these directories. `reached`: paths that the unit must be able to read.

    A directory within the line's that is missing, as in a line of an earlier `init` before its first start, must not
    prevent the unit from running: it may be the one that calls a person.
    `makes_code`: the unit runs Synapse, whose TLS (pyOpenSSL) makes callbacks in memory that is writable and executable.
    """
    paths = " ".join(f"-{path}" if path.parent == layout.data else str(path) for path in writable)
    return f"""\
User={user_name(INSTANCE if layout.data.name == INSTANCE else None)}
UMask=0077
ReadWritePaths={paths}
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={"read-only" if _is_at_home(reached) else "yes"}
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
PrivateUsers=yes
{PROTECTED}MemoryDenyWriteExecute={"no" if makes_code else "yes"}
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
LimitCORE=0
LimitNOFILE=65535
"""


def _is_at_home(paths: Iterable[Path]) -> bool:
    return any(path.is_relative_to(home) for path in paths for home in HOMES)


def _of_line(answers: Answers, layout: Layout, secrets: Sequence[Path]) -> str:
    """Return the lines of a bridge's unit that are only this line's: its secrets, and its permitted addresses."""
    closed = ""
    if answers.homeserver is not None:
        credentials = "".join(f"LoadCredential={credential_name(path)}:{path}\n" for path in secrets)
        closed = f"""\
# A secret that config.yaml names later needs a line of its own here: NAME is its path with - for /, without the first one.
{credentials}InaccessiblePaths=-{layout.secrets} -{layout.handout} -{layout.data / "synapse"}
"""
    return f"{closed}{bridge_address_lists(answers)}"


def _after(answers: Answers) -> str:
    return " postgresql.service" if answers.postgres or answers.bridge_postgres else ""


def _unit(layout: Layout, own: str, *, verb: str, after: str) -> str:
    return f"""\
# Written by `quietline init`. Exit code 2 is a configuration that cannot be used: no restart heals it.
# Ready is said when the line has its desk. Until then it takes texts in, so a homeserver that is away ends no start.
[Unit]
Description=Quietline
Wants=network-online.target
After=network-online.target time-sync.target{after}
{_on_failure(layout)}
[Service]
Type=notify
ExecStart={ROOT}/quietline {verb} --data {layout.data}
TimeoutStartSec={"infinity" if verb == "up" else "300"}
WatchdogSec=120
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2
TimeoutStopSec=40
{own}{_sandbox(layout, [layout.data], reached=[ROOT, layout.data], makes_code=verb == "up")}
[Install]
WantedBy=multi-user.target
"""


def _of_canary(answers: Answers) -> tuple[str, str]:
    """Return the lines and the option of a canary's unit: of two bridges it asks the one to which the proxy leads."""
    return (address_lists(answers), "") if answers.standby is None else ("", f" --bridge {answers.public_url}")


def _canary_command(layout: Layout) -> str:
    return f"{ROOT}/quietline canary --data {layout.data}"


def _canary_unit(layout: Layout, own: str, option: str) -> str:
    """Return the unit of a canary on an agency's own homeserver; on the line's own homeserver `up` starts the canary."""
    return f"""\
# Written by `quietline init`. Start it when config.yaml has a `canary` section; without one it ends with exit code 2.
[Unit]
Description=Test texts of Quietline
After={_unit_reference("quietline", layout)}.service

[Service]
ExecStart={_canary_command(layout)}{option}
Restart=on-failure
RestartSec=30
RestartPreventExitStatus=2
TimeoutStopSec=10
{own}{_sandbox(layout, [layout.data], reached=[ROOT, layout.data])}
[Install]
WantedBy=multi-user.target
"""


def _doctor_unit(layout: Layout) -> str:
    return f"""\
# Written by `quietline init`. What is newly not well is told at the desk and calls the person on call; it is a failed unit
# as well, until the next look: see `systemctl --failed`. The journal has names of rows; `quietline doctor` says the rest.
[Unit]
Description=A look at Quietline
After={_unit_reference("quietline", layout)}.service

[Service]
Type=oneshot
ExecStart={ROOT}/quietline doctor --data {layout.data} --alarm
{_sandbox(layout, [layout.bridge, layout.run], reached=[ROOT, layout.data])}"""


def _on_failure(layout: Layout) -> str:
    """Return the unit that starts when a unit fails, with the slug when the unit is a template."""
    return f"OnFailure={_unit_reference('quietline-failed', layout)}.service\n"


def _unit_reference(unit: str, layout: Layout) -> str:
    """Return a unit's name as other units of the line refer to it: in a template, the instance of the same line."""
    return f"{unit}@{INSTANCE}" if layout.data.name == INSTANCE else unit


def _failed_unit(layout: Layout) -> str:
    return f"""\
# Written by `quietline init`. Started by units that fail (OnFailure=), and again until a way takes the call.
[Unit]
Description=Word that a unit of Quietline failed

[Service]
Type=oneshot
Restart=on-failure
RestartSec=60
RestartPreventExitStatus=2
ExecStart={ROOT}/quietline alarm failed --data {layout.data}
{_sandbox(layout, [layout.bridge, layout.run], reached=[ROOT, layout.data])}"""


def _network_lines(closed: bool) -> str:
    """Deny a unit the network: it reads only local or mounted files, unless the bridge's database is on a server."""
    return "PrivateNetwork=yes\n" if closed else ""


def _of_backup(backup: BackupAnswer) -> str:
    return f"LoadCredential=passphrase:{backup.passphrase_file}\n"


def _backup_unit(layout: Layout, own: str, closed: bool, kept_at: Sequence[Path]) -> str:
    return f"""\
# Written by `quietline init`. Where to, under which passphrase, and how many stay (backup.keep) is in config.yaml.
[Unit]
Description=Backup of Quietline
{_on_failure(layout)}
[Service]
Type=oneshot
{own}ExecStart={ROOT}/quietline backup --data {layout.data} --passphrase-file %d/passphrase
{_network_lines(closed)}{_sandbox(layout, [layout.bridge, *kept_at], reached=[ROOT, layout.data, *kept_at])}"""


def _drill_unit(layout: Layout, own: str, closed: bool, kept_at: Sequence[Path]) -> str:
    return f"""\
# Written by `quietline init`. The newest backup is restored for a trial, beside the line.
[Unit]
Description=Trial of Quietline's newest backup
{_on_failure(layout)}
[Service]
Type=oneshot
{own}ExecStart={ROOT}/quietline drill --data {layout.data} --passphrase-file %d/passphrase
{_network_lines(closed)}{_sandbox(layout, [layout.bridge], reached=[ROOT, layout.data, *kept_at])}"""


def _timer(description: str, calendar: str) -> str:
    return f"""\
# Written by `quietline init`.
[Unit]
Description={description}

[Timer]
OnCalendar={calendar}
RandomizedDelaySec={"5min" if calendar == "hourly" else "1h"}
Persistent=true

[Install]
WantedBy=timers.target
"""
