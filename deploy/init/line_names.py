"""The names and ports of a new line: of the only line of its machine and homeserver, or of one of several.

A line by itself has the default names. One of several (`line.one_of_several`) has its slug at the end of every name outside
its directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from deploy.data_dir.layout import DEFAULT_PORT_BASE, Ports
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout
    from deploy.init.answers import Answers

FOLDER: Final = "synapse"
SETTINGS: Final = f"{FOLDER}/quietline.yaml"
LONGEST_ACCOUNT: Final = 32
"""Characters in an account's name on Linux (useradd(8))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineNames:
    """Names and ports. `slug`: of one of several lines; None for a line by itself."""

    ports: Ports
    slug: str | None = None

    def name_with_slug(self, name: str) -> str:
        """Return a name, with the slug for one of several lines."""
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
        """Return the name of a unit of this line: for one of several, the instance of a template."""
        return f"{name}.{kind}" if self.slug is None else f"{name}@{self.slug}.{kind}"


def ports_of(raw: object) -> Ports:
    """Return the ports of the answers before they are checked."""
    base = raw.get("port_base") if isinstance(raw, dict) else None
    return Ports(base if isinstance(base, int) else DEFAULT_PORT_BASE)


def names_of_line(answers: Answers, layout: Layout) -> LineNames:
    """Return a line's names. Raises :class:`SetupError` with everything that keeps it from being one of several."""
    ports = Ports(answers.line.port_base)
    if not answers.line.one_of_several:
        return LineNames(ports=ports)
    slug, problems = answers.line.slug, []
    if layout.data.name != slug:
        problems.append(
            f"line.slug: one of several lines is in a directory of its slug's name: make {layout.data.parent / slug}"
        )
    if answers.service == "systemd" and len(f"quietline-{slug}") > LONGEST_ACCOUNT:
        problems.append(
            f"line.slug: names the account of its units, and is too long for that; {LONGEST_ACCOUNT - 10} at most"
        )
    if answers.service == "compose":
        problems.append("service: compose is for a line by itself; give systemd or none")
    if problems:
        raise SetupError(problems)
    return LineNames(ports=ports, slug=slug)
