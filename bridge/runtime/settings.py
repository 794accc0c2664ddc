"""The base classes and types of the configuration's sections.

Rule of this module: a secret is given as the path of a file, in a field that ends in `_file`, and never in clear; so code
can find every secret and check its mode without a list. A secret is one line, except in a field that ends in
`private_key_file`, which is PEM. A credential that systemd handed to this process replaces the file it was made from.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat

from bridge.runtime.phone_number import E164_PATTERN
from policies import read_text

_HOST_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
"""A host's name: of a length that DNS can resolve (RFC 1035 §2.3.4); an underscore is allowed, because it occurs in
names."""

_SLUG: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_NAME: Final = re.compile(r"\S(.*\S)?")
_FINGERPRINT: Final = re.compile(r"[A-Za-z0-9+/]{43}")


def problem_sentence(error: Mapping[str, Any]) -> str:
    """Write one pydantic error (an entry of `errors()`) as an instruction about its key. No value is shown."""
    match error["type"]:
        case "missing":
            return "is needed"
        case "extra_forbidden":
            return "unknown key: is it written right, and in its place?"
        case "model_type" | "dict_type":
            return "must hold keys, each with a colon and a value"
        case "string_type":
            return "must be text; put it in quotes"
        case "union_tag_invalid":  # pydantic's own sentence has the value
            return f"must be one of {error['ctx']['expected_tags']}"
        case "string_pattern_mismatch":
            return f"must have the form {error['ctx']['pattern']}"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")


class Section(BaseModel):
    """A strict part of the configuration: unknown keys are errors, values are frozen and never shown by errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    read_by_bridge: ClassVar[bool] = True
    """False: its files are another program's, which looks at them itself."""


def _check_base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
        named = not host or _ip_address(host) is not None or _HOST_NAME.fullmatch(host.encode("idna").decode()) is not None
    except ValueError:
        raise ValueError("not a URL") from None
    # Line ends and the like are passed over by `urlsplit`, and not by a client that connects.
    if not named or port == 0 or not value.strip().isprintable():
        raise ValueError("not a URL")
    if not host or parts.query or parts.fragment or parts.username is not None or value != value.strip().rstrip("/"):
        raise ValueError("give scheme, host and path only: no credentials, no query, no slash at the end")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_private_host(host)):
        raise ValueError("only https, or http to an address of this machine or of a private network")
    return value


def is_private_host(host: str) -> bool:
    """Whether the host is on this machine or its own network: a name without a dot counts as such."""
    address = _ip_address(host)
    return "." not in host if address is None else address.is_private


def is_loopback_host(host: str) -> bool:
    """Whether it is this machine's own address, or a name that never resolves to another (RFC 6761 §6.3)."""
    address = _ip_address(host)
    name = host.rstrip(".").casefold()
    return (name == "localhost" or name.endswith(".localhost")) if address is None else address.is_loopback


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def public_url_problem(value: str) -> str:
    """Say why an address of the public network cannot be used, without it; empty when it can."""
    try:
        parts = urlsplit(value)
        host = (parts.hostname or "").rstrip(".")
        named = _HOST_NAME.fullmatch(host.encode("idna").decode()) is not None and parts.port != 0
    except ValueError:
        named, host, parts = False, "", urlsplit("")
    if not named or parts.scheme != "https" or parts.username is not None or not value.isprintable() or " " in value:
        return "the file must hold an https address, without a user's name in it"
    if _ip_address(host) is not None or "." not in host or host.rsplit(".", 1)[1].isdigit() or is_loopback_host(host):
        return "that host is not named as one of the public network"
    return ""


BaseUrl: TypeAlias = Annotated[str, AfterValidator(_check_base_url)]
"""The part of a URL before a path: `https://api.example.com/v1`. `http` only on this machine or its own network."""


def split_listen_address(value: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; an IPv6 address is in brackets. Raises `ValueError`."""
    parts = urlsplit(f"//{value}")
    if not parts.hostname or not parts.port or parts.netloc != value or parts.username is not None:
        raise ValueError("give HOST:PORT, such as 127.0.0.1:9464")
    return parts.hostname, parts.port


def _check_listen_address(value: str) -> str:
    try:
        split_listen_address(value)
    except ValueError:
        raise ValueError("give HOST:PORT, such as 127.0.0.1:9464") from None
    return value


def is_own_network_host(host: str) -> bool:
    """Whether only this machine or its own network reaches a listener there; false for "all addresses"."""
    address = _ip_address(host)
    return is_private_host(host) and not (address is not None and address.is_unspecified)


ListenAddress: TypeAlias = Annotated[str, AfterValidator(_check_listen_address)]
"""The address of a listener: `HOST:PORT`."""

Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]


def _check_number(value: str) -> str:
    if not E164_PATTERN.fullmatch(value):
        raise ValueError("must be a whole number in quotes: + and country code, then digits alone")
    return value


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must not be empty, and have no space before or behind it")
    return value


def _check_slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        raise ValueError("must be small letters, digits and hyphens, a letter first, 31 at most")
    return value


E164Number: TypeAlias = Annotated[str, AfterValidator(_check_number)]

Slug: TypeAlias = Annotated[str, AfterValidator(_check_slug)]
"""The name of a line in addresses and account names."""


def _check_fingerprint(value: str) -> str:
    joined = "".join(value.split())
    if not _FINGERPRINT.fullmatch(joined):
        raise ValueError(
            "must be the fingerprint of an identity, as clients show it: 43 letters and digits, in fours or not"
        )
    return joined


Fingerprint: TypeAlias = Annotated[str, AfterValidator(_check_fingerprint)]
"""An identity's Ed25519 key in unpadded base64, as clients show it, in fours or not."""


def _check_hours_differ(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] % 24 == value[1] % 24:
        raise ValueError("the two hours must differ")
    return value


Hour: TypeAlias = Annotated[int, Field(ge=0, le=24)]
Hours: TypeAlias = Annotated[tuple[Hour, Hour], AfterValidator(_check_hours_differ)]
"""A time of day from and to; it may span midnight."""

NonEmpty: TypeAlias = Annotated[str, AfterValidator(_check_name)]
"""A name or an id: not empty, without spaces around it."""


class CarrierSettings(Section):
    """The settings of every carrier. Each adapter's `Settings` narrows `kind` and gives `api_base` its vendor's default.

    `texts_per_second` is the limit of one of our numbers, or of the account, in the vendor's own unit (see the adapter's
    `Rate`).
    """

    one_number: ClassVar[bool] = False
    """Whether a line with this carrier can have only one number."""

    kind: str
    api_base: BaseUrl
    texts_per_second: PositiveFloat = 1.0

    @property
    def account(self) -> str:
        """The account at a vendor whose copies can be deleted: from another account they cannot."""
        return ""


def credential_name(path: Path) -> str:
    """Return the credential name of a file: its path, so that it is unique (systemd.exec(5), LoadCredential=)."""
    return "-".join(path.parts[1:])


def how_to_hand_over(path: Path) -> str:
    """Say, as the end of a sentence, how a process that gets its secrets as credentials would get this one; else empty."""
    if not os.environ.get("CREDENTIALS_DIRECTORY"):
        return ""
    name = credential_name(path)
    return f", and is not handed over: it would be {name} in CREDENTIALS_DIRECTORY (a unit: LoadCredential={name}:{path})"


def secret_place(path: Path) -> Path:
    """Return where a secret is read: the credential of this process for that file, else the file."""
    handed = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(handed) / credential_name(path) if handed and path.is_absolute() else path
    return credential if credential.is_file() else path


def is_private(place: Path) -> bool:
    """Whether only its owner can read a secret. A credential of systemd may show a group: the mask of an access list."""
    mode, handed = place.stat().st_mode, os.environ.get("CREDENTIALS_DIRECTORY")
    allowed = stat.S_IRGRP if handed and place.parent == Path(handed) else 0
    return not mode & (stat.S_IRWXG | stat.S_IRWXO) & ~allowed


def read_secret(path: Path) -> str:
    """Read a secret from its file, or its credential. The file was checked when the configuration was loaded."""
    return read_text(secret_place(path)).strip()


def secret_files(section: Section, at: str = "") -> Iterator[tuple[str, Path]]:
    """Find every secret of a section and of those inside it: its place (`lines.0.carrier.token_file`) and its file."""
    for name in type(section).model_fields if section.read_by_bridge else ():
        value, place = getattr(section, name), f"{at}{name}"
        if isinstance(value, Section):
            yield from secret_files(value, f"{place}.")
        elif isinstance(value, (list, tuple)):
            for n, item in enumerate(value):
                if isinstance(item, Section):
                    yield from secret_files(item, f"{place}.{n}.")
        elif isinstance(value, Path) and name.endswith("_file"):
            yield place, value
