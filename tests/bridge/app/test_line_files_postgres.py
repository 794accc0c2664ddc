"""A line whose database is on a PostgreSQL server: what it starts on, and what ends a start with a sentence."""

from __future__ import annotations

import asyncio
import secrets
import struct
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bridge.app import main
from bridge.app.bridge import Bridge
from bridge.app.line_files import CannotStart, CannotStartYet
from bridge.config.load import ConfigError, load
from bridge.runtime.crash_points import never_crash
from bridge.storage import postgres_database
from bridge.storage.postgres_connection import PostgresPlace, connect
from policies.load import load as load_pack
from tests.bridge.papers import Papers
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import PostgresServer
from tests.free_ports import free_ports

SSL_REQUEST = 80877103
"""The first message of a client that wants TLS (postgresql.org/docs/current: protocol-message-formats.html)."""


class Line(Papers):
    """A line that is configured, with a database of its own on the server."""

    server: PostgresServer
    database: str

    async def start(self) -> None:
        """Open it as the process does, and stop it."""
        async with AsyncExitStack() as stack:
            await self.open(stack)

    async def open(self, stack: AsyncExitStack) -> Bridge:
        config = load(self.save())
        pack = load_pack(config.line.packs, near=self.directory)
        return await Bridge.open(config=config, pack=pack, crash=never_crash, stack=stack)

    async def refusal(self) -> str:
        """Start it, and return the sentence that ends that for good."""
        with pytest.raises(CannotStart) as refused:
            await self.start()
        [problem] = refused.value.problems
        assert "own%20words" not in problem
        return problem

    async def ask(self, statement: str) -> object:
        connection = await connect(PostgresPlace(self.server.url(self.database), "main"))
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()


@pytest.fixture
async def line(tmp_path: Path, postgres_server: PostgresServer) -> Line:
    postgres_line = Line(tmp_path)
    postgres_line.server, postgres_line.database = postgres_server, f"line_{secrets.token_hex(6)}"
    postgres_line.write("database_url", await make_line_database(postgres_line.database, postgres_server.url("postgres")))
    postgres_line.raw["database"] = {"url_file": postgres_line.file("database_url")}
    postgres_line.raw["listen"]["port"] = free_ports()
    (tmp_path / "bridge").mkdir()
    await postgres_line.start()
    return postgres_line


async def test_a_line_starts_again_and_has_no_file_but_its_keys(line: Line) -> None:
    """Everything but keys is on the server; `keys.db` stays a file that is overwritten."""
    await line.start()
    assert await line.ask("SELECT COUNT(*) FROM desk") == 1
    databases = {path.name for path in (line.directory / "bridge").rglob("*") if path.suffix == ".db"}
    assert databases == {"keys.db"}


async def test_a_second_bridge_does_not_start(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from another data directory either, which no lock of a file would tell."""
    monkeypatch.setattr(postgres_database, "LEADER_MS", 50)
    async with AsyncExitStack() as stack:
        await line.open(stack)
        assert "another bridge" in await line.refusal()


async def test_a_pooler_is_told(line: Line) -> None:
    """It accepts no settings of a session, and would give each commit another one: waiting does not help."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        if struct.unpack("!I", (await reader.readexactly(length - 4))[:4])[0] == SSL_REQUEST:
            writer.write(b"N")
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            await reader.readexactly(length - 4)
        fields = b"SFATAL\0C08P01\0Munsupported startup parameter: lock_timeout\0\0"
        writer.write(b"E" + struct.pack("!I", len(fields) + 4) + fields)
        await writer.drain()
        writer.close()

    pooler = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with pooler:
        port = pooler.sockets[0].getsockname()[1]
        line.write("database_url", f"postgresql://role:word@127.0.0.1:{port}/{line.database}")
        assert "a pooler such as PgBouncer is in between" in await line.refusal()


async def test_keys_and_database_belong_together(line: Line) -> None:
    """A lost `keys.db` is not made again, keys without their database make none, a file not moved is not left out."""
    keys, backup = line.directory / "bridge" / "keys.db", line.directory / "kept.db"
    keys.rename(backup)
    assert (await line.refusal()).startswith(f"{keys}: missing")
    assert not keys.exists()
    backup.rename(keys)
    line.write("database_url", await make_line_database(f"{line.database}_empty", line.server.url("postgres")))
    assert "has nothing of this line" in await line.refusal()
    (line.directory / "bridge" / "main.db").touch()
    assert "quietline migrate --to postgresql" in await line.refusal()


async def test_what_an_interrupted_move_left_is_deleted(line: Line) -> None:
    """It is a copy of all rows, which no erasure would reach. Not while the server has nothing of the line."""
    data = line.directory / "bridge"
    leftovers = [data / name for name in ("main.db.moving", "main.db.moving-wal", "voice.db")]
    for path in leftovers:
        path.write_bytes(b"rows")
    right = (line.directory / "database_url").read_text()
    line.write("database_url", await make_line_database(f"{line.database}_empty", line.server.url("postgres")))
    assert "has nothing of this line" in await line.refusal()
    assert all(path.exists() for path in leftovers)
    line.write("database_url", right)
    await line.start()
    assert not any(path.exists() for path in leftovers)


async def test_a_server_that_cannot_be_used_is_told(line: Line) -> None:
    """Password, name, encoding and a newer program's tables end the start for good; a server that is away does not."""
    await line.ask("CREATE DATABASE other_encoding ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    for url, says in {
        line.server.url(line.database, password="wrong"): "refuses this user or password",
        line.server.url("nowhere"): "no database of that name",
        line.server.url("other_encoding"): "encoding is not UTF-8",
    }.items():
        line.write("database_url", url)
        assert says in await line.refusal()
    line.write("database_url", "postgresql://quietline:no%20secret@127.0.0.1:1/line")
    with pytest.raises(CannotStartYet, match="does not answer"):
        await line.start()
    line.write("database_url", line.server.url(line.database))
    await line.ask("UPDATE quietline_version SET version = 999 RETURNING version")
    assert "newer version of this program" in await line.refusal()


def test_what_the_process_ends_with(
    tmp_path: Path, postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 where starting again cannot help, 1 where it may."""
    papers = Papers(tmp_path)
    papers.raw["database"] = {"url_file": papers.file("database_url")}
    papers.write("database_url", postgres_server.url("nowhere"))
    assert main.main(papers.save()) == main.EXIT_USAGE
    papers.write("database_url", "postgresql://quietline:no%20secret@127.0.0.1:1/line")
    assert main.main(papers.save()) == main.EXIT_PROBLEMS
    said = capsys.readouterr().err
    assert "no database of that name" in said
    assert "does not answer" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://quietline:secret@127.0.0.1/line", "must hold postgresql://"),
        ("postgresql://quietline:secret@127.0.0.1", "must hold postgresql://"),
        ("postgresql:///line", "must hold postgresql://"),
        ("postgresql://quietline:secret@127.0.0.1:x/line", "must hold postgresql://"),
        ("postgresql://quietline:secret@10.0.0.1,10.0.0.2/line", "one host"),
        ("postgresql://quietline:secret@pg1.example.net,pg2.example.net/line?sslmode=verify-full", "one host"),
        ("postgresql://quietline:secret@db.example.net/line", "sslmode=verify-full"),
        ("postgresql://quietline:secret@db.example.net/line?sslmode=require", "sslmode=verify-full"),
    ],
)
def test_a_url_is_checked_and_not_shown(tmp_path: Path, url: str, says: str) -> None:
    """Over networks of others only with a server that proves who it is; the password is in no sentence."""
    papers = Papers(tmp_path)
    papers.raw["database"] = {"url_file": papers.file("database_url")}
    papers.write("database_url", url)
    with pytest.raises(ConfigError) as refused:
        load(papers.save())
    [problem] = refused.value.problems
    assert says in problem
    assert "secret@" not in problem.replace("USER:PASSWORD@", "")
    papers.write("database_url", "postgresql://quietline:secret@db.example.net/line?sslmode=verify-full")
    assert load(papers.save()).database is not None
