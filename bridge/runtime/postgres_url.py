"""Parses the URL of a PostgreSQL database, from a file of mode 0600, and gives it to each driver in its form.

Rules of this module: no error has a part of the URL. A parameter that a driver would ignore is refused. Outside this
machine and its own network the server must prove its identity (`sslmode=verify-full`), and the URL must name the file of
its certificate authority, because the two drivers look for it in different places.

Source: postgresql.org/docs/current/libpq-connect.html ("Connection URIs").
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from bridge.runtime.settings import is_private_host

DEFAULT_PORT: Final = 5432
SSL_MODES: Final = ("disable", "prefer", "require", "verify-ca", "verify-full")
TLS_FILES: Final = ("sslrootcert", "sslcert", "sslkey")
FORM: Final = "must be postgresql://USER:PASSWORD@HOST:PORT/NAME, with ?host=/DIRECTORY in place of HOST for a socket's"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PostgresUrl:
    """The address of a database and the user. `host`: a name, an address, or the directory of a socket.

    `tls`: `sslmode` and its files, as libpq names them.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    tls: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL. Raises `ValueError` with a sentence that shows nothing of it."""
        try:
            parts = urlsplit(text.strip())
            port, host = parts.port or DEFAULT_PORT, parts.hostname or ""
            query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
        except ValueError:
            raise ValueError(FORM) from None
        options = dict(query)
        # An `@` in the query: it begins in a password whose `?` is not escaped.
        if parts.scheme not in {"postgresql", "postgres"} or parts.fragment or not parts.username or "@" in parts.query:
            raise ValueError(FORM)
        if unknown := sorted(options.keys() - {"host", "sslmode", *TLS_FILES}):
            raise ValueError(f"{', '.join(unknown)}: not known here; there are host, sslmode, {', '.join(TLS_FILES)}")
        if len(options) != len(query) or (host and "host" in options):
            raise ValueError("says something twice")
        url = cls(
            host=options.pop("host", host),
            port=port,
            user=unquote(parts.username),
            password=unquote(parts.password or ""),
            database=_database_name(parts),
            tls=MappingProxyType(options),
        )
        url._check_host()
        return url

    @property
    def is_socket(self) -> bool:
        """Whether the server is reached through a socket of this machine."""
        return self.host.startswith("/")

    def for_libpq(self) -> dict[str, Any]:
        """Return the arguments of psycopg2, which Synapse uses."""
        arguments = {"host": self.host, "port": self.port, "user": self.user, "dbname": self.database}
        return {**arguments, **({"password": self.password} if self.password else {}), **self.tls}

    def for_asyncpg(self) -> dict[str, Any]:
        """Return the arguments of asyncpg. Raises `OSError` when a file of TLS cannot be read or used."""
        arguments = {"host": self.host, "port": self.port, "user": self.user, "database": self.database}
        return {**arguments, "password": self.password or None, "ssl": self._ssl()}

    def _ssl(self) -> Any:
        mode = self.tls.get("sslmode", "prefer")
        if self.is_socket or mode == "disable":
            return False
        if not mode.startswith("verify-"):
            return mode
        context = ssl.create_default_context(cafile=self.tls["sslrootcert"])
        context.check_hostname = mode == "verify-full"
        if "sslcert" in self.tls:
            context.load_cert_chain(self.tls["sslcert"], self.tls.get("sslkey"))
        return context

    def _check_host(self) -> None:
        mode = self.tls.get("sslmode", "prefer")
        if not self.host or "," in self.host or (self.is_socket and self.host != str(Path(self.host))):
            raise ValueError(FORM)
        if mode not in SSL_MODES:
            raise ValueError(f"sslmode: must be one of {', '.join(SSL_MODES)}")
        if not all(Path(self.tls[name]).is_absolute() for name in TLS_FILES if name in self.tls):
            raise ValueError(f"{', '.join(TLS_FILES)}: must be whole paths")
        if mode.startswith("verify-") and "sslrootcert" not in self.tls:
            raise ValueError(f"sslrootcert: is needed with sslmode={mode}; the file of the authority's certificate")
        if mode != "verify-full" and not self.is_socket and not is_private_host(self.host):
            raise ValueError("sslmode: must be verify-full, for networks of others are crossed on the way to this host")


def _database_name(parts: SplitResult) -> str:
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name or not name.isprintable():
        raise ValueError(FORM)
    return name


def database_url_problem(url: str) -> str:
    """Say why a URL of a database cannot be used, without it; empty when it can."""
    shape = "the file must hold postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    try:
        parts = urlsplit(url)
        host, _port, mode = parts.hostname or "", parts.port, dict(parse_qsl(parts.query)).get("sslmode", "")
    except ValueError:
        return shape
    if parts.scheme not in {"postgresql", "postgres"} or not parts.username or not host or not parts.path.strip("/"):
        return shape
    if "," in host:
        return f"{shape}: one host; an address that follows the primary does for several servers"
    if not is_private_host(host) and mode != "verify-full":
        return "that server is reached over networks of others: add ?sslmode=verify-full&sslrootcert=FILE to the URL"
    return ""
