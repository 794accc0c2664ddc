"""Whether the files of a line belong together, before a start: what would stop it, with the start's own error messages.

Rule of this module: it changes nothing, not even an incomplete change of `keys.db` after a crash, which the start rolls
back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.app.line_files import (
    KEPT_NAMES,
    CannotStart,
    CannotStartYet,
    check_presence,
    other_name,
)
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.storage.migrations import peek_version
from bridge.tables import desk_state, line_state
from deploy.inspect import doctor_database
from deploy.inspect.check_report import CheckResult, fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from bridge.storage.database import Snapshot

NAME: Final = "database"
NO_START: Final = "The line does not start without."


def check_files(config: Config) -> CheckResult | None:
    """Report when one of two files that need each other is missing; None when both exist, and with PostgreSQL."""
    if config.database_url is not None:  # `check_server_database` reports it
        return None
    try:
        check_presence(config.data_dir)
    except (CannotStart, CannotStartYet) as error:
        return fault(NAME, str(error), NO_START)
    return None


def check_contents(db: Snapshot, config: Config) -> Iterator[CheckResult]:
    """Compare keys and names with the database's entries about them. Raises `DatabaseError`."""
    if (version := _check_version(db, config)) is not None:
        yield version
        return
    yield doctor_database.check_keys(db, config)
    for name, (configured, _) in KEPT_NAMES.items():
        if (before := line_state.peek(db, name)) not in {None, configured(config)}:
            yield fault(NAME, other_name(name, str(before)), NO_START)


def _check_version(db: Snapshot, config: Config) -> CheckResult | None:
    """Report a database with which this version does not start; None for any other."""
    version = peek_version(db)
    if version > MAIN_SCHEMA.latest:
        return fault(NAME, "was written by a newer version of this program", "Use that version: this one would not start.")
    if version < MAIN_SCHEMA.latest and not config.line.rehearsal and desk_state.peek_exists(db):
        do = "Run `quietline upgrade`, which makes a backup first."
        return fault(NAME, "was written by an older version of this program", do)
    return None
