"""The PostgreSQL database of the homeserver that `up` runs, when the configuration names one.

Rules of this module: a fault at which Synapse would stop, or which it would not notice, is reported before Synapse starts,
with the remedy; of the URL only the name of its file is shown. A database that contains a homeserver is used only by the
directory that created it, so a restored line, another line or a second machine cannot use it by mistake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bridge.runtime.postgres_url import PostgresUrl
from bridge.runtime.settings import read_secret
from bridge.storage.postgres_probe import PostgresFacts, PostgresRefused, RefusalKind, probe
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout

APPLICATION_NAME: Final = "quietline-homeserver"
"""The name of the homeserver's connections, by which a second homeserver's are recognised."""
OLDEST: Final = 14
"""The oldest version that Synapse accepts (`storage/engines/postgres.py`)."""
LEAVING_SECONDS: Final = 6.0
"""How long the server may still list connections of a homeserver that was just killed."""
MAKE: Final = (
    "`createdb --encoding=UTF8 --locale=C --template=template0 --owner=ROLE NAME` on the server makes one that will do"
)
LOG_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_statement": "none",
        "log_min_duration_statement": "-1",
    }
)
"""Settings of PostgreSQL by which its own log holds no statement and no value: Synapse puts the values into its statements,
and some of them fail every day, as two that change one row at once do; with the values, names of staff would be in the log.
Source: postgresql.org/docs/current/runtime-config-logging.html."""


@dataclass(frozen=True, slots=True)
class DatabaseProblem:
    """What is wrong, as a sentence without its subject, and the remedy.

    `warning`: a homeserver can run on it. `may_pass`: it may pass soon without an action, as after a power cut.
    """

    what: str
    do: str
    warning: bool = False
    may_pass: bool = False


_REFUSALS: Final[Mapping[RefusalKind, tuple[str, str]]] = MappingProxyType(
    {
        RefusalKind.UNREACHABLE: (
            "does not answer",
            "Does it run, and listen where {file} says? See listen_addresses, port, and the firewall between.",
        ),
        RefusalKind.TLS: (
            "has a certificate that its authority did not sign, or one for another name",
            "Name the right authority's file as sslrootcert in {file}, and the host as the certificate names it.",
        ),
        RefusalKind.LOGIN: (
            "does not let the role in with this password",
            "Write the right password into {file}, and see pg_hba.conf; `createuser --pwprompt ROLE` makes a role.",
        ),
        RefusalKind.NO_DATABASE: ("has no such database", MAKE + "; or name another in {file}."),
        RefusalKind.FORBIDDEN: ("does not let the role connect", "`GRANT CONNECT ON DATABASE NAME TO ROLE` on the server."),
        RefusalKind.BUSY: (
            "takes no connection now: it is starting, or has too many",
            "Wait, or raise max_connections: the homeserver holds up to ten.",
        ),
        RefusalKind.OTHER: ("refuses the connection", "Its own log says why."),
    }
)


def url_of(config: Config) -> PostgresUrl | None:
    """Read the URL; return None when the homeserver uses SQLite. Raises :class:`SetupError`."""
    file = config.homeserver.database_url_file
    if file is None:
        return None
    try:
        return PostgresUrl.parse(read_secret(file))
    except ValueError as error:
        raise SetupError([f"{file}: {error}"]) from None


def check_engine(config: Config, layout: Layout) -> None:
    """Raise :class:`SetupError` when the data are in another database than the configured one."""
    where, file = f"{layout.config}: homeserver.database_url_file", config.homeserver.database_url_file
    is_postgres, sqlite = layout.postgres_begun.is_file(), (layout.homeserver / "homeserver.db").is_file()
    if file is None and is_postgres:
        raise SetupError([f"{where}: is missing, and the homeserver's data are in PostgreSQL; write the line back"])
    if file is not None and sqlite and not is_postgres:
        raise SetupError(
            [f"{where}: the homeserver's data are in homeserver.db, and a URL moves nothing; take the line out"]
        )


async def find_problems(
    config: Config, layout: Layout, *, running: bool, end_sessions: bool = False
) -> list[DatabaseProblem]:
    """Return the problems of the configured database; none with SQLite. Raises :class:`SetupError` as `url_of` does.

    `running`: the homeserver of this directory may be connected now. `end_sessions`: end another homeserver's connections.
    """
    url, file = url_of(config), config.homeserver.database_url_file
    if url is None or file is None:
        return []
    try:
        facts = await probe(url, APPLICATION_NAME, end_sessions=end_sessions)
    except PostgresRefused as refused:
        what, do = _REFUSALS[refused.reason]
        code = f" ({refused.code})" if refused.reason is RefusalKind.OTHER else ""
        may_pass = refused.reason in {RefusalKind.UNREACHABLE, RefusalKind.BUSY}
        return [DatabaseProblem(f"{what}{code}", do.format(file=file), may_pass=may_pass)]
    return [*_engine_problems(facts), *_content_problems(facts, layout, file, running=running)]


async def claim_database(config: Config, layout: Layout, *, take_over: bool = False) -> None:
    """Check that the homeserver can start on its database, and note that the database belongs to this directory.

    Raises :class:`SetupError` with everything that is wrong.
    """
    check_engine(config, layout)
    if (file := config.homeserver.database_url_file) is None:
        return
    deadline = asyncio.get_running_loop().time() + LEAVING_SECONDS
    while True:
        problems = [
            each for each in await find_problems(config, layout, running=False, end_sessions=take_over) if not each.warning
        ]
        if not problems:
            break
        if problems != [_in_use(file)] or asyncio.get_running_loop().time() > deadline:
            said = [f"the homeserver's PostgreSQL {each.what}. {each.do}" for each in problems]
            raise SetupError(said, may_pass=all(each.may_pass for each in problems))
        await asyncio.sleep(0.5)
    layout.postgres_begun.touch(mode=0o600)


def _engine_problems(facts: PostgresFacts) -> Iterator[DatabaseProblem]:
    if facts.version < OLDEST:
        yield DatabaseProblem(f"is version {facts.version}", f"Update it: Synapse needs {OLDEST} or newer.")
    wrong = [f"encoding is {facts.encoding}, not UTF8"] if facts.encoding != "UTF8" else []
    wrong += [f"{name} is {locale}, not C" for name, locale in _locales(facts) if locale != "C"]
    if wrong:
        yield DatabaseProblem(
            f"has a database that will not do: {'; '.join(wrong)}", f"It cannot be changed later. {MAKE}."
        )
    if not facts.can_write:
        yield DatabaseProblem("is a standby, or read-only", "Name the primary server.")
    elif not facts.can_create:
        do = "`GRANT CREATE ON SCHEMA public TO ROLE` in that database, or make the role its owner."
        yield DatabaseProblem("does not let the role make tables", do)
    if facts.recycles_log:
        do = "`wal_recycle = off` in postgresql.conf, and a reload; and no dump of this database, which would keep words."
        yield DatabaseProblem("keeps old segments of its write-ahead log under other names", do, warning=True)
    if facts.logs_values:
        settings = ", ".join(f"{name} = {value}" for name, value in LOG_SETTINGS.items())
        do = f"In postgresql.conf `{settings}`, each on a line of its own, and a reload."
        yield DatabaseProblem("writes statements into its log, with names of people in them", do, warning=True)


def _locales(facts: PostgresFacts) -> tuple[tuple[str, str], ...]:
    return ("collation", facts.collation), ("ctype", facts.ctype)


def _content_problems(facts: PostgresFacts, layout: Layout, file: Path, *, running: bool) -> Iterator[DatabaseProblem]:
    if facts.tables and not layout.postgres_begun.is_file():
        do = f"Name an empty database in {file}; where nothing in this one is needed, `dropdb` it. {MAKE}."
        yield DatabaseProblem("holds tables that are not of this directory: another line's, or of before a restore", do)
    elif not facts.tables and layout.provisioned_file.is_file():
        do = f"Is it the right one in {file}? Where it is lost, `quietline restore` makes a line from a backup."
        yield DatabaseProblem("has an empty database, and this line's homeserver has accounts", do)
    if facts.sessions and not running:
        yield _in_use(file)


def _in_use(file: Path) -> DatabaseProblem:
    do = f"Does another machine run with a copy of {file}? End it for good; `up --take-over` ends connections that it left."
    return DatabaseProblem("has a homeserver connected already", do)
