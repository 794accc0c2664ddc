"""The errors of a database, for every engine.

Rules of this module: a class says whether a caller should try again, and a caller needs to know no more. The text is the
database's own name of the condition, such as `SQLITE_FULL`, and never a statement or a value.

Sources: sqlite.org/rescode.html; postgresql.org/docs/current/errcodes-appendix.html.
"""

from __future__ import annotations

from typing import Final

SQLITE_FULL: Final = "SQLITE_FULL"
"""The code of a full disk, whichever SQLite call failed."""
POSTGRES_FULL: Final = "53100"
"""What PostgreSQL says when its disk is full."""


class DatabaseError(Exception):
    """The database refused. `code`: its own name of the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    @property
    def is_full(self) -> bool:
        """Whether a disk is full: this machine's, or the server's."""
        return self.code == SQLITE_FULL or self.code.endswith(POSTGRES_FULL)


class Unavailable(DatabaseError):  # noqa: N818 - the name says what the database is
    """Temporary: busy, a full disk, an I/O error, not open. Nothing of the commit is kept; it may be tried again."""


class Busy(Unavailable):
    """Another process writes just now."""


class Corrupt(DatabaseError):  # noqa: N818 - the name says what the file is
    """A damaged page, or a file that is no database. Trying again does not help; a technician may."""


class ConstraintViolation(DatabaseError):  # noqa: N818 - SQL's word
    """A constraint forbids it: of uniqueness, of a foreign key, against NULL."""


class InvalidStatement(DatabaseError):  # noqa: N818 - the name says what is wrong
    """The statement or its values are wrong: a fault of this program."""


class UnsupportedSchema(DatabaseError):  # noqa: N818 - the name says what is wrong
    """The file has a schema that this program cannot use, because a newer one wrote it. Nothing was changed."""


class OutdatedSchema(DatabaseError):  # noqa: N818 - the name says what is wrong
    """An older program wrote these tables: an upgrade has to come first. Nothing was changed."""


class UnsuitableServer(DatabaseError):  # noqa: N818 - the name says what is wrong
    """The server cannot be used as it is: its encoding, its version, a password, our rights. A technician may help."""

    @property
    def is_refusal(self) -> bool:
        """Whether we or the server failed to prove identity: a password or certificate that is being replaced."""
        return self.code == "certificate" or self.code.rpartition(" ")[2].startswith("28")


class InUse(DatabaseError):  # noqa: N818 - the name says what is so
    """Another bridge runs on this database."""


class LeadLost(Unavailable):
    """Another bridge leads, or the leader is unknown: this process must not commit, send or write in rooms, and ends."""
