"""The answers from which `quietline init` makes a line: one YAML file, read strictly.

Rules of this module: all problems are reported at once, each by its key and without a value. The file contains secrets, so
a file that others can read is refused. The keys are a contract: none is renamed or removed.
"""

from __future__ import annotations

import ipaddress
import re
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from bridge.runtime.keep_plan import Keep
from bridge.runtime.postgres_url import PostgresUrl
from bridge.runtime.settings import BaseUrl, E164Number, NonEmpty, Section, Slug, is_private_host, problem_sentence
from bridge.runtime.whole_path import whole_path
from deploy.data_dir.layout import DEFAULT_PORT_BASE
from deploy.data_dir.secret_files import Role, SetupError
from deploy.stack.synapse_config import SERVER_NAME
from policies.load import PACKS
from policies.schema import Language
from policies.yaml_file import UNREADABLE, key_path, parse_yaml, unreadable_reason

COMPOSE_DATABASE: Final = "database"
"""The host in the URL of a PostgreSQL that Compose runs."""
REGISTRATION_FILE: Final = Path("/etc/matrix-synapse/quietline-registration.yaml")
_LABELS: Final = re.compile(r"(?=.{1,230}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_BRIDGE: Final = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ACCOUNT: Final = re.compile(r"[a-z0-9][a-z0-9._=+-]{0,60}")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COUNTRIES: Final = {"us": "us", "usa": "us", "uk": "uk", "gb": "uk"}


def _check_server_name(value: str) -> str:
    if _is_address(value):
        raise ValueError("is an address; accounts bear this name for ever, so give a name of your own domain")
    if ":" in value or "/" in value:
        raise ValueError("must be a name alone, without a port, scheme or path; `public_url` says where it is reached")
    if value != value.lower():
        raise ValueError("must not have capital letters; clients compare it letter by letter")
    if not _LABELS.fullmatch(value):
        raise ValueError("must be a host's name, such as chat.your-agency.org")
    return value


def _is_address(value: str) -> bool:
    for form in (value, value.removeprefix("[").partition("]")[0], value.partition(":")[0]):
        try:
            ipaddress.ip_address(form)
        except ValueError:
            continue
        return True
    return False


def _check_public_url(value: str) -> str:
    if urlsplit(value).path:
        raise ValueError("must be scheme and host alone: clients and the carrier ask for paths of their own")
    return value


def _check_account(value: str) -> str:
    if not _ACCOUNT.fullmatch(value):
        raise ValueError("must be an account's name: small letters, digits and . _ = + -, beginning with a letter or digit")
    if value in {"policy", "quietline"} or value.startswith(("line-", "policy-", "quietline-")):
        raise ValueError("is a name of the software's own; choose another one")
    return value


def _country(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in _COUNTRIES:
        return _COUNTRIES[value.lower()]
    raise ValueError("must be US or UK: wordings name a country's emergency number, and there are no others yet")


def whole_week(value: Any) -> Any:
    """Expand ranges such as `mon-fri` to single days; `always` is returned unchanged."""
    if value == "always":
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError('must be `always`, or days with their hours, such as {"mon-fri": "09:00-17:00"}')
    week: dict[str, list[str]] = {}
    for days, hours in value.items():
        periods = [hours] if isinstance(hours, str) else hours
        if not isinstance(periods, list) or not all(isinstance(period, str) for period in periods):
            raise ValueError('must have hours in quotes, such as "09:00-17:00"')
        for day in _single_days(days):
            week.setdefault(day, []).extend(periods)
    return {day: week[day] for day in _DAYS if day in week}


def _single_days(said: Any) -> Iterator[str]:
    for part in str(said).lower().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS or _DAYS.index(last or first) < _DAYS.index(first):
            raise ValueError(f"must name days as {', '.join(_DAYS)}, or some in a row, such as mon-fri")
        yield from _DAYS[_DAYS.index(first) : _DAYS.index(last or first) + 1]


ServerName: TypeAlias = Annotated[str, AfterValidator(_check_server_name)]
PublicUrl: TypeAlias = Annotated[BaseUrl, AfterValidator(_check_public_url)]


def _check_bridge(value: str) -> str:
    if not _BRIDGE.fullmatch(value) or urlsplit(f"//{value}").port == 0:
        raise ValueError("must be where the proxy reaches a bridge, such as 10.0.0.1 or 127.0.0.1:8459")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class LineAnswer(Section):
    """The line's name within the configuration, its number, and what sets it apart from other lines.

    `one_of_several`: names outside its directory end with the slug. `port_base`: the first of three ports in a row.
    """

    slug: Slug = "main"
    number: E164Number
    numbers: list[E164Number] = Field(default_factory=list)
    one_of_several: bool = False
    port_base: Annotated[int, Field(ge=1024, le=65_000)] = DEFAULT_PORT_BASE


class StaffAnswer(Section):
    """A person: the name of the account, and the role."""

    name: Annotated[str, AfterValidator(_check_account)]
    role: Role


class AgencyAnswer(Section):
    """The facts for the agency's pack. `voice_number`: where a person answers calls, in the form that texts use."""

    name: NonEmpty | None = None
    country: Annotated[Literal["us", "uk"], BeforeValidator(_country)]
    state: NonEmpty | None = None
    time_zone: NonEmpty
    languages: Annotated[list[Language], Field(min_length=1)]
    hours: Annotated[Literal["always"] | dict[str, list[str]], BeforeValidator(whole_week)]
    voice_number: NonEmpty

    @property
    def packs(self) -> list[str]:
        """The packs of Quietline that the agency's own pack is based on."""
        country = ["uk"] if self.country == "uk" else []
        return ["base", *country, *([f"us/{self.state.lower()}"] if self.state else [])]

    @model_validator(mode="after")
    def _there_is_a_pack(self) -> Self:
        if self.state and self.country != "us":
            raise ValueError("a state is for the US only; leave it out")
        if self.state and not (PACKS / "us" / f"{self.state.lower()}.yaml").is_file():
            raise ValueError("state: must be the two letters of a state, such as CA")
        if self.country == "uk" and self.languages != ["en"]:
            raise ValueError("languages: the pack of this country speaks en only; the base pack's others name 911")
        return self


class ReviewAnswer(Section):
    """Who read the legal wordings that `init --dry-run` printed, and when."""

    by: Annotated[NonEmpty, Field(max_length=200)]
    on: date


OwnPath: TypeAlias = Annotated[Path, AfterValidator(lambda path: whole_path(path) if path.is_absolute() else path)]
"""A path of this machine, for units and the configuration."""


class BackupAnswer(Section):
    """The directory for backups, the passphrase's file, and which backups are kept; None: all."""

    to: OwnPath
    passphrase_file: OwnPath
    keep: Keep | None = None

    @model_validator(mode="after")
    def _absolute(self) -> Self:
        if not (self.to.is_absolute() and self.passphrase_file.is_absolute()):
            raise ValueError("both must be whole paths: a timer has no directory of its own")
        return self


def _check_database(value: str) -> str:
    PostgresUrl.parse(value)
    return value


DatabaseUrl: TypeAlias = Annotated[str, AfterValidator(_check_database)]


class DatabaseAnswer(Section):
    """The PostgreSQL of the bridge, and that of the homeserver that `up` runs; None: SQLite."""

    bridge_url: DatabaseUrl | None = None
    homeserver_url: DatabaseUrl | None = None


class StandbyAnswer(Section):
    """A second bridge that takes over. `bridges`: where the proxy reaches the two, HOST or HOST:PORT.

    Without a port, the line's own port is used; the first is this machine's bridge.
    """

    bridges: Annotated[list[Annotated[str, AfterValidator(_check_bridge)]], Field(min_length=2, max_length=2)]

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.bridges[0] == self.bridges[1]:
            raise ValueError("bridges: the same one twice; on one machine they differ by their ports")
        return self

    def at(self, port: int) -> tuple[str, ...]:
        """Return both as HOST:PORT."""
        return tuple(each if urlsplit(f"//{each}").port else f"{each}:{port}" for each in self.bridges)

    @property
    def is_far(self) -> bool:
        """Whether a bridge is on another machine."""
        return any(not _is_loopback(urlsplit(f"//{each}").hostname or "") for each in self.bridges)


class HomeserverAnswer(Section):
    """The agency's own Synapse, for `mode: join`. `url`: where the bridge reaches it; `public_url`: where clients do.

    `registration_file`: the path of the registration on the homeserver's machine.
    """

    url: BaseUrl
    public_url: PublicUrl | None = None
    registration_file: Path = REGISTRATION_FILE

    @model_validator(mode="after")
    def _absolute(self) -> Self:
        if not self.registration_file.is_absolute():
            raise ValueError("registration_file: must be a whole path, on the homeserver's machine")
        return self


class Answers(Section):
    """All answers. `carrier` and `on_call` have the keys of the configuration, each `x_file` also as `x`."""

    mode: Literal["embedded", "join", "rehearsal"]
    server_name: ServerName | None = None
    public_url: PublicUrl | None = None
    line: LineAnswer
    carrier: dict[str, Any] | None = None
    staff: Annotated[list[StaffAnswer], Field(min_length=1)]
    agency: AgencyAnswer
    reviewed: ReviewAnswer | None = None
    on_call: dict[str, Any] | None = None
    backup: BackupAnswer | None = None
    database: DatabaseAnswer | None = None
    standby: StandbyAnswer | None = None
    homeserver: HomeserverAnswer | None = None
    proxy: Literal["caddy", "nginx", "none"] | None = None
    service: Literal["systemd", "compose", "none"] = "systemd"

    @property
    def name(self) -> str:
        """The homeserver's name."""
        return self.server_name or SERVER_NAME

    @property
    def postgres(self) -> str | None:
        """The URL of the homeserver's PostgreSQL; None for SQLite, and for the agency's own homeserver."""
        return None if self.database is None else self.database.homeserver_url

    @property
    def bridge_postgres(self) -> str | None:
        """The URL of the bridge's own PostgreSQL; None for SQLite."""
        return None if self.database is None else self.database.bridge_url

    @property
    def client_url(self) -> str | None:
        """The homeserver's URL for clients; None: clients reach it on this machine only."""
        if self.homeserver is None:
            return self.public_url
        if self.homeserver.public_url is not None:
            return self.homeserver.public_url
        own = is_private_host(urlsplit(self.homeserver.url).hostname or "")
        return f"https://{self.name}" if own else self.homeserver.url

    @property
    def proxy_kind(self) -> str:
        """The proxy to write a file for: Caddy by default when there is a public URL."""
        return self.proxy or ("caddy" if self.public_url else "none")


def read_answers(path: Path) -> dict[str, Any]:
    """Read the file as a mapping. Raises :class:`SetupError` when others can read it, or it is not a mapping."""
    try:
        mode, raw = path.stat().st_mode, parse_yaml(path)
    except OSError as error:
        raise SetupError([f"{path}: cannot be read ({error.strerror})"]) from None
    except UNREADABLE as error:
        raise SetupError([f"{path}: {unreadable_reason(error, path)}"]) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SetupError([f"{path}: holds secrets and must be readable by its owner only (chmod 600)"])
    if not isinstance(raw, dict):
        raise SetupError([f"{path}: is not a mapping of keys to answers"])
    review = raw.get("reviewed")
    if isinstance(review, dict) and True in review:  # in YAML 1.1 the key `on` is a boolean
        review["on"] = review.pop(True)
    return raw


def check_answers(raw: dict[str, Any]) -> Answers:
    """Check the answers. Raises :class:`SetupError` with all problems, each by its key."""
    try:
        answers = Answers.model_validate(raw)
    except ValidationError as error:
        raise SetupError([*problems_of(error), *_cross_problems(raw)]) from None
    if problems := list(_cross_problems(raw)):
        raise SetupError(problems)
    return answers


def _cross_problems(raw: dict[str, Any]) -> Iterator[str]:
    """Yield conflicts between answers, also when some of them are invalid by themselves."""
    mode, staff = raw.get("mode"), raw.get("staff")
    people = [each for each in staff if isinstance(each, dict)] if isinstance(staff, list) else []
    names = [str(each.get("name")) for each in people]
    if len(set(names)) != len(names):
        yield "staff: a name is there twice"
    database = raw.get("database")
    if isinstance(database, dict) and database.get("homeserver_url") is not None and mode != "embedded":
        yield "database.homeserver_url: is for `mode: embedded` only; leave it out"
    if mode == "join" and raw.get("homeserver") is None:
        yield "homeserver: is needed; its `url` is where this machine reaches the agency's Synapse"
    if mode != "join" and raw.get("homeserver") is not None:
        yield "homeserver: is for `mode: join` only; leave it out"
    if isinstance(database, dict) and raw.get("service") == "compose" and _lacks_password(database.get("homeserver_url")):
        yield "database.homeserver_url: needs a password, with which Compose makes the role"
    if raw.get("standby") is not None:
        if not isinstance(database, dict) or database.get("bridge_url") is None:
            yield "standby: is for a line on PostgreSQL; `database.bridge_url` is needed"
        if raw.get("service") == "compose":
            yield "standby: Compose runs one bridge; leave it out, or say `service: systemd` or `none`"
        if mode == "rehearsal" or raw.get("public_url") is None or raw.get("proxy") == "none":
            yield "standby: is for the file of a proxy, and there is none; leave it out"
    carrier = raw.get("carrier")
    kind = carrier.get("kind") if isinstance(carrier, dict) else None
    if mode == "rehearsal":
        if carrier is not None and kind != "rehearsal":
            yield "carrier: a rehearsal reaches no phones; leave it out"
        return
    if carrier is None:
        yield "carrier: is needed"
    elif kind == "rehearsal":
        yield "carrier.kind: the rehearsal carrier is for `mode: rehearsal` only"
    if mode in ("embedded", "join") and raw.get("server_name") is None:
        yield "server_name: is needed; it is the second half of every account's id, and never changes"
    if people and not any(each.get("role") == "supervisor" for each in people):
        yield "staff: a supervisor is needed, who confirms the others"
    if raw.get("public_url") is None and raw.get("proxy") in ("caddy", "nginx"):
        yield "public_url: is needed for a proxy"


def _lacks_password(url: Any) -> bool:
    try:
        database_url = PostgresUrl.parse(str(url))
    except ValueError:
        return False  # reported already
    return database_url.host == COMPOSE_DATABASE and not database_url.password


def problems_of(error: ValidationError, before: str = "") -> list[str]:
    """Return pydantic's errors as sentences, each with its key; no value is shown."""
    problems = []
    for each in error.errors(include_input=False, include_url=False):
        place = key_path(each["loc"], whole="")
        problems.append(f"{before}{place}{': ' if before or place else ''}{problem_sentence(each)}")
    return problems
