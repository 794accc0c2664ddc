"""The doctor's checks of files: who may read them, the homeserver's settings, the places of keys.

Rule of this module: it shows a file's name and mode, never its content.
"""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from bridge.runtime.settings import is_private, secret_files
from deploy.data_dir.atomic_files import BACKUP_EXCLUSION_TAG
from deploy.inspect.check_report import CheckResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout

GROUP_AND_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
KEYS: Final = re.compile(r"keys\.db")
LOG_MAX_AGE_SECONDS: Final = 15 * 24 * 3600.0

HOMESERVER_SETTINGS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("enable_registration", False, "anybody could make an account"),
    ("allow_guest_access", False, "guests could come in"),
    ("federation_domain_whitelist", [], "it would talk to other homeservers"),
    ("encryption_enabled_by_default_for_room_type", "all", "rooms would begin unencrypted"),
    ("enable_room_list_search", False, "rooms could be searched"),
    ("url_preview_enabled", False, "it would fetch links out of messages"),
    ("report_stats", False, "it would send statistics"),
)
"""Settings of the homeserver, the required values, and the consequences of others."""
MIN_MESSAGES_PER_SECOND: Final = 5.0
"""Messages a second that the homeserver must let a person send."""


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
        return CheckResult(name="file modes", ok=False, what=what, do=f"`chown -R --reference={layout.data} {layout.data}`")
    if not wide:
        return CheckResult(name="file modes", ok=True, what="secrets and databases are readable by their owner only")
    more = f" and {len(wide) - 3} more" if len(wide) > 3 else ""
    what = f"others can read {', '.join(sorted(wide)[:3])}{more}"
    return CheckResult(
        name="file modes", ok=False, what=what, do=f"`chmod -R go= {layout.data}`, and likewise secrets that lie elsewhere."
    )


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
        return CheckResult(
            name="data directory", ok=False, what=f"there is a copy of keys.db: {', '.join(map(str, copies))}", do=do
        )
    if not (config.data_dir / BACKUP_EXCLUSION_TAG).is_file():
        do = f"Start the line again, which writes {BACKUP_EXCLUSION_TAG}, and leave this directory out of every backup."
        what = "nothing tells backup programs to leave out the directory of keys.db"
        return CheckResult(name="data directory", ok=False, what=what, do=do)
    what = f"keys.db is in one place, and {BACKUP_EXCLUSION_TAG} tells backup programs to leave it out"
    do = "Not every backup program looks at that: leave the directory out there too, and out of snapshots."
    return CheckResult(name="data directory", ok=True, what=what, do=do)


def check_homeserver_settings(layout: Layout) -> CheckResult:
    """Whether the homeserver's settings close it to outsiders, delete old data, and let people type quickly."""
    name = "homeserver settings"
    settings = _read_yaml(layout.homeserver_config)
    if settings is None:
        do = "Is this the line's directory, and was it started once?"
        return CheckResult(name=name, ok=False, what=f"{layout.homeserver_config} cannot be read", do=do)
    wrong = [f"{key}: {else_}" for key, should, else_ in HOMESERVER_SETTINGS if settings.get(key) != should]
    names = {
        name
        for listener in settings.get("listeners", [])
        for part in listener.get("resources", [])
        for name in part["names"]
    }
    if "federation" in names:
        wrong.append("listeners: it listens for other homeservers")
    if settings.get("redaction_retention_period", "7d") in (None, "7d"):
        wrong.append("redaction_retention_period: redacted words would stay for a week or for ever")
    if not (settings.get("experimental_features") or {}).get("msc4222_enabled"):
        wrong.append("experimental_features: without msc4222_enabled somebody who left may be taken for a member")
    if not any("Quietline" in str(module.get("module")) for module in settings.get("modules", [])):
        wrong.append("modules: ours is not named")
    if (settings.get("rc_message") or {}).get("per_second", 0.2) < MIN_MESSAGES_PER_SECOND:
        wrong.append("rc_message: whoever types quickly would be held up")
    if wrong:
        return CheckResult(name=name, ok=False, what="; ".join(wrong), do=f"Put it right in {layout.homeserver_config}.")
    what = "closed to strangers and other homeservers, encrypted by default, forgetful, and no limit hinders a typist"
    return CheckResult(name=name, ok=True, what=what)


def check_registration(layout: Layout) -> CheckResult:
    """Whether nothing is pushed to the bridge: pushed transactions lose keys.

    Rule: facts-matrix.md, "Application service and mautrix".
    """
    settings = _read_yaml(layout.homeserver / "registration.yaml")
    ok = settings is not None and "url" in settings and settings["url"] is None and settings.get("rate_limited") is False
    what = "nothing is pushed to the bridge" if ok else "registration.yaml: url is not null, or the bridge is rate limited"
    do = "" if ok else "Set `url: null` and `rate_limited: false`; pushed transactions lose room keys."
    return CheckResult(name="homeserver settings", ok=ok, what=what, do=do)


def check_logs(layout: Layout) -> CheckResult:
    """Whether no log entry is kept for too long."""
    old = [
        path.name
        for path in _walk(layout.logs)
        if path.stat().st_size and time.time() - path.stat().st_mtime > LOG_MAX_AGE_SECONDS
    ]
    if old:
        do = "The supervisor rotates them while it runs; delete these."
        return CheckResult(name="disk", ok=False, what=f"logs are older than two weeks: {', '.join(sorted(old))}", do=do)
    return CheckResult(name="disk", ok=True, what="no log is older than two weeks")


def _read_yaml(path: Path) -> dict[str, Any] | None:
    try:
        settings: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return None
    return settings if isinstance(settings, dict) else None


def _walk(directory: Path) -> Iterator[Path]:
    for root, _, names in os.walk(directory):
        yield from (Path(root) / name for name in names if (Path(root) / name).exists())
