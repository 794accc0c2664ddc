"""How a verb ends: its exit code, its report, and its messages about unusable input.

Rules of this module: 0 is well or done, 1 not well, 2 usage, configuration or a file that cannot be used; all problems are
reported at once, each on a line of its own on standard error.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import click

from bridge.storage.errors import (
    Busy,
    Corrupt,
    DatabaseError,
    InUse,
    LeadLost,
    OutdatedSchema,
    Unavailable,
    UnsuitableServer,
    UnsupportedSchema,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import NoReturn

EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE = 0, 1, 2

DATABASE_REMEDIES: Final[Mapping[type[DatabaseError], str]] = {
    Busy: "another program writes there just now; try again, and `quietline doctor` names it (`database lock`)",
    Corrupt: "it is damaged; stop the line, and restore a backup (`quietline restore`)",
    UnsupportedSchema: "a newer version wrote it; install that version, for a database never goes back",
    OutdatedSchema: "an older version wrote it; bring it to this one first (`quietline upgrade`)",
    UnsuitableServer: "its server is not as it must be; `quietline doctor` says how (`database server`)",
    InUse: "a bridge runs on it; stop the line first",
    LeadLost: "a bridge runs on it; stop the line first",
    Unavailable: "it does not answer just now; `quietline doctor` says more",
}
"""The remedy for a database, by the class of its error; the first match counts."""


class Report(Protocol):
    """The result of a verb, for a person or for a program."""

    @property
    def ok(self) -> bool:
        """Whether all of it is well."""

    def as_json(self) -> str:
        """Return it for a program."""

    def as_text(self) -> Iterable[str]:
        """Return it for a person, line by line."""


def exit_with_report(report: Report, *, as_json: bool) -> NoReturn:
    """Print a report, and exit with 0 when it is well, otherwise 1."""
    print_lines([report.as_json()] if as_json else report.as_text())
    sys.exit(EXIT_OK if report.ok else EXIT_PROBLEMS)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on standard output. Where it takes no more, as on a full disk, exit with 2 and a sentence."""
    from deploy.data_dir.atomic_files import file_problem

    said = list(lines)
    try:
        for line in said:
            click.echo(line)
    except BrokenPipeError:
        raise  # click ends quietly where nobody reads any more
    except OSError as error:
        # What is buffered cannot be written either, and would be tried again at the end of the process.
        with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        exit_with_problems([file_problem(error, Path("standard output"))])


def print_problems(problems: Iterable[str]) -> None:
    """Print problems on standard error, each with the program's name before it."""
    for problem in problems:
        click.echo(f"quietline: {problem}", err=True)


def exit_with_problems(problems: Iterable[str]) -> NoReturn:
    """Print the problems of a directory, a configuration or a file, and exit with 2."""
    print_problems(problems)
    sys.exit(EXIT_USAGE)


@contextlib.contextmanager
def exit_on_errors() -> Iterator[None]:
    """Turn errors about a directory, a configuration or a file into printed problems, and exit with 2."""
    from deploy.data_dir.atomic_files import file_problem
    from policies import ProblemsError

    try:
        yield
    except ProblemsError as error:
        problems = error.problems
    except DatabaseError as error:
        problems = [database_problem(error)]
    except OSError as error:
        problems = [file_problem(error)]
    else:
        return
    exit_with_problems(problems)


def database_problem(error: DatabaseError) -> str:
    """Return why the line's database cannot be used, and the remedy; for an unknown error, its class and code."""
    if error.is_full:
        return "the disk is full: make room on it; the line's database was not changed"
    if error.code.startswith("SQLITE_CANTOPEN"):
        return "the line has no database that can be opened: start it once (its first start makes it), or put it back"
    remedy = next(
        (words for kind, words in DATABASE_REMEDIES.items() if isinstance(error, kind)), "`quietline doctor` says more"
    )
    return f"the line's database cannot be used ({type(error).__name__}): {remedy}"
