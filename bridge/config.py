"""The bridge's configuration: one YAML file, read strictly.

Rule of this module: an unknown key, a missing file or a secret readable by others stops the start, with every error told
at once and by its path; a value is never printed.
"""

from __future__ import annotations

import hmac
import re
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from bridge.carriers.vendors.registry import AnyCarrierSettings
from bridge.runtime.keep_plan import Keep
from bridge.runtime.postgres_url import database_url_problem
from bridge.runtime.safe_yaml import NOT_YAML, safe_load
from bridge.runtime.settings import (
    BaseUrl,
    E164Number,
    Fingerprint,
    Hours,
    ListenAddress,
    Port,
    Section,
    Slug,
    how_to_hand_over,
    is_own_network_host,
    is_private,
    problem_sentence,
    public_url_problem,
    read_secret,
    secret_files,
    secret_place,
    split_listen_address,
)
from policies.problems import ProblemsError

HEX_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}")
CANARY_ERASURE_SECONDS: Final = 150.0
"""Seconds in which what a round trip of the canary left is erased: 60 are promised on a machine of one's own."""
LOCAL_USER: Final = re.compile(r"@[a-z0-9._=/+-]{1,200}")
"""Rooms of a line do not federate, so its people are on its own homeserver (Matrix specification, appendix on user ids)."""


class ConfigError(ProblemsError):
    """The configuration cannot be used."""


class OtherLine(Section):
    """A further line on the homeserver that `up` runs for this one: its registration's file, its policy bot's Matrix id."""

    registration: Path
    policy: str


class Homeserver(Section):
    """Where the homeserver is, and the application service token (file, mode 0600).

    `public_url`: where clients reach the homeserver that `up` runs; it answers it to them. None: on this machine only.
    `admin_token_file`: an administrator's, only for a homeserver that cannot load our module.
    `joined`: it is the agency's own, which `up` does not run. `database_url_file`: the PostgreSQL of one that `up` runs
    (file, mode 0600); None: SQLite, in the line's directory. `other_lines`: which lines besides this one are on a
    homeserver that `up` runs; each has a bridge of its own.
    """

    url: BaseUrl
    server_name: str
    joined: bool = False
    as_token_file: Path
    public_url: BaseUrl | None = None
    admin_token_file: Path | None = None
    policy_localpart: str = "policy"
    database_url_file: Path | None = None
    other_lines: list[OtherLine] = Field(default_factory=list)


class ListenSettings(Section):
    """Where webhooks arrive. `public_base_url` is what the carrier was told and signs."""

    host: str = "127.0.0.1"
    port: Port
    public_base_url: BaseUrl


class MetricsSettings(Section):
    """Where Prometheus finds the metrics. `exposed`: a person's word that networks of others may reach that address.

    Metrics name nobody, and say when texts come and how many people are on duty.
    """

    listen: ListenAddress
    exposed: bool = False

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return split_listen_address(self.listen)

    @model_validator(mode="after")
    def _check_exposure(self) -> Self:
        if not self.exposed and not is_own_network_host(self.address[0]):
            raise ValueError(
                "listen: others may reach that address, and learn when texts come: give one of this machine or of its own "
                "network; or `exposed: true`, where a firewall lets Prometheus through and nobody else"
            )
        return self


class DatabaseSettings(Section):
    """A PostgreSQL database, of this line alone, that holds everything but keys; without this section SQLite does.

    `url_file` holds `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, which is a secret. `copies_kept_days`: for how long
    base backups, dumps and an archive of its log are kept, 0 where there are none; no server tells.
    """

    url_file: Path
    copies_kept_days: Annotated[int, Field(ge=0, le=3650)] | None = None


class KeySettings(Section):
    """Keys, each 32 bytes in hex in a file of mode 0600: one seals, one indexes phones, one remembers STOP and blocks.

    The last one goes into a backup, apart from the database; the first never does.
    """

    vault_key_file: Path
    index_key_file: Path
    suppression_key_file: Path

    @property
    def files(self) -> dict[str, Path]:
        """The three files, each by the name of its key."""
        return {"vault": self.vault_key_file, "index": self.index_key_file, "suppression": self.suppression_key_file}


class Staff(Section):
    """Who is invited to the desk at first start, and as what.

    `identity`: the fingerprint that the technician compared; when this person is seen with it, and was confirmed with none,
    it is confirmed as by `quietline trust`.
    """

    mxid: str
    role: Literal["advocate", "supervisor"]
    identity: Fingerprint | None = None


class Email(Section):
    """A mail server that takes the agency's mail."""

    host: str
    port: Port = 587
    starttls: bool = True
    user: str | None = None
    password_file: Path | None = None
    sender: str
    to: Annotated[list[str], Field(min_length=1)]


class OnCall(Section):
    """How the person on call hears, outside Matrix, that they are needed. `webhook_file` holds a URL, which is a secret."""

    webhook_file: Path | None = None
    email: Email | None = None

    @property
    def is_configured(self) -> bool:
        """Whether there is any way to call a person."""
        return self.webhook_file is not None or self.email is not None


class Canary(Section):
    """The test texts that the line sends itself (`deploy/canary`); without this section there are none.

    `secret_file`: 32 bytes in hex that bridge and canary share, for nothing else. `localpart`: its account, which is
    nobody's. `handset`: it texts from a handset of the rehearsal carrier, and not by its own route. Seconds: `every`
    between two texts, more or less; `slow` until one is called slow; `limit` until it is given up, at most 110, so that it
    is told within two minutes.
    """

    secret_file: Path
    localpart: Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,63}$")] = "canary"
    handset: bool = False
    every: Annotated[float, Field(ge=5, le=86_400)] = 600.0
    slow: Annotated[float, Field(ge=1, le=110)] = 30.0
    limit: Annotated[float, Field(ge=5, le=110)] = 60.0

    @property
    def silence(self) -> float:
        """Seconds without a word of the canary after which it is taken for dead: two intervals, and a trip with its end."""
        return 2 * self.every + self.limit + CANARY_ERASURE_SECONDS


class BackupSettings(Section):
    """Where `quietline backup` writes, a new file each time, and the file of its passphrase. The bridge reads neither.

    `keep`: which files of the line stay there (`bridge/runtime/keep_plan.py`); None: all.
    """

    read_by_bridge: ClassVar[bool] = False

    to: Path
    passphrase_file: Path
    keep: Keep | None = None


class ShiftCalendar(Section):
    """Who is on shift when, as a calendar file (RFC 5545): its path, or a file with its https address, a secret."""

    file: Path | None = None
    address_file: Path | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.file is None) == (self.address_file is None):
            raise ValueError("give `file`, or `address_file`, and not both")
        return self


class PhoneLine(Section):
    """One text line: its number, its carrier, its packs in order (the agency's own last) and its first roster.

    `numbers` are further ones of the same line; each texter is answered from the number that they texted. `drills`: files
    or folders with the agency's own drills, for a rehearsal line.
    """

    slug: Slug
    number: E164Number
    numbers: list[E164Number] = Field(default_factory=list)
    rehearsal: bool = False
    packs: list[str] = Field(default_factory=lambda: ["base"])
    drills: list[str] = Field(default_factory=list)
    carrier: AnyCarrierSettings
    staff: list[Staff]
    on_call: OnCall | None = None
    calendar: ShiftCalendar | None = None

    @property
    def all_numbers(self) -> tuple[str, ...]:
        """Every number of the line, the main one first."""
        return tuple(dict.fromkeys((self.number, *self.numbers)))


class Config(Section):
    """Everything the bridge needs. `data_dir` holds its databases; nothing else of it is written."""

    data_dir: Path
    homeserver: Homeserver
    listen: ListenSettings
    keys: KeySettings
    database: DatabaseSettings | None = None
    lines: Annotated[list[PhoneLine], Field(min_length=1, max_length=1)]
    quiet_hours: Hours = (3, 5)
    """From and to, in the packs' time zone: when the homeserver's database is rewritten (`bridge/erasure/nightly.py`)."""
    canary: Canary | None = None
    backup: BackupSettings | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics: MetricsSettings | None = None

    @property
    def canary_mxid(self) -> str:
        """The canary's account; empty where there is no canary."""
        return "" if self.canary is None else f"@{self.canary.localpart}:{self.homeserver.server_name}"

    @property
    def database_url(self) -> str | None:
        """Where PostgreSQL is; None for SQLite. Raises `OSError` when its file cannot be read."""
        return None if self.database is None else read_secret(self.database.url_file)

    @property
    def line(self) -> PhoneLine:
        """The line this process serves."""
        return self.lines[0]

    @property
    def policy_mxid(self) -> str:
        """The policy bot."""
        return f"@{self.homeserver.policy_localpart}:{self.homeserver.server_name}"

    @property
    def puppet_mxid(self) -> str:
        """The texter puppet."""
        return f"@line-{self.line.slug}:{self.homeserver.server_name}"


def load(path: Path) -> Config:
    """Read and check the configuration. Raises :class:`ConfigError` with all problems at once."""
    config, problems = parse(path)
    if problems:
        raise ConfigError(problems)
    return config


def parse(path: Path) -> tuple[Config, list[str]]:
    """Read the configuration, and say what is wrong with what it means: with its secrets first of all.

    For a program that looks at a line which could not be started. Raises :class:`ConfigError` when it is no configuration.
    """
    try:
        raw: Any = safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8"]) from None
    except NOT_YAML:
        raise ConfigError([f"{path}: is not YAML"]) from None
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        told = [f"{path}: {'.'.join(map(str, e['loc']))}: {problem_sentence(e)}" for e in error.errors()]
        raise ConfigError(told) from None
    problems = [f"{path}: {problem}" for problem in (*_secret_problems(config), *_staff_problems(config))]
    if not config.line.rehearsal and config.line.carrier.kind == "rehearsal":
        problems.append(f"{path}: lines.0.carrier: only a line marked `rehearsal: true` may use the rehearsal carrier")
    if config.line.rehearsal and config.line.carrier.kind != "rehearsal":
        problems.append(
            f"{path}: lines.0.rehearsal: true is for the rehearsal carrier only, and {config.line.carrier.kind} reaches "
            "phones; take it out, and have the words read that `quietline policy lint` names"
        )
    if config.line.drills and not config.line.rehearsal:
        problems.append(f"{path}: lines.0.drills: is for a line marked `rehearsal: true`; this one is in service")
    if config.line.carrier.one_number and len(config.line.all_numbers) > 1:
        problems.append(f"{path}: lines.0.numbers: {config.line.carrier.kind} serves one number; leave the others out")
    if config.metrics is not None and config.metrics.address[1] == config.listen.port:
        problems.append(f"{path}: metrics.listen: is the port of the webhooks; a listener of its own needs another")
    if config.homeserver.joined and config.homeserver.database_url_file is not None:
        problems.append(
            f"{path}: homeserver.database_url_file: is for a homeserver that `up` runs; a joined one has its own"
        )
    if config.homeserver.joined and config.homeserver.other_lines:
        problems.append(f"{path}: homeserver.other_lines: is for a homeserver that `up` runs; leave it out")
    if config.policy_mxid == config.puppet_mxid:
        problems.append(f"{path}: homeserver.policy_localpart: is the texter puppet's; give the policy bot another name")
    problems += [f"{path}: {problem}" for problem in _canary_problems(config)]
    return config, problems


def line_directory(file: Path, data_dir: Path) -> Path:
    """Return the directory of a line by its configuration file: the file's own if `data_dir` is below it, else `data_dir`.

    `up` makes the first; a configuration under /etc is the second.
    """
    own, data = file.absolute().parent, data_dir.absolute()
    return own if data != own and data.is_relative_to(own) else data


def _staff_problems(config: Config) -> list[str]:
    here = config.homeserver.server_name
    return [
        f"lines.0.staff.{n}.mxid: must be a whole Matrix id of an account on {here}, such as @name:{here}"
        for n, staff in enumerate(config.line.staff)
        if not LOCAL_USER.fullmatch(staff.mxid.removesuffix(f":{here}")) or not staff.mxid.endswith(f":{here}")
    ]


def _canary_problems(config: Config) -> list[str]:
    if config.canary is None:
        return []
    problems = []
    taken = {config.policy_mxid, config.puppet_mxid, *(staff.mxid for staff in config.line.staff)}
    if config.canary_mxid in taken or config.canary.localpart.startswith("line-"):
        problems.append("canary.localpart: is somebody's; the canary needs an account of its own")
    if config.canary.handset and config.line.carrier.kind != "rehearsal":
        problems.append("canary.handset: only the rehearsal carrier has a handset for it; leave it out")
    if config.canary.slow > config.canary.limit:
        problems.append("canary.slow: must not be more than canary.limit")
    return problems


def _secret_problems(config: Config) -> list[str]:
    problems, values = list[str](), dict[str, str]()
    for name, file in secret_files(config):
        try:
            private, values[name] = is_private(secret_place(file)), read_secret(file)
        except (OSError, ValueError):
            problems.append(f"{name}: the file cannot be read{how_to_hand_over(file)}")
            continue
        if not private:
            problems.append(f"{name}: the file must be readable by its owner only (chmod 600)")
        if name.startswith(("keys.", "canary.")) and not HEX_KEY.fullmatch(values[name]):
            problems.append(f"{name}: the file must hold 32 bytes in hex")
        elif not values[name]:
            problems.append(f"{name}: the file is empty")
        elif not name.endswith("private_key_file") and (len(values[name].splitlines()) > 1 or "\0" in values[name]):
            problems.append(f"{name}: the file must hold one line of text and no more")
    if (url := values.get("database.url_file")) and (problem := database_url_problem(url)):
        problems.append(f"database.url_file: {problem}")
    if (url := values.get(place := "lines.0.calendar.address_file")) and (problem := public_url_problem(url)):
        problems.append(f"{place}: {problem}")
    keys = [value.lower().encode() for name, value in values.items() if name.startswith(("keys.", "canary.")) and value]
    if any(hmac.compare_digest(one, other) for one, other in combinations(keys, 2)):
        problems.append("keys: the keys must be different")
    return problems
