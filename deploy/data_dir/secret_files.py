"""The secrets of one installation: made once, kept in files of mode 0600.

Rules of this module: a secret is never made twice, never printed, and its value is never part of a name or an argument; a
secret on which sealed data depends is never replaced silently.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from bridge.runtime.settings import is_private
from deploy.data_dir.atomic_files import make_private_directory, write_atomically
from policies import ProblemsError, read_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Role = Literal["advocate", "supervisor"]

STAFF: Final[tuple[tuple[str, Role], ...]] = (("ada", "advocate"), ("bea", "advocate"), ("sol", "supervisor"))
"""The first accounts (design.md, "Contracts with the outside"): localpart and role."""


class SetupError(ProblemsError):
    """The data directory or the configuration cannot be used.

    `may_pass`: nothing has to be changed here; another start may succeed.
    """

    def __init__(self, problems: list[str], *, may_pass: bool = False) -> None:
        super().__init__(problems)
        self.may_pass = may_pass


class ConfigurationRefused(SetupError):  # noqa: N818 - the name states a fact
    """`config.yaml` cannot be used, so no bridge starts and the person on call is called."""


def read_private_line(path: Path) -> str:
    """Read a secret that an operator named: a file of mode 0600 with one line. Raises :class:`SetupError`."""
    try:
        private, text = is_private(path), read_text(path).strip()
    except (OSError, UnicodeDecodeError):
        raise SetupError([f"{path}: cannot be read"]) from None
    problems = []
    if not private:
        problems.append(f"{path}: the file must be readable by its owner only (chmod 600)")
    if not text or len(text.splitlines()) > 1:
        problems.append(f"{path}: the file must hold one line of text and no more")
    if problems:
        raise SetupError(problems)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffAccount:
    """One person's account on the homeserver. `user` is the localpart."""

    user: str
    role: Role
    password: str = field(repr=False)


def _token() -> str:
    return secrets.token_urlsafe(32)


def _key() -> str:
    return secrets.token_hex(32)


def _signing_key() -> str:
    # The format of signedjson, which Synapse reads: algorithm, version, seed in unpadded base64.
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"ed25519 a_{secrets.token_hex(2)} {seed}"


def _accounts() -> str:
    return json.dumps([{"user": user, "role": role, "password": _token()} for user, role in STAFF], indent=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The files with the secrets, by purpose."""

    directory: Path

    @property
    def as_token(self) -> Path:
        """The token with which the bridge authenticates to the homeserver."""
        return self.directory / "as_token"

    @property
    def hs_token(self) -> Path:
        """The homeserver's token for the bridge: nothing is pushed, but the registration must contain one."""
        return self.directory / "hs_token"

    @property
    def vault_key(self) -> Path:
        """Seals numbers and bodies: 32 bytes in hex."""
        return self.directory / "vault.key"

    @property
    def index_key(self) -> Path:
        """Keys the hash of phone numbers: 32 bytes in hex."""
        return self.directory / "index.key"

    @property
    def suppression_key(self) -> Path:
        """Keys the slow hash of phones that said STOP or are blocked: 32 bytes in hex."""
        return self.directory / "suppression.key"

    @property
    def carrier_token(self) -> Path:
        """The token with which the bridge authenticates to the rehearsal carrier."""
        return self.directory / "carrier_token"

    @property
    def carrier_signing_key(self) -> Path:
        """The key with which the rehearsal carrier signs webhooks."""
        return self.directory / "carrier_signing_key"

    @property
    def carrier_store_key(self) -> Path:
        """Seals the rehearsal carrier's store of texts: 32 bytes in hex."""
        return self.directory / "carrier_store.key"

    @property
    def macaroon(self) -> Path:
        """Synapse's `macaroon_secret_key`."""
        return self.directory / "macaroon_secret"

    @property
    def form(self) -> Path:
        """Synapse's `form_secret`."""
        return self.directory / "form_secret"

    @property
    def bridge_database(self) -> Path:
        """The URL of the bridge's own PostgreSQL, if it has one."""
        return self.directory / "bridge_database_url"

    @property
    def homeserver_database(self) -> Path:
        """The URL of the homeserver's PostgreSQL, if it has one."""
        return self.directory / "homeserver_database_url"

    @property
    def postgres_password(self) -> Path:
        """The password of that URL by itself, for a PostgreSQL that Compose runs."""
        return self.directory / "postgres_password"

    @property
    def signing_key(self) -> Path:
        """The homeserver's own signing key."""
        return self.directory / "homeserver.signing.key"

    @property
    def accounts(self) -> Path:
        """The first accounts with their passwords, in one file, so that no file name contains a person's name."""
        return self.directory / "accounts.json"

    @property
    def registration(self) -> Path:
        """The secret for making accounts at the first start; deleted after it."""
        return self.directory / "registration_secret"

    def make(self, *, provisioned: bool, sealed: bool, accounts: bool = True) -> None:
        """Make missing secrets. Raises :class:`SetupError` when data exist that only a lost secret could open.

        `provisioned`: the homeserver has its database and accounts. `sealed`: the bridge has sealed data.
        `accounts`: this is a rehearsal, whose first passwords are secrets here; a real line has hand-outs.
        """
        make_private_directory(self.directory)
        keys = dict.fromkeys((self.vault_key, self.index_key, self.suppression_key), _key)
        lasting_makers = {**keys, self.signing_key: _signing_key, **({self.accounts: _accounts} if accounts else {})}
        renewed = (self.as_token, self.hs_token, self.carrier_token, self.carrier_signing_key, self.macaroon, self.form)
        needed = [*(lasting_makers if provisioned else ()), *(keys if sealed and not provisioned else ())]
        lost = [path for path in needed if not path.is_file()]
        if lost:
            raise SetupError(
                [
                    f"{path}: is missing, and what this directory holds cannot be used without it; put it back"
                    for path in lost
                ]
            )
        makers: dict[Path, Callable[[], str]] = {**lasting_makers, **dict.fromkeys(renewed, _token)}
        if accounts:
            makers[self.carrier_store_key] = _key
        for path, maker in makers.items():
            if not path.is_file():
                write_atomically(path, maker() + "\n")

    def read(self, path: Path) -> str:
        """Read a secret's value."""
        return path.read_text(encoding="utf-8").strip()

    def read_accounts(self) -> tuple[StaffAccount, ...]:
        """Read the first accounts. Raises :class:`SetupError` when the file is not what :meth:`make` wrote."""
        try:
            return tuple(StaffAccount(**entry) for entry in json.loads(self.read(self.accounts)))
        except (OSError, ValueError, TypeError):
            raise SetupError([f"{self.accounts}: cannot be read as the list of first accounts"]) from None
