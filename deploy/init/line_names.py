"""The names and ports of a new line: of the only line of its machine, or of one of several, which a fleet file lists.

Rules of this module: a slug, number, port or name on the homeserver that another line has is never used, and no file of
another line is changed. A single line has the default names; every name of a fleet's line outside its directory ends with
the slug.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from deploy.data_dir.fleet import FleetLine, require_addable
from deploy.data_dir.layout import DEFAULT_PORT_BASE, Ports
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from deploy.data_dir.layout import Layout
    from deploy.init.answers import Answers

FOLDER: Final = "synapse"
SETTINGS: Final = f"{FOLDER}/quietline.yaml"
TEMPLATE: Final = "units/quietline@.service"
"""A file that exists in a line's directory when its units are instances of templates."""
PORT_STEP: Final = 10
LAST_PORT: Final = 65_000
LONGEST_ACCOUNT: Final = 32
"""Characters in an account's name on Linux (useradd(8))."""
PATTERN: Final = "@line-.*"
"""The namespace in a registration by an earlier version: it matches every line's texter puppet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineNames:
    """Names and ports. `slug`: of a line of a fleet; None for a single line. `others`: the fleet's other lines."""

    ports: Ports
    slug: str | None = None
    others: tuple[FleetLine, ...] = ()

    def name_with_slug(self, name: str) -> str:
        """Return a name, with the slug for a line of a fleet."""
        return name if self.slug is None else f"{name}-{self.slug}"

    @property
    def policy(self) -> str:
        """The localpart of the policy bot."""
        return self.name_with_slug("policy")

    @property
    def service(self) -> str:
        """The id of the application service."""
        return self.name_with_slug("quietline")

    @property
    def registration(self) -> str:
        """The name of the registration's file."""
        return f"{self.service}-registration.yaml"

    def unit(self, name: str, kind: str = "service") -> str:
        """Return the name of a unit of this line: for a line of a fleet, the instance of a template."""
        return f"{name}.{kind}" if self.slug is None else f"{name}@{self.slug}.{kind}"

    def lines_on_homeserver(self, server_name: str) -> Iterator[FleetLine]:
        """Yield the other lines on the agency's own homeserver with this name."""
        for line in self.others:
            if (
                line.config is not None
                and line.config.homeserver.joined
                and line.config.homeserver.server_name == server_name
            ):
                yield line

    def host(self, server_name: str) -> FleetLine | None:
        """Return the other line whose `up` runs the homeserver with this name; None: the agency or the new line runs it."""
        for line in self.others:
            homeserver = line.config.homeserver if line.config is not None else None
            if homeserver is not None and not homeserver.joined and homeserver.server_name == server_name:
                return line
        return None


def find_free_ports(fleet: Path | None) -> LineNames:
    """Find free ports before there are answers. Raises :class:`SetupError` when the fleet file is wrong."""
    others = require_addable(fleet) if fleet is not None else ()
    used_ports = {port for line in others for port in line.ports.values()}
    for base in range(DEFAULT_PORT_BASE, LAST_PORT, PORT_STEP):
        if not used_ports & {base, base + 1, base + 2}:
            return LineNames(ports=Ports(base), others=others)
    raise SetupError([f"{fleet}: its lines leave no port free"])


def names_of_line(names: LineNames, answers: Answers, layout: Layout, fleet: Path | None) -> LineNames:
    """Give a line of a fleet its names. Raises :class:`SetupError` with every name and number that another line has."""
    if fleet is None:
        return names
    problems = []
    slug = answers.line.slug
    numbers = {answers.line.number, *answers.line.numbers}
    if layout.data.name != slug:
        problems.append(
            f"line.slug: a line of a fleet is in a directory of its slug's name: make {layout.data.parent / slug}"
        )
    for line in names.others:
        where = f"of the fleet ({line.layout.data})"
        if line.name == slug:
            problems.append(f"line.slug: is that of another line {where}")
        if line.config is None:
            problems.append(f"{line.layout.config}: cannot be read; what is taken is not known")
            continue
        if numbers & set(line.config.line.all_numbers):
            problems.append(f"line.number: is that of another line {where}")
        templates = (line.layout.data / TEMPLATE).is_file()
        if answers.service == "systemd" and templates and line.layout.data.parent != layout.data.parent:
            problems.append(
                f"service: units of a fleet find a line by its slug: make it beside the other {where}, or `service: none`"
            )
        if answers.mode == "embedded" and names.host(answers.name) is line:
            problems.append(f"server_name: is that of the homeserver which another line runs {where}: give `mode: join`")
    if answers.service == "systemd" and len(f"quietline-{slug}") > LONGEST_ACCOUNT:
        problems.append(
            f"line.slug: names the account of its units, and is too long for that; {LONGEST_ACCOUNT - 10} at most"
        )
    if answers.service == "compose":
        problems.append("service: compose is for a line by itself; give systemd or none")
    if problems:
        raise SetupError(problems)
    return LineNames(ports=names.ports, slug=slug, others=names.others)


def module_lines(line: FleetLine) -> list[Mapping[str, str]]:
    """Return registration and policy bot of each line in the Synapse settings that `init` wrote for a line.

    Raises :class:`SetupError` when they cannot be read.
    """
    file = line.layout.data / SETTINGS
    try:
        document: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        (config,) = [each["config"] for each in document["modules"] if each["module"] == "quietline_synapse.Quietline"]
        entries = [config] if "policy" in config else []
        return [
            {"registration": str(each["registration"]), "policy": str(each["policy"])}
            for each in (*entries, *config.get("lines", []))
        ]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, KeyError, TypeError, ValueError, AttributeError):
        raise SetupError(
            [f"{file}: cannot be read as the settings that `init` wrote; the new ones hold every line of the homeserver"]
        ) from None


def claims_every_puppet(line: FleetLine) -> bool:
    """Whether the registration that `init` wrote for a line claims the puppets of all lines, as in earlier versions."""
    return any(
        PATTERN in file.read_text(encoding="utf-8") for file in (line.layout.data / FOLDER).glob("*registration.yaml")
    )
