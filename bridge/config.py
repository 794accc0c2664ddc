"""The bridge's configuration: one YAML file, read strictly.

Rule of this module: an unknown key, a missing file or a secret readable by others stops the start, with every error told
at once and by its path; a value is never printed.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ConfigError(Exception):
    """The configuration cannot be used. `problems` are sentences, each with its path."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Section(BaseModel):
    """A strict part of the configuration: unknown keys are errors, values are frozen and never shown by errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Homeserver(Section):
    """Where the homeserver is, and the application service token (file, mode 0600)."""

    url: str
    server_name: str
    as_token_file: Path
    policy_localpart: str = "policy"


class Listen(Section):
    """Where webhooks arrive. `public_base_url` is what the carrier was told and signs."""

    host: str = "127.0.0.1"
    port: int
    public_base_url: str


class Keys(Section):
    """The two keys of the vault, each 32 bytes in hex in a file of mode 0600: one seals, the other indexes phones."""

    vault_key_file: Path
    index_key_file: Path


class RehearsalCarrier(Section):
    """The carrier that comes with Quietline: handsets in a browser, no telephone network."""

    kind: Literal["rehearsal"]
    api_base: str
    token_file: Path
    signing_key_file: Path


class Staff(Section):
    """Who is invited to the desk at first start, and as what."""

    mxid: str
    role: Literal["advocate", "supervisor"]


class Line(Section):
    """One text line: a number, its carrier, its packs in order (the agency's own last) and its first roster."""

    slug: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    number: Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")]
    rehearsal: bool = False
    packs: list[str] = Field(default_factory=lambda: ["base"])
    carrier: RehearsalCarrier
    staff: list[Staff]


class Config(Section):
    """Everything the bridge needs. `data_dir` holds its databases; nothing else of it is written."""

    data_dir: Path
    homeserver: Homeserver
    listen: Listen
    keys: Keys
    lines: Annotated[list[Line], Field(min_length=1, max_length=1)]
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def line(self) -> Line:
        """The line this process serves."""
        return self.lines[0]

    @property
    def policy_mxid(self) -> str:
        """The policy bot."""
        return f"@{self.homeserver.policy_localpart}:{self.homeserver.server_name}"

    @property
    def voice_mxid(self) -> str:
        """The line voice."""
        return f"@line-{self.line.slug}:{self.homeserver.server_name}"


def load(path: Path) -> Config:
    """Read and check the configuration. Raises :class:`ConfigError` with all problems at once."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    except yaml.YAMLError:
        raise ConfigError([f"{path}: is not YAML"]) from None
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError([f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]) from None
    problems = [f"{path}: {problem}" for problem in _secret_problems(config)]
    if not config.line.rehearsal and config.line.carrier.kind == "rehearsal":
        problems.append(f"{path}: lines.0.carrier: only a line marked `rehearsal: true` may use the rehearsal carrier")
    if problems:
        raise ConfigError(problems)
    return config


def secret(path: Path) -> str:
    """Read a secret from its file. The file was checked when the configuration was loaded."""
    return path.read_text(encoding="utf-8").strip()


def _secret_problems(config: Config) -> list[str]:
    files = {
        "homeserver.as_token_file": config.homeserver.as_token_file,
        "keys.vault_key_file": config.keys.vault_key_file,
        "keys.index_key_file": config.keys.index_key_file,
        "lines.0.carrier.token_file": config.line.carrier.token_file,
        "lines.0.carrier.signing_key_file": config.line.carrier.signing_key_file,
    }
    problems = []
    for name, file in files.items():
        try:
            mode = file.stat().st_mode
        except OSError:
            problems.append(f"{name}: the file cannot be read")
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            problems.append(f"{name}: the file must be readable by its owner only (chmod 600)")
    return problems
