"""The homeserver's PostgreSQL: what would stop Synapse, or would be taken from somebody, is said first, with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from bridge.config.load import load
from bridge.config.sections import Config
from deploy.data_dir.atomic_files import make_private_directory, write_atomically
from deploy.data_dir.layout import Layout
from deploy.data_dir.secret_files import SetupError
from deploy.stack import homeserver_database
from deploy.stack.homeserver_database import LOG_SETTINGS
from tests.conftest import MISSING_PROGRAMS
from tests.deploy.init.answers import answers, run_init
from tests.fakes.postgres_server import PASSWORD, PostgresServer, running_postgres
from tests.outside_programs import OutsidePrograms


@pytest.fixture(scope="module")
def server(pytestconfig: pytest.Config) -> Iterator[PostgresServer | None]:
    with running_postgres(OutsidePrograms(missing=pytestconfig.stash[MISSING_PROGRAMS])) as postgres:
        yield postgres


def line(tmp_path: Path, url: str) -> tuple[Config, Layout]:
    """Make a line whose homeserver keeps its data there."""
    inputs = answers(database={"homeserver_url": url})
    result = run_init(tmp_path, inputs)
    assert result.exit_code == 0, result.output
    layout = Layout(tmp_path / "line")
    make_private_directory(layout.homeserver)
    return load(layout.config), layout


async def said(config: Config, layout: Layout, *, running: bool = False) -> list[str]:
    problems = await homeserver_database.find_problems(config, layout, running=running)
    assert all(each.do for each in problems)
    assert not [each for each in problems if PASSWORD in f"{each.what}{each.do}"]
    return [f"{each.what} → {each.do}" for each in problems if not each.warning]


def name_url(config: Config, url: str) -> None:
    assert config.homeserver.database_url_file is not None
    write_atomically(config.homeserver.database_url_file, url + "\n")


async def test_a_database_made_as_it_should_be_is_taken_once(tmp_path: Path, server: PostgresServer | None) -> None:
    """An empty one is begun; its tables are this directory's then, and no other directory's: a copy, or a restored line."""
    if server is None:
        return
    config, layout = line(tmp_path, server.make_database("taken"))
    assert await said(config, layout) == []
    await homeserver_database.claim_database(config, layout)
    server.execute("taken", "CREATE TABLE events (event_id TEXT)")
    await homeserver_database.claim_database(config, layout)
    (other := tmp_path / "other").mkdir()
    config, layout = line(other, server.url("taken"))
    with pytest.raises(SetupError, match=r"holds tables that are not of this directory.*Name an empty database"):
        await homeserver_database.claim_database(config, layout)
    assert not layout.postgres_begun.exists()


async def test_a_provisioned_line_does_not_begin_again_on_an_empty_one(
    tmp_path: Path, server: PostgresServer | None
) -> None:
    """A wrong name, or a database that was lost, gives no second homeserver without its accounts."""
    if server is None:
        return
    config, layout = line(tmp_path, server.make_database("lost"))
    await homeserver_database.claim_database(config, layout)
    layout.provisioned_file.touch()
    (sentence,) = await said(config, layout)
    assert "empty database" in sentence
    assert "quietline restore" in sentence


async def test_a_database_that_will_not_do_is_named_with_its_remedy(tmp_path: Path, server: PostgresServer | None) -> None:
    """Collation, encoding, rights, a standby: each is a sentence; Synapse is not begun on it."""
    if server is None:
        return
    server.make_database("sorted", "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'")
    config, layout = line(tmp_path, server.url("sorted"))
    (sentence,) = await said(config, layout)
    assert "collation is C.UTF-8, not C; ctype is C.UTF-8, not C" in sentence
    assert "createdb --encoding=UTF8 --locale=C" in sentence
    server.make_database("latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    name_url(config, server.url("latin"))
    (sentence,) = await said(config, layout)
    assert "encoding is LATIN1, not UTF8" in sentence
    server.make_database("not_mine", owner="postgres")
    name_url(config, server.url("not_mine"))
    (sentence,) = await said(config, layout)
    assert "does not let the role make tables → `GRANT CREATE ON SCHEMA public TO ROLE`" in sentence
    server.execute("not_mine", "REVOKE CONNECT ON DATABASE not_mine FROM PUBLIC")
    (sentence,) = await said(config, layout)
    assert "does not let the role connect → `GRANT CONNECT" in sentence
    server.make_database("frozen")
    server.execute("postgres", "ALTER DATABASE frozen SET default_transaction_read_only = on")
    name_url(config, server.url("frozen"))
    assert "is a standby, or read-only" in (await said(config, layout))[0]


async def test_a_second_machine_is_not_started_beside_the_first(
    tmp_path: Path, server: PostgresServer | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another homeserver is connected, nothing is taken; `--take-over` ends its connections."""
    if server is None:
        return
    monkeypatch.setattr(homeserver_database, "LEAVING_SECONDS", 0.0)
    config, layout = line(tmp_path, server.make_database("busy"))
    url = homeserver_database.url_of(config)
    assert url is not None
    other = psycopg2.connect(**url.for_libpq(), application_name=homeserver_database.APPLICATION_NAME)
    try:
        with pytest.raises(SetupError, match=r"has a homeserver connected already.*--take-over"):
            await homeserver_database.claim_database(config, layout)
        assert await said(config, layout, running=True) == []
        await homeserver_database.claim_database(config, layout, take_over=True)
        with pytest.raises(psycopg2.OperationalError), other.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        other.close()


def test_data_do_not_move_with_a_line_of_the_configuration(tmp_path: Path) -> None:
    """From SQLite to PostgreSQL or back by an edit alone would begin a second, empty homeserver: refused both ways."""
    config, layout = line(tmp_path, "postgresql://quietline@127.0.0.1/x")
    (layout.homeserver / "homeserver.db").touch()
    with pytest.raises(SetupError, match=r"data are in homeserver\.db"):
        homeserver_database.check_engine(config, layout)
    layout.postgres_begun.touch()
    homeserver_database.check_engine(config, layout)
    text = layout.config.read_text()
    layout.config.write_text("\n".join(each for each in text.splitlines() if "database_url_file" not in each))
    with pytest.raises(SetupError, match=r"is missing, and the homeserver's data are in PostgreSQL"):
        homeserver_database.check_engine(load(layout.config), layout)


async def test_a_servers_own_log_holds_no_names(tmp_path: Path) -> None:
    """By its default the log has the values of what fails; with our settings neither those, nor what they collide with."""
    planted, other = "@ana.of.the.staff:line.example", "@ben.of.the.staff:line.example"
    with running_postgres(OutsidePrograms(missing=[])) as server:
        if server is None:
            return
        config, layout = line(tmp_path, server.make_database("talks"))
        server.execute("talks", "CREATE TABLE users (name TEXT PRIMARY KEY)")

        def collide() -> bytes:
            """Make statements fail as Synapse's do, with the values in them; return what the log says since."""
            log = server.directory / "log"
            before = log.stat().st_size
            insert = f"INSERT INTO users VALUES ('{planted}')"  # noqa: S608 - as psycopg2 makes it
            with pytest.raises(psycopg2.errors.UniqueViolation):
                server.execute("talks", "DELETE FROM users", insert, insert)
            with pytest.raises(psycopg2.errors.UndefinedColumn):
                server.execute("talks", f"SELECT missing FROM users WHERE name = '{other}'")  # noqa: S608 - as above
            return log.read_bytes()[before:]

        async def warned() -> bool:
            problems = await homeserver_database.find_problems(config, layout, running=False)
            return any("writes statements into its log" in each.what for each in problems if each.warning)

        assert planted.encode() in collide()
        assert await warned()
        server.stop()
        server.start(*(f"{name}={value}" for name, value in LOG_SETTINGS.items()))
        said_since = collide()
        assert b"duplicate key" in said_since
        assert [name for name in (planted, other) if name.encode() in said_since] == []
        assert not await warned()
