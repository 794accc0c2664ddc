"""An upgrade: a backup, then the steps; nothing is lost whatever ends it; an older real line does not start before."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from bridge.config.sections import Config
from bridge.matrix.schema import MAIN_SCHEMA, PUPPET_SCHEMA
from bridge.storage.database import Transaction
from bridge.storage.errors import Busy, DatabaseError, Unavailable, UnsuitableServer
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.storage.postgres_database import database_of
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.storage.sqlite_database import SqliteDatabase
from deploy.backup import backup as backup_file
from deploy.backup.upgrade import check_upgrade, read_versions, require_current, upgrade
from deploy.cli.outcome import database_problem
from deploy.data_dir.layout import Layout
from deploy.data_dir.secret_files import SetupError
from deploy.inspect.check_report import CheckResult
from tests.bridge.lease.leases import LeasedLine
from tests.deploy.line_directory import line_directory
from tests.deploy.verb import invoke
from tests.fakes.database_engine import make_line_database
from tests.fakes.full_disk import cut_off_at, cut_off_commits_at
from tests.fakes.postgres_server import PostgresServer

PASSPHRASE = b"six random words are very good"
LATER = "ALTER TABLE seen ADD COLUMN later BIGINT"


async def step(transaction: Transaction) -> None:
    """Take the one step that the program under test has after version 1."""
    await transaction.execute(LATER)


@pytest.fixture
async def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Have a stopped line whose main database stands one step before this program's."""
    newer = replace(MAIN_SCHEMA, steps=(step,))
    monkeypatch.setattr("deploy.backup.upgrade.FILES", (("main.db", newer), ("voice.db", PUPPET_SCHEMA)))
    async with line_directory(tmp_path) as line:
        await line.desk()
        await line.execute("INSERT INTO desk (id, aggregate) VALUES ('desk', $1)", b"sealed")
        line_layout = line.layout
        configuration = yaml.safe_load(line_layout.config.read_text())
        (tmp_path / "kept").mkdir()
        (tmp_path / "phrase").write_bytes(PASSPHRASE)
        (tmp_path / "phrase").chmod(0o600)
        configuration["backup"] = {"to": str(tmp_path / "kept"), "passphrase_file": str(tmp_path / "phrase")}
        line_layout.config.write_text(yaml.safe_dump(configuration))
    return line_layout


def config_of(layout: Layout) -> Config:
    from bridge.config.load import load

    return load(layout.config)


def older(layout: Layout) -> list[str]:
    return [each.file.name for each in read_versions(config_of(layout)) if each.number < each.newest]


async def test_a_backup_is_made_before_the_steps(layout: Layout, tmp_path: Path) -> None:
    """The backup is of the older version and opens; the database is then of this one, and a second time does nothing."""
    assert older(layout) == ["main.db"]
    steps, file = await upgrade(layout, config_of(layout), backup=(tmp_path / "kept", PASSPHRASE))
    assert (steps, older(layout)) == (1, [])
    assert file is not None
    assert backup_file.read_backup(file, PASSPHRASE).schema == 1
    assert await upgrade(layout, config_of(layout), backup=(tmp_path / "kept", PASSPHRASE)) == (0, None)


async def test_nothing_is_begun_without_its_backup(layout: Layout, tmp_path: Path) -> None:
    """A directory that is not there: the reason, and the database as it was."""
    with pytest.raises(SetupError, match="no such directory; is its disk mounted"):
        await upgrade(layout, config_of(layout), backup=(tmp_path / "nowhere", PASSPHRASE))
    assert older(layout) == ["main.db"]


async def test_a_disk_that_is_full_at_any_step_loses_nothing(layout: Layout, tmp_path: Path) -> None:
    """At whichever file or commit it is full: the reason, and the same command comes to the end with room."""
    config = config_of(layout)
    oldest = tmp_path / "main.db"
    shutil.copyfile(config.data_dir / "main.db", oldest)
    for cut, steps, reason in ((cut_off_at, 2, os.strerror(errno.ENOSPC)), (cut_off_commits_at, 1, "is full")):
        refused, done = 0, False
        while not done:
            for beside in ("", "-wal", "-shm"):
                (config.data_dir / f"main.db{beside}").unlink(missing_ok=True)
            shutil.copyfile(oldest, config.data_dir / "main.db")
            folder = tmp_path / f"{cut.__name__}-{refused}"
            folder.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                cut(refused, patch)
                said = await refusal(upgrade(layout, config, backup=(folder, PASSPHRASE)))
            done = not said
            assert done or reason in said
            refused += not done
            await upgrade(layout, config, backup=None)
            assert older(layout) == []
        assert refused >= steps


async def refusal(work: Awaitable[object]) -> str:
    """Return what the verb would say; empty when it came to its end."""
    try:
        await work
    except DatabaseError as error:
        return database_problem(error)
    except (SetupError, OSError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unavailable("DiskFullError 53100"), "the disk is full; make room on it"),
        (Unavailable("SQLITE_IOERR_READ"), "it cannot be written (SQLITE_IOERR_READ)"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "main.db"), "main.db: Permission denied"),
        (Busy("LockNotAvailableError 55P03"), "another program uses these tables just now, as a dump does"),
        (UnsuitableServer("InsufficientPrivilegeError 42501"), "REASSIGN OWNED BY"),
    ],
)
async def test_what_stops_a_step_is_named(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    """The server's full disk, another fault of the disk, rights: each by its reason, and that the same command goes on."""

    async def fail(_self: SqliteDatabase) -> None:
        raise error

    with monkeypatch.context() as changed:
        changed.setattr(SqliteDatabase, "open", fail)
        message = await refusal(upgrade(layout, config_of(layout), backup=None))
    assert said in message
    assert "run the same command again" in message


async def test_a_column_that_was_added_by_hand_is_named(layout: Layout) -> None:
    """A step cannot be taken: what a person may have done is said; without it the same command goes on."""
    with contextlib.closing(SqliteConnection(config_of(layout).data_dir / "main.db")) as db:
        db.execute(LATER)
        message = await refusal(upgrade(layout, config_of(layout), backup=None))
        assert "was a table, a column, an index or a view added by hand? Take it away, and run the same command" in message
        db.execute("ALTER TABLE seen DROP COLUMN later")
    await upgrade(layout, config_of(layout), backup=None)
    assert older(layout) == []


@pytest.mark.parametrize("name", ["main.db", "voice.db"])
async def test_a_damaged_page_ends_it_before_it_begins(layout: Layout, tmp_path: Path, name: str) -> None:
    """No step of any database is taken, so that the older program goes on as before; which one it is, and what to do."""
    config = config_of(layout)
    file, table = config.data_dir / name, "outbox" if name == "main.db" else "crypto_olm_session"
    if not file.exists():
        shutil.copyfile(config.data_dir / "main.db", file)
    with contextlib.closing(SqliteConnection(file)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        root = db.fetchval("SELECT rootpage FROM sqlite_master WHERE name = $1", table)
        size = db.fetchval("PRAGMA page_size")
    with file.open("r+b") as opened:
        opened.seek((root - 1) * size)
        opened.write(b"\xff" * size)
    message = await refusal(upgrade(layout, config, backup=(tmp_path / "kept", PASSPHRASE)))
    assert message.startswith(f"{file} is damaged; nothing was changed. Is the disk well?")
    assert [row.name for row in check_upgrade(layout, config, backed_up=True).checks if not row.ok] == ["database"]
    assert older(layout) == ["main.db"]
    assert list((tmp_path / "kept").iterdir()) == []


async def test_packs_that_this_version_refuses_end_it_before_it_begins(layout: Layout, tmp_path: Path) -> None:
    """After its steps neither version would start: what is wrong with them, no backup, no step."""
    configuration = yaml.safe_load(layout.config.read_text())
    (layout.config.parent / "agency.yaml").write_text("a_rule_of_long_ago: 7\n")
    configuration["lines"][0]["packs"].append("agency.yaml")
    layout.config.write_text(yaml.safe_dump(configuration))
    message = await refusal(upgrade(layout, config_of(layout), backup=(tmp_path / "kept", PASSPHRASE)))
    assert "a_rule_of_long_ago" in message
    assert "this version does not start with them. Nothing was changed" in message
    checks = check_upgrade(layout, config_of(layout), backed_up=True).checks
    assert [row.name for row in checks if not row.ok] == ["packs"]
    assert older(layout) == ["main.db"]
    assert list((tmp_path / "kept").iterdir()) == []


async def test_too_little_room_ends_it_before_it_begins(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason and the remedy; no backup, no step."""
    config = config_of(layout)
    with monkeypatch.context() as changed:
        changed.setattr("deploy.backup.upgrade.shutil.disk_usage", lambda _path: SimpleNamespace(free=1024))
        with pytest.raises(SetupError, match="make room first"):
            await upgrade(layout, config, backup=(tmp_path / "kept", PASSPHRASE))
        assert [row.name for row in check_upgrade(layout, config, backed_up=True).checks if not row.ok] == ["disk"]
    assert older(layout) == ["main.db"]
    assert list((tmp_path / "kept").iterdir()) == []


async def test_a_running_line_and_a_newer_database_are_refused(layout: Layout) -> None:
    """Neither is touched."""
    config = config_of(layout)
    with (config.data_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SetupError, match="the line runs"):
            await upgrade(layout, config, backup=None)
        assert [row.name for row in check_upgrade(layout, config, backed_up=True).checks if not row.ok] == ["line"]
    with contextlib.closing(SqliteConnection(config.data_dir / "main.db")) as db:
        db.execute("UPDATE quietline_version SET version = 99")
    with pytest.raises(SetupError, match="newer version"):
        await upgrade(layout, config, backup=None)
    rows = {row.name: row for row in check_upgrade(layout, config, backed_up=True).checks}
    assert (rows["database"].ok, "a database never goes back" in rows["database"].do) == (False, True)


async def configure_postgres(layout: Layout, tmp_path: Path, postgres_server: PostgresServer) -> str:
    """Give the line an empty database; return its address."""
    server = await make_line_database(f"line_{secrets.token_hex(6)}", postgres_server.url("postgres"))
    (tmp_path / "database_url").touch(mode=0o600)
    (tmp_path / "database_url").write_text(server)
    with layout.config.open("a", encoding="utf-8") as text:
        text.write(f"\ndatabase: {{url_file: {tmp_path / 'database_url'}}}\n")
    return server


async def test_an_empty_server_beside_the_lines_files_is_no_new_line(
    layout: Layout, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """The line is in its files, and would not start beside them: the check says how it is moved."""
    await configure_postgres(layout, tmp_path, postgres_server)
    config = config_of(layout)

    def row() -> CheckResult:
        return next(each for each in check_upgrade(layout, config, backed_up=True).checks if each.name == "database")

    assert (row().ok, "migrate --to postgresql" in row().do) == (False, True)
    (config.data_dir / "main.db").rename(tmp_path / "away")
    assert row().ok


async def test_a_first_start_that_was_killed_at_once_leaves_no_line(layout: Layout) -> None:
    """Its file is there and holds no tables; no server is configured, and none is named."""
    config = config_of(layout)
    (config.data_dir / "main.db").write_bytes(b"")
    rows = {each.name: each for each in check_upgrade(layout, config, backed_up=True).checks}
    assert (rows["database"].ok, rows["database"].what) == (True, "there is none yet; the first start makes it")


async def test_a_bridge_of_another_machine_is_named(
    layout: Layout, tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL: the check says that the line runs, and the upgrade takes no step and says what to stop."""
    server = await configure_postgres(layout, tmp_path, postgres_server)
    config, file = config_of(layout), config_of(layout).data_dir / "main.db"
    database = database_of(file, server, schema=MAIN_SCHEMA)
    await database.open()
    await database.close()

    def row(name: str) -> bool:
        return next(each.ok for each in check_upgrade(layout, config, backed_up=True).checks if each.name == name)

    assert row("line")
    # Nobody renews this lease, and what a busy machine takes for a request is no fault of the server.
    monkeypatch.setattr("bridge.tables.lease_table.LEASE_SECONDS", 600.0)
    monkeypatch.setattr("bridge.lease.lead.ANSWER_SECONDS", 60.0)
    lead = await LeasedLine(postgres_server, PostgresPlace(server, "main"), tmp_path / "keys.db").bridge().try_once()
    assert lead is not None
    monkeypatch.setattr("bridge.storage.postgres_database.LEADER_MS", 100)
    try:
        assert not row("line")
        with pytest.raises(SetupError, match=r"database\.url_file: the line runs, .* stop it first"):
            await upgrade(layout, config, backup=None)
        assert older(layout) == ["main.db"]
    finally:
        await lead.close()
    assert row("line")


async def test_a_user_without_rights_is_told_so(layout: Layout, tmp_path: Path, postgres_server: PostgresServer) -> None:
    """Whose tables it may not even see: not that nothing is to be done. Whose it may only use: how it gets to own them."""
    server = await make_line_database(f"line_{secrets.token_hex(6)}", postgres_server.url("postgres"))
    user, url_file = f"user_{secrets.token_hex(4)}", tmp_path / "database_url"
    url_file.touch(mode=0o600)
    with layout.config.open("a", encoding="utf-8") as text:
        text.write(f"\ndatabase: {{url_file: {url_file}}}\n")
    url_file.write_text(server)
    main = database_of(config_of(layout).data_dir / "main.db", server, schema=MAIN_SCHEMA)
    await main.open()
    await main.close()
    admin = await connect(PostgresPlace(server, "public"))
    await admin.run(f"CREATE ROLE {user} LOGIN PASSWORD 'x'")
    url_file.write_text(re.sub(r"//([^@/]*@)?", f"//{user}:x@", server, count=1))
    unseen = await refusal(upgrade(layout, config_of(layout), backup=None))
    await admin.run(f"GRANT ALL ON SCHEMA main TO {user}; GRANT ALL ON ALL TABLES IN SCHEMA main TO {user}")
    unowned = await refusal(upgrade(layout, config_of(layout), backup=None))
    await admin.close()
    assert "REASSIGN OWNED BY" in unseen
    assert "REASSIGN OWNED BY" in unowned
    assert older(layout) == ["main.db"]


async def test_an_older_real_line_does_not_start(layout: Layout) -> None:
    """It is told by name what to do; a rehearsal, a new line and one that was upgraded start."""
    config = config_of(layout)
    require_current(config, layout)
    real = config.model_copy(update={"lines": [config.line.model_copy(update={"rehearsal": False})]})
    with pytest.raises(SetupError, match="quietline upgrade --data"):
        require_current(real, layout)
    with pytest.raises(SetupError, match=r"quietline upgrade --config /etc/south\.yaml"):
        require_current(real, Layout(layout.data, config_file=Path("/etc/south.yaml")))
    require_current(real.model_copy(update={"data_dir": layout.data / "nowhere"}), layout)
    with contextlib.closing(SqliteConnection(config.data_dir / "main.db")) as db:
        desk = db.fetchval("SELECT aggregate FROM desk")
        db.execute("DELETE FROM desk")  # as a first start leaves it that was broken off before all tables were made
        require_current(real, layout)
        db.execute("INSERT INTO desk (id, aggregate) VALUES ('desk', $1)", desk)
    await upgrade(layout, config, backup=None)
    require_current(real, layout)


async def test_the_verb(layout: Layout, tmp_path: Path) -> None:
    """`--check` says and changes nothing; then the steps, after a backup where the configuration says."""
    data = ["upgrade", "--data", str(layout.data)]
    looked = await invoke([*data, "--check", "--json"])
    report = json.loads(looked.stdout)
    assert (looked.exit_code, report["ok"], report["checks"][0]["what"]) == (0, True, "1 steps are to be taken")
    assert older(layout) == ["main.db"]
    done = await invoke(data)
    said = ["1 steps were taken.", f"Start the line, then look at it: quietline doctor --data {layout.data}"]
    assert (done.exit_code, done.stdout.splitlines()[-2:]) == (0, said), done.output
    assert len(sorted((tmp_path / "kept").glob("*.backup"))) == 1
    assert (await invoke(data)).stdout == "Nothing was to be done.\n"
    assert (await invoke([*data, "--json"])).exit_code == 2
