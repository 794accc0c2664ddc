"""A database's URL: one form, no doubt about who is at the other end, and nothing of it in an error."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bridge.runtime.postgres_url import PostgresUrl
from tests.deploy.init.proxy_rig import make_certificates
from tests.every_row import every_row

SECRET = "a%20word%2Fof%40mine"


def test_both_drivers_get_the_same_place() -> None:
    """Host, port, role, password and name, unquoted; a socket's directory stands as `host` of the query."""
    url = PostgresUrl.parse(f"postgresql://quiet:{SECRET}@127.0.0.1:5433/line%20one\n")
    assert url.for_libpq() == {
        "host": "127.0.0.1",
        "port": 5433,
        "user": "quiet",
        "dbname": "line one",
        "password": "a word/of@mine",
    }
    assert url.for_asyncpg() == {
        "host": "127.0.0.1",
        "port": 5433,
        "user": "quiet",
        "database": "line one",
        "password": "a word/of@mine",
        "ssl": "prefer",
    }
    socket = PostgresUrl.parse("postgres://quiet@/line?host=/run/postgresql")
    assert socket.is_socket
    assert socket.for_libpq() == {"host": "/run/postgresql", "port": 5432, "user": "quiet", "dbname": "line"}
    assert (socket.for_asyncpg()["password"], socket.for_asyncpg()["ssl"]) == (None, False)
    assert SECRET not in repr(url)


def test_a_server_elsewhere_proves_who_it_is(tmp_path: Path) -> None:
    """Across networks of others only with the host's name checked, by an authority that is named."""
    make_certificates(directory := tmp_path / "tls")
    there = f"postgresql://quiet:{SECRET}@db.agency.org/line"
    for query in ("", "?sslmode=require", f"?sslmode=verify-ca&sslrootcert={directory}/ca.pem", "?sslmode=verify-full"):
        with pytest.raises(ValueError, match=r"sslmode|sslrootcert"):
            PostgresUrl.parse(there + query)
    url = PostgresUrl.parse(f"{there}?sslmode=verify-full&sslrootcert={directory}/ca.pem")
    context = url.for_asyncpg()["ssl"]
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert url.for_libpq()["sslmode"] == "verify-full"


@every_row(
    "text",
    [
        "",
        "mysql://quiet:SECRET@127.0.0.1/line",
        "postgresql://127.0.0.1/line",
        "postgresql://quiet:SECRET@127.0.0.1",
        "postgresql://quiet:SECRET@127.0.0.1/line/two",
        "postgresql://quiet:SECRET@127.0.0.1:port/line",
        "postgresql://quiet:SECRET@/line",
        "postgresql://quiet:SECRET@/line?host=/a,/b",
        "postgresql://quiet:SECRET@127.0.0.1/line?host=/run",
        "postgresql://quiet:SECRET@127.0.0.1/line?sslmode=disable&sslmode=require",
        "postgresql://quiet:SECRET@127.0.0.1/line?sslmode=maybe",
        "postgresql://quiet:SECRET@127.0.0.1/line?sslmode=verify-full&sslrootcert=ca.pem",
        "postgresql://quiet:SECRET@127.0.0.1/line?options=-csearch_path%3Dx",
        "postgresql://quiet:SECRET@127.0.0.1/line#x",
        "postgresql://quiet:p@ss?SECRET=word@127.0.0.1/line",
    ],
)
def test_anything_else_is_refused_without_a_word_of_it(text: str) -> None:
    """A typing error, a key that one driver would pass over, two hosts: a sentence, and no value."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        PostgresUrl.parse(text)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None
