"""The sections of the configuration, as in the file.

Rule of this module: what one section can check alone is checked here; `load` checks sections against each other, and their
files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from bridge.carriers.vendors.registry import AnyCarrierSettings
from bridge.runtime.keep_plan import Keep
from bridge.runtime.settings import (
    BaseUrl,
    E164Number,
    Fingerprint,
    Hours,
    ListenAddress,
    Port,
    Section,
    Slug,
    is_own_network_host,
    read_secret,
    split_listen_address,
)

CANARY_ERASURE_SECONDS: Final = 150.0
"""Seconds in which the traces of a canary's round trip are erased: 60 are promised on a dedicated machine."""


class OtherLine(Section):
    """A further line on the homeserver that `up` runs for this one: its registration's file, its policy bot's Matrix id."""

    registration: Path
    policy: str


class Homeserver(Section):
    """Where the homeserver is, and the application service token (file, mode 0600).

    `public_url`: where clients reach the homeserver that `up` runs; it publishes this to them. None: on this machine only.
    `admin_token_file`: an administrator's, only for a homeserver that cannot load our module. `joined`: it is the agency's
    own, which `up` does not run. `database_url_file`: the PostgreSQL of one that `up` runs (file, mode 0600); None: SQLite,
    in the line's directory. `own_core`: `up` lets it run on one core and all else on the others. `other_lines`: which lines
    besides this one are on a homeserver that `up` runs; each has a bridge of its own.
    """

    url: BaseUrl
    server_name: str
    joined: bool = False
    as_token_file: Path
    public_url: BaseUrl | None = None
    admin_token_file: Path | None = None
    policy_localpart: str = "policy"
    database_url_file: Path | None = None
    own_core: bool = False
    other_lines: list[OtherLine] = Field(default_factory=list)


class ListenSettings(Section):
    """Where webhooks arrive. `public_base_url` is the URL that the carrier is configured with and signs."""

    host: str = "127.0.0.1"
    port: Port
    public_base_url: BaseUrl


class MetricsSettings(Section):
    """Where Prometheus finds the metrics. `exposed`: a person confirms that other networks may reach that address.

    Metrics name no person, but show when texts come and how many people are on duty.
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

    `url_file` holds `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, which is a secret. `copies_kept_days`: how long base
    backups, dumps and an archive of its log are kept, 0 if there are none; it cannot be read from a server.
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
    """A mail server that takes the agency's mail. It may want a login: `user` and `password_file`."""

    host: str
    port: Port = 587
    starttls: bool = True
    user: str | None = None
    password_file: Path | None = None
    sender: str
    to: Annotated[list[str], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("a login has both `user` and `password_file`: give both, or neither for a server without one")
        return self


class OnCall(Section):
    """How the person on call is called, outside Matrix. `webhook_file` holds a URL, which is a secret."""

    webhook_file: Path | None = None
    email: Email | None = None

    @property
    def is_configured(self) -> bool:
        """Whether there is any way to call a person."""
        return self.webhook_file is not None or self.email is not None


class Canary(Section):
    """The test texts that the line sends itself (`deploy/canary`); without this section there are none.

    `secret_file`: 32 bytes in hex that bridge and canary share, for nothing else. `localpart`: its account, which no person
    has. `handset`: it texts from a handset of the rehearsal carrier, and not by its own route. Seconds: `every` between two
    texts, more or less; `slow` until one is called slow; `limit` until it is given up, at most 110, so that a failure is
    reported within two minutes.
    """

    secret_file: Path
    localpart: Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,63}$")] = "canary"
    handset: bool = False
    every: Annotated[float, Field(ge=5, le=86_400)] = 600.0
    slow: Annotated[float, Field(ge=1, le=110)] = 30.0
    limit: Annotated[float, Field(ge=5, le=110)] = 60.0

    @property
    def silence(self) -> float:
        """Seconds without a report of the canary after which it counts as dead: two intervals and a whole round trip."""
        return 2 * self.every + self.limit + CANARY_ERASURE_SECONDS


class BackupSettings(Section):
    """Where `quietline backup` writes, a new file each time, and the file of its passphrase. The bridge reads neither.

    `keep`: which files of the line are kept there (`bridge/runtime/keep_plan.py`); None: all.
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
