"""A real PostgreSQL server for one test: its own cluster, on loopback and a socket, run by a user other than root.

Rules of this module: the program's output goes into a file beside the cluster; the server is ended by its process id. A
cluster is made once in a run, and copied: `initdb` takes longer than many tests.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg2
import pytest

from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms
from tests.run_directory import run_directory

ROLE, PASSWORD = "quietline", "the role's own words"
SUPERUSER: Final = "postgres"
START_SECONDS: Final = 60.0
QUICK: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300", "shared_buffers=16MB")
NOT_ROOT: Final = ("postgres", "nobody")

REPLICATING: Final = ("max_connections=24", "wal_level=replica")
"""Settings of a server of which a replica can be made, and of the replica; few connections, so that a test can take all."""


@dataclass(slots=True)
class PostgresServer:
    """One cluster. `port` is on 127.0.0.1, the socket in `directory`."""

    directory: Path
    binaries: Path
    port: int
    user: int | None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables of its processes."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, *settings: str) -> None:
        """Start it, and wait until it accepts connections."""
        all_settings = (*QUICK, "listen_addresses=127.0.0.1", f"unix_socket_directories={self.directory}", *settings)
        words = [word for setting in all_settings for word in ("-c", setting)]
        log = (self.directory / "log").open("ab")
        self._process = subprocess.Popen(
            [self.binaries / "postgres", "-D", self.directory / "data", "-p", str(self.port), *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.directory,
            env={**os.environ, **self.environment},
            user=self.user,
            group=self.user and pwd.getpwuid(self.user).pw_gid,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self._process.poll() is None, (self.directory / "log").read_text()[-2000:]
            try:
                psycopg2.connect(self.libpq(SUPERUSER)).close()
            except psycopg2.OperationalError:
                assert time.monotonic() < deadline, (self.directory / "log").read_text()[-2000:]
                time.sleep(0.1)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it at once with its connections: "Fast Shutdown" (postgresql.org/docs/current/server-shutdown.html)."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def crash(self) -> None:
        """End it as a crash does ("Immediate Shutdown"): unwritten data is lost."""
        self.stop(signal.SIGQUIT)

    def make_database(self, name: str, *how: str, owner: str = ROLE) -> str:
        """Make a database, by default as Synapse requires it (`how`: other options); return its URL."""
        like = " ".join(how) or "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
        self.execute(SUPERUSER, f'CREATE DATABASE "{name}" TEMPLATE template0 {like} OWNER {owner}')
        return self.url(name)

    def url(self, database: str, *, user: str = ROLE, password: str = PASSWORD) -> str:
        """Return the URL of a database, as in a line's URL file."""
        return f"postgresql://{user}:{password.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"

    def execute(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the superuser, each by itself; return the rows of the last one."""
        connection = psycopg2.connect(self.libpq(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def base_backup(self, to: Path, *options: str) -> None:
        """Copy the running cluster, with the log that the copy needs; `options` are pg_basebackup's."""
        backup = self.start_base_backup(to, *options)
        _, errors = backup.communicate()
        assert backup.returncode == 0, errors

    def start_base_backup(self, to: Path, *options: str) -> subprocess.Popen[str]:
        """Start such a copy, and return its process."""
        words = ["-h", str(self.directory), "-p", str(self.port), "-U", SUPERUSER, "-D", str(to), "-c", "fast", *options]
        return subprocess.Popen(
            [self.binaries / "pg_basebackup", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            user=self.user,
            group=self.user and pwd.getpwuid(self.user).pw_gid,
        )

    def make_replica(self) -> PostgresServer:
        """Make a streaming replica, not yet started, in a folder of this cluster's directory."""
        directory = self.directory / f"replica-{free_ports(1)}"
        directory.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(directory, self.user, pwd.getpwuid(self.user).pw_gid)
        self.base_backup(directory / "data", "-R")
        return PostgresServer(directory=directory, binaries=self.binaries, port=free_ports(1), user=self.user)

    def wait_until_replayed(self, replica: PostgresServer) -> None:
        """Wait until a replica has replayed the log up to now."""
        [(there,)] = self.execute(SUPERUSER, "SELECT pg_current_wal_lsn()")
        deadline = time.monotonic() + START_SECONDS
        while replica.execute(SUPERUSER, f"SELECT COALESCE(pg_last_wal_replay_lsn() >= '{there}', FALSE)") != [(True,)]:
            assert time.monotonic() < deadline, "the replica does not follow"
            time.sleep(0.05)

    def libpq(self, database: str) -> str:
        """Return the connection string of the superuser, by the socket."""
        return f"host={self.directory} port={self.port} user={SUPERUSER} dbname={database}"


@contextmanager
def running_postgres(programs: OutsidePrograms) -> Iterator[PostgresServer | None]:
    """Run a server with a line's role during the block; None, counted, if the program is missing."""
    if (program := programs.find("postgres")) is None:
        yield None
        return
    user = _not_root()
    directory = Path(tempfile.mkdtemp(prefix="quietline-pg-"))
    try:
        if user is not None:
            os.chown(directory, user, pwd.getpwuid(user).pw_gid)
        binaries = Path(program).resolve().parent
        _put_cluster(directory, binaries, user)
        server = PostgresServer(directory=directory, binaries=binaries, port=free_ports(1), user=user)
        try:
            server.start()
            server.execute(SUPERUSER, f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _put_cluster(directory: Path, binaries: Path, user: int | None) -> None:
    """Create an empty cluster in the directory. The first caller of a run makes it, the others copy it."""
    data, shared = directory / "data", run_directory()
    if shared is None:
        _make_cluster(data, binaries, user)
        return
    cluster = shared / "one-cluster"
    with (shared / "one-cluster.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not cluster.exists():
            _make_cluster(data, binaries, user)
            # The original stays where the server's user has no access: the user of the tests copies it.
            half = shared / "half-a-cluster"
            shutil.rmtree(half, ignore_errors=True)
            subprocess.run(["cp", "-a", data, half], check=True)
            half.rename(cluster)
            return
    subprocess.run(["cp", "-a", cluster, data], check=True)


def _make_cluster(data: Path, binaries: Path, user: int | None) -> None:
    result = subprocess.run(
        [
            *(binaries / "initdb", "-D", data, "-U", SUPERUSER, "--encoding=UTF8", "--locale=C"),
            *("--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=data.parent,
        user=user,
        group=user and pwd.getpwuid(user).pw_gid,
    )
    assert result.returncode == 0, result.stderr


def _not_root() -> int | None:
    """Return the user id for the server when the tests run as root, which PostgreSQL refuses; otherwise None."""
    if os.getuid() != 0:
        return None
    for name in NOT_ROOT:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise AssertionError("there is no user but root")


def bridge_server(server: PostgresServer | None) -> PostgresServer:
    """Return a server on which the role may create databases for lines and schemas for tests; skip the test without one."""
    if server is None:
        pytest.skip("PostgreSQL is not on this machine")
    server.execute(SUPERUSER, f"ALTER ROLE {ROLE} CREATEDB CREATEROLE", f"GRANT CREATE ON DATABASE {SUPERUSER} TO {ROLE}")
    return server
