"""The line's PostgreSQL before a start: everything that a start requires of it, and whether tables can be created in it.

Rule of this module: it uses the error messages of the start, so that there is one set of them; nothing is written, and no
part of the URL is shown.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bridge.app.line_files import SERVER, SERVER_REMEDIES, CannotStart, CannotStartYet, check_server
from bridge.storage.errors import DatabaseError
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.storage.postgres_probe import may_make_schema
from deploy.inspect.check_report import CheckResult, fault, well

if TYPE_CHECKING:
    from bridge.config.sections import Config

NAME: Final = "database"
SCHEMA: Final = "main"
SECONDS: Final = 5.0
DO: Final = "Put it right on the server or in the file of database.url_file: deploy/docs/operator.md has the commands."


async def check_server_database(config: Config) -> CheckResult | None:
    """Check the server; None for a line on SQLite."""
    if (server := config.database_url) is None:
        return None
    try:
        async with asyncio.timeout(SECONDS):
            await check_server(config.data_dir, server)
            may_be_used = await _may_be_used(server)
    except CannotStart as error:
        return fault(NAME, "; ".join(error.problems), DO)
    except (CannotStartYet, DatabaseError, TimeoutError) as error:
        what = str(error) if isinstance(error, CannotStartYet) else f"{SERVER} does not answer"
        return fault(NAME, what, "Start it, and ask again; `doctor` says more of one that runs.")
    if not may_be_used:
        return fault(NAME, f"{SERVER}: {SERVER_REMEDIES['42501']}", DO)
    return well(NAME, "version, encoding, order of text and rights are those that are needed")


async def _may_be_used(server: str) -> bool:
    connection = await connect(PostgresPlace(server, SCHEMA), read_only=True)
    try:
        return await may_make_schema(connection, SCHEMA)
    finally:
        connection.abort()  # an orderly close would wait for a server that does not answer
