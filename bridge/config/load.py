"""Reads the configuration file strictly, and checks its sections against each other.

Rule of this module: an unknown key, a duplicate key, a missing file or a secret readable by others stops the start. All
errors are reported together, each by its path; a value is never printed.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from bridge.config.sections import Config, OnCall
from bridge.runtime.postgres_url import database_url_problem
from bridge.runtime.settings import (
    how_to_hand_over,
    is_private,
    problem_sentence,
    public_url_problem,
    read_secret,
    secret_files,
    secret_place,
)
from bridge.runtime.whole_path import whole_path
from policies import ProblemsError
from policies.yaml_file import UNREADABLE, key_path, parse_yaml, unreadable_reason

HEX_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}")
LOCAL_USER: Final = re.compile(r"@[a-z0-9._=/+-]{1,200}")
"""Rooms of a line do not federate, so its people have accounts on its own homeserver (Matrix specification, appendix on
user ids)."""
UNCALLED: Final = (
    "nobody was called: put lines.0.on_call right, start the line, and try the call with `quietline alarm test`; until "
    "then phone the desk"
)


class ConfigError(ProblemsError):
    """The configuration cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """What a call needs: the ways to the person on call, and the directory in which calls are noted."""

    on_call: OnCall | None
    data_dir: Path


def load(path: Path) -> Config:
    """Read and check the configuration. Raises :class:`ConfigError` with all problems at once."""
    config, problems = parse(path)
    if problems:
        raise ConfigError(problems)
    return config


def parse(path: Path) -> tuple[Config, list[str]]:
    """Read the configuration; return it with the errors in its meaning, those of its secrets first.

    For a program that inspects a line that could not start. Raises :class:`ConfigError` when it is no configuration.
    """
    raw = _read(path)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(_sentences(path, error)) from None
    return config, [f"{path}: {problem}" for problem in _problems(config)]


def read_call_settings(path: Path) -> CallSettings:
    """Read only what a call needs, of a configuration that cannot be used, so that a person hears of a line that is dead.

    Without a `data_dir` that is there, calls are noted where `init` puts it, or beside the file. Raises
    :class:`ConfigError` when the part about the person on call cannot be read either; its last problem is the remedy.
    """
    remedy = f"{path}: {UNCALLED}"
    try:
        raw = _read(path)
    except ConfigError as error:
        raise ConfigError([*error.problems, remedy]) from None
    lines = raw.get("lines") if isinstance(raw, dict) else None
    line = lines[0] if isinstance(lines, list) and lines else None
    if not isinstance(line, dict):
        raise ConfigError([f"{path}: lines.0: must hold keys, each with a colon and a value", remedy])
    try:
        on_call = None if line.get("on_call") is None else OnCall.model_validate(line["on_call"])
    except ValidationError as error:
        raise ConfigError([*_sentences(path, error, ("lines", 0, "on_call")), remedy]) from None
    own = path.absolute().parent
    data_dir = next((each for each in (raw.get("data_dir"), own / "bridge") if _is_directory(each)), own)
    return CallSettings(on_call=on_call, data_dir=Path(data_dir))


def _is_directory(value: object) -> bool:
    return isinstance(value, str | Path) and value != "" and os.path.isdir(value)  # noqa: PTH112 - no error for any text


def _read(path: Path) -> Any:
    try:
        return parse_yaml(path)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    except UNREADABLE as error:
        raise ConfigError([f"{path}: {unreadable_reason(error, path)}"]) from None


def _sentences(path: Path, error: ValidationError, within: tuple[str | int, ...] = ()) -> list[str]:
    """Write each problem with its key. `within`: the place of the part that was read."""
    return [f"{path}: {key_path((*within, *each['loc']))}: {problem_sentence(each)}" for each in error.errors()]


def line_directory(file: Path, data_dir: Path) -> Path:
    """Return the directory of a line by its configuration file: the file's own if `data_dir` is below it, else `data_dir`.

    `up` makes the first; a configuration under /etc is the second.
    """
    own, data = whole_path(file).parent, whole_path(data_dir)
    return own if data != own and data.is_relative_to(own) else data


def _problems(config: Config) -> Iterator[str]:
    yield from _secret_problems(config)
    yield from _staff_problems(config)
    line, homeserver = config.line, config.homeserver
    if not line.rehearsal and line.carrier.kind == "rehearsal":
        yield "lines.0.carrier: only a line marked `rehearsal: true` may use the rehearsal carrier"
    if line.rehearsal and line.carrier.kind != "rehearsal":
        yield (
            f"lines.0.rehearsal: true is for the rehearsal carrier only, and {line.carrier.kind} reaches phones; take it "
            "out, and have the words read that `quietline policy lint` names"
        )
    if line.drills and not line.rehearsal:
        yield "lines.0.drills: is for a line marked `rehearsal: true`; this one is in service"
    if line.carrier.one_number and len(line.all_numbers) > 1:
        yield f"lines.0.numbers: {line.carrier.kind} serves one number; leave the others out"
    if config.metrics is not None and config.metrics.address[1] == config.listen.port:
        yield "metrics.listen: is the port of the webhooks; a listener of its own needs another"
    if homeserver.joined and homeserver.database_url_file is not None:
        yield "homeserver.database_url_file: is for a homeserver that `up` runs; a joined one has its own"
    if homeserver.joined and homeserver.own_core:
        yield "homeserver.own_core: is for a homeserver that `up` runs; of yours, say it in the unit of its service"
    if homeserver.joined and homeserver.other_lines:
        yield "homeserver.other_lines: is for a homeserver that `up` runs; leave it out"
    if config.policy_mxid == config.puppet_mxid:
        yield "homeserver.policy_localpart: is the texter puppet's; give the policy bot another name"
    yield from _canary_problems(config)


def _staff_problems(config: Config) -> Iterator[str]:
    here = config.homeserver.server_name
    for n, staff in enumerate(config.line.staff):
        if not LOCAL_USER.fullmatch(staff.mxid.removesuffix(f":{here}")) or not staff.mxid.endswith(f":{here}"):
            yield f"lines.0.staff.{n}.mxid: must be a whole Matrix id of an account on {here}, such as @name:{here}"


def _canary_problems(config: Config) -> Iterator[str]:
    if config.canary is None:
        return
    other_users = {config.policy_mxid, config.puppet_mxid, *(staff.mxid for staff in config.line.staff)}
    if config.canary_mxid in other_users or config.canary.localpart.startswith("line-"):
        yield "canary.localpart: is somebody's; the canary needs an account of its own"
    if config.canary.handset and config.line.carrier.kind != "rehearsal":
        yield "canary.handset: only the rehearsal carrier has a handset for it; leave it out"
    if config.canary.slow > config.canary.limit:
        yield "canary.slow: must not be more than canary.limit"


def _secret_problems(config: Config) -> Iterator[str]:
    values = dict[str, str]()
    for name, file in secret_files(config):
        try:
            private, values[name] = is_private(secret_place(file)), read_secret(file)
        except (OSError, ValueError):
            yield f"{name}: the file cannot be read{how_to_hand_over(file)}"
            continue
        if not private:
            yield f"{name}: the file must be readable by its owner only (chmod 600)"
        if name.startswith(("keys.", "canary.")) and not HEX_KEY.fullmatch(values[name]):
            yield f"{name}: the file must hold 32 bytes in hex"
        elif not values[name]:
            yield f"{name}: the file is empty"
        elif not name.endswith("private_key_file") and (len(values[name].splitlines()) > 1 or "\0" in values[name]):
            yield f"{name}: the file must hold one line of text and no more"
    if (url := values.get("database.url_file")) and (problem := database_url_problem(url)):
        yield f"database.url_file: {problem}"
    if (url := values.get(place := "lines.0.calendar.address_file")) and (problem := public_url_problem(url)):
        yield f"{place}: {problem}"
    keys = [value.lower().encode() for name, value in values.items() if name.startswith(("keys.", "canary.")) and value]
    if any(hmac.compare_digest(one, other) for one, other in combinations(keys, 2)):
        yield "keys: the keys must be different"
