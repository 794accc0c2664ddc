"""Several lines of one machine: the fleet file, which names their directories.

    lines:
      - data: /srv/lines/north
      - config: /etc/quietline/south.yaml

Rules of this module: the file is read strictly, and all problems are reported at once, by their place in the list; only
this module compares what two lines may not have in common, and it shows no number, token or URL of a database. A line with
an unreadable configuration is still a line of the fleet: its own checks say why.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import yaml

from bridge.config.load import ConfigError, line_directory, parse
from bridge.config.sections import Config
from bridge.runtime.whole_path import whole_path
from deploy.data_dir.atomic_files import file_problem, rewrite_atomically
from deploy.data_dir.layout import Layout
from deploy.data_dir.line_lock import change_lock
from deploy.data_dir.secret_files import SetupError
from policies import read_text
from policies.yaml_file import UNREADABLE, parse_yaml, unreadable_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEADER: Final = """\
# The lines of this machine, each with `data` (its directory) or `config` (its configuration file). `quietline init --fleet`
# adds a line; one that has ended is taken out by hand.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLine:
    """A line of the fleet. `config`: None when it cannot be read."""

    layout: Layout
    config: Config | None

    @property
    def name(self) -> str:
        """The line's slug; its directory's name when the configuration cannot be read."""
        return self.layout.data.name if self.config is None else self.config.line.slug

    @property
    def ports(self) -> dict[str, int]:
        """The line's ports on this machine, by the key of its configuration."""
        config = self.config
        if config is None:
            return {}
        ports = {"listen.port": config.listen.port}
        if config.metrics is not None:
            ports["metrics.listen"] = config.metrics.address[1]
        for key, url in (
            ("homeserver.url", None if config.homeserver.joined else config.homeserver.url),
            ("lines.0.carrier.api_base", config.line.carrier.api_base if config.line.carrier.kind == "rehearsal" else None),
        ):
            if url is not None and (port := urlsplit(url).port):
                ports[key] = port
        return ports


def layout_of(config: Path) -> Layout:
    """Return the layout of a line by its configuration file. Errors in the file are left to the code that reads it.

    The file is in its line's directory, as `up` makes it; or anywhere else, when `data_dir` is not below the file's
    directory: then the line's directory is `data_dir`.
    """
    file = whole_path(config)
    try:
        data_dir = Path(str(yaml.safe_load(read_text(file))["data_dir"]))
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError, RecursionError):
        return Layout(file.parent, config_file=file)
    return Layout(line_directory(file, data_dir), config_file=file)


def read_fleet(path: Path) -> tuple[FleetLine, ...]:
    """Read the file and its lines' configurations. Raises :class:`SetupError` with all problems."""
    problems: list[str] = []
    lines = []
    for number, entry in enumerate(_entries(path)):
        try:
            lines.append(_line(entry))
        except ValueError as error:
            problems.append(f"{path}: lines.{number}: {error}")
    if not problems:
        problems = [f"{path}: {problem}" for problem in _find_shared(lines)]
    if problems:
        raise SetupError(problems)
    return tuple(lines)


def add_line(path: Path, data: Path) -> None:
    """Add a line's directory at the end of the file, which is made if missing. Raises :class:`SetupError`."""
    try:
        with change_lock(path):
            text = path.read_text(encoding="utf-8") if path.is_file() else f"{HEADER}lines:\n"
            entry = yaml.safe_dump([{"data": str(data)}], default_flow_style=False)
            rewrite_atomically(path, f"{text.rstrip()}\n  {entry}")
    except OSError as error:
        raise SetupError([f"{file_problem(error, path)}. {data} was not added"]) from None


def require_addable(path: Path) -> tuple[FleetLine, ...]:
    """Return the lines of a fleet before one is added; none without a file.

    Raises :class:`SetupError` also for a valid file of a form to which :func:`add_line` cannot add.
    """
    if not os.path.lexists(path):
        return ()
    lines = read_fleet(path)
    last = path.read_text(encoding="utf-8").rstrip().splitlines()[-1]
    if not last.startswith("  - "):
        raise SetupError([f"{path}: its last line is not an entry such as `  - data: DIRECTORY`; put the list at the end"])
    return lines


def _entries(path: Path) -> list[Any]:
    try:
        raw: Any = parse_yaml(path)
    except OSError as error:
        raise SetupError([f"{path}: cannot be read ({error.strerror})"]) from None
    except UNREADABLE as error:
        raise SetupError([f"{path}: {unreadable_reason(error, path)}"]) from None
    entries = raw.get("lines") if isinstance(raw, dict) else None
    if not isinstance(entries, list) or not entries or raw.keys() != {"lines"}:
        raise SetupError([f"{path}: must be `lines:` with a list, and no other key"])
    return entries


def _line(entry: Any) -> FleetLine:
    """Return the line of one entry. Raises `ValueError` with a sentence."""
    if not isinstance(entry, dict) or len(entry) != 1 or not entry.keys() <= {"data", "config"}:
        raise ValueError("must have `data: DIRECTORY` or `config: FILE`, and one of them alone")
    ((key, value),) = entry.items()
    place = Path(value) if isinstance(value, str) and value else None
    if place is None or not place.is_absolute():
        raise ValueError(f"{key}: must be a whole path: a timer has no directory of its own")
    if not (place.is_dir() if key == "data" else place.is_file()):
        raise ValueError(f"{key}: {place}: there is no such {'directory' if key == 'data' else 'file'}")
    layout = Layout(place) if key == "data" else layout_of(place)
    try:
        return FleetLine(layout=layout, config=parse(layout.config)[0])
    except ConfigError:
        return FleetLine(layout=layout, config=None)


def _find_shared(lines: Sequence[FleetLine]) -> Iterator[str]:
    """Report what two lines share but must have separately."""
    for (first, one), (second, other) in combinations(enumerate(lines), 2):
        pair = f"lines.{second} ({other.name}): "
        of_first = f"lines.{first} ({one.name})"
        if _same(one.layout.data, other.layout.data):
            yield f"{pair}is the line of {of_first} once more"
            continue
        if one.config is None or other.config is None:
            continue
        if one.name == other.name:
            yield f"{pair}has the slug of {of_first}"
        if set(one.config.line.all_numbers) & set(other.config.line.all_numbers):
            yield f"{pair}has a number of {of_first}"
        for key, port in other.ports.items():
            for its in (its for its, other_port in one.ports.items() if other_port == port):
                yield f"{pair}{key}: port {port} is that of {its} of {of_first}"
        yield from (f"{pair}{problem} of {of_first}" for problem in _common(one.config, other.config))


def _same(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same place; a loop of links is no error here."""
    return os.path.realpath(one) == os.path.realpath(other)


def _common(one: Config, other: Config) -> Iterator[str]:
    if _same(one.data_dir, other.data_dir):
        yield "data_dir: is that"
    if _same(one.keys.vault_key_file, other.keys.vault_key_file):
        yield "keys.vault_key_file: is that"
    if one.homeserver.joined or other.homeserver.joined:  # two lines run by `up` have two homeservers, whatever their names
        if one.policy_mxid == other.policy_mxid:
            yield "homeserver.policy_localpart: is, at one homeserver, the policy bot"
        if one.canary_mxid and one.canary_mxid == other.canary_mxid:
            yield "canary.localpart: is, at one homeserver, the canary"
    urls = []
    for config in (one, other):
        try:
            urls.append(config.database_url)
        except (OSError, ValueError):
            urls.append(None)
    if urls[0] is not None and urls[0] == urls[1]:
        yield "database.url_file: holds the database"
