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
from deploy.init.render import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from deploy.init.answers import Answers, BackupAnswer
    from deploy.init.line_names import LineNames

SPECIAL: Final = frozenset(" \t\n\"'\\%$;:")
"""Characters with a special meaning in units or Compose files."""
INSTANCE: Final = "%i"
"""The specifier in a template for the slug of the line."""
HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
PROGRAM: Final = ROOT / "quietline"
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
        "units/quietline.service": _unit(
            "quietline",
            layout,
            [layout.data],
            own=own,
            verb="up" if answers.homeserver is None else "bridge",
            after=_after(answers),
            makes_code=answers.homeserver is None,
        ),
        "units/quietline-failed.service": _unit("quietline-failed", layout, [layout.bridge, layout.run]),
        "units/quietline-doctor.service": _unit("quietline-doctor", layout, [layout.bridge, layout.run]),
        "units/quietline-doctor.timer": _timer("A look at Quietline, every hour", "hourly"),
    }
    if answers.homeserver is not None:
        canary, option = _of_canary(answers)
        files["units/quietline-canary.service"] = _unit(
            "quietline-canary", layout, [layout.data], own=canary, option=option
        )
    if (backup := answers.backup) is not None:
        own, closed = _of_backup(backup), not answers.bridge_postgres
        files["units/quietline-backup.service"] = _unit(
            "quietline-backup", layout, [layout.bridge, backup.to], reached=[backup.to], own=own, closed=closed
        )
        files["units/quietline-backup.timer"] = _timer("Backup of Quietline, every week", "weekly")
        files["units/quietline-drill.service"] = _unit(
            "quietline-drill", layout, [layout.bridge], reached=[backup.to], own=own, closed=closed
        )
        files["units/quietline-drill.timer"] = _timer("Trial of Quietline's newest backup, every month", "monthly")
    return files


def _template_files(answers: Answers, names: LineNames, layout: Layout, secrets: Sequence[Path]) -> Mapping[str, str]:
    """Return the templates that all lines of the machine share, and the drop-ins of this line."""
    each = Layout(layout.data.parent / INSTANCE)
    files = {
        "units/quietline@.service": _unit(
            "quietline", each, [each.data], own="", verb="bridge", after="", makes_code=False
        ),
        "units/quietline-failed@.service": _unit("quietline-failed", each, [each.bridge, each.run]),
        "units/quietline-doctor@.service": _unit("quietline-doctor", each, [each.bridge, each.run]),
        "units/quietline-doctor@.timer": _timer("A look at Quietline, line %i, every hour", "hourly"),
        "units/quietline-canary@.service": _unit("quietline-canary", each, [each.data], own="", option=""),
        "units/quietline-backup@.service": _unit("quietline-backup", each, [each.bridge], own="", closed=True),
        "units/quietline-backup@.timer": _timer("Backup of Quietline, line %i, every week", "weekly"),
        "units/quietline-drill@.service": _unit("quietline-drill", each, [each.bridge], own="", closed=True),
        "units/quietline-drill@.timer": _timer("Trial of the newest backup of Quietline, line %i, every month", "monthly"),
    }
    canary, option = _of_canary(answers)
    if option and answers.homeserver is not None:
        canary = f"ExecStart=\nExecStart={PROGRAM} canary --data {layout.data}{option}\n{canary}"
    own = {"quietline": _of_line(answers, layout, secrets), "quietline-canary": canary}
    if (backup := answers.backup) is not None:
        at_home = "ProtectHome=read-only\n" if _is_at_home([backup.to]) else ""
        open_to = "PrivateNetwork=no\n" if answers.bridge_postgres else ""
        own["quietline-backup"] = f"{_of_backup(backup)}ReadWritePaths={backup.to}\n{at_home}{open_to}"
        own["quietline-drill"] = f"{_of_backup(backup)}{at_home}{open_to}"
    for name, text in own.items():
        is_line = name == "quietline"
        # The template runs a bridge alone; a line that runs its homeserver says so here.
        up = names.ports.base if is_line and answers.homeserver is None else None
        after = _after(answers).strip() if is_line else ""
        if text or up or after:
            files[f"units/{name}@{names.slug}.service.d/line.conf"] = render(
                "units/line.conf", program=PROGRAM, data=layout.data, up=up, after=after, own=text
            )
    return files


def user_name(slug: str | None = None) -> str:
    """Return the account that runs the line: the user who writes the files; for root, an account of the line's own.

    One account for two lines would let an attacker in one line read the other's secrets.
    """
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    return SERVICE_USER if slug is None else f"{SERVICE_USER}-{slug}"


def _is_at_home(paths: Iterable[Path]) -> bool:
    return any(path.is_relative_to(home) for path in paths for home in HOMES)


def _of_line(answers: Answers, layout: Layout, secrets: Sequence[Path]) -> str:
    """Return the lines of a bridge's unit that are only this line's: its secrets, and its permitted addresses."""
    closed = ""
    if answers.homeserver is not None:
        credentials = {credential_name(path): path for path in secrets}
        closed = render("units/bridge-secrets", credentials=credentials, data=layout.data)
    return f"{closed}{bridge_address_lists(answers)}"


def _after(answers: Answers) -> str:
    return " postgresql.service" if answers.postgres or answers.bridge_postgres else ""


def _of_canary(answers: Answers) -> tuple[str, str]:
    """Return the lines and the option of a canary's unit: of two bridges it asks the one to which the proxy leads."""
    return (address_lists(answers), "") if answers.standby is None else ("", f" --bridge {answers.public_url}")


def _of_backup(backup: BackupAnswer) -> str:
    return f"LoadCredential=passphrase:{backup.passphrase_file}\n"


def _unit(
    name: str,
    layout: Layout,
    writable: Sequence[Path],
    *,
    reached: Sequence[Path] = (),
    makes_code: bool = False,
    **values: object,
) -> str:
    """Return a unit; of a template the other units of the line are named by its instance.

    `writable`: where it may write. A directory within the line's that is missing, as before the first start, must not
    prevent the unit from running: it may be the one that calls a person. `reached`: what it reads outside the line.
    """
    suffix = f"@{INSTANCE}" if layout.data.name == INSTANCE else ""
    return render(
        f"units/{name}.service",
        program=PROGRAM,
        data=layout.data,
        line=f"quietline{suffix}",
        failed=f"quietline-failed{suffix}",
        user=user_name(INSTANCE if suffix else None),
        writable=" ".join(f"-{path}" if path.parent == layout.data else str(path) for path in writable),
        at_home=_is_at_home([ROOT, layout.data, *reached]),
        makes_code=makes_code,
        **values,
    )


def _timer(description: str, calendar: str) -> str:
    return render("units/timer", description=description, calendar=calendar)
