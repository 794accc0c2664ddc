"""Hand-outs: a file for each person of a real line, for their first sign-in.

Rules of this module: a first password is only in its hand-out: in no log, no backup and no `ready.json`; an existing
hand-out keeps its password. A file has the name of the account, which all staff of the line may know, and is in a directory
that only the line's owner can open.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from deploy.data_dir.atomic_files import make_private_directory, write_atomically
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
_KEYS: Final = ("homeserver", "user", "password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handout:
    """One person's sign-in data: the homeserver's URL, the user id, and the first password."""

    homeserver: str
    user: str
    password: str = field(repr=False)

    @property
    def localpart(self) -> str:
        """The localpart of the account."""
        return self.user.removeprefix("@").partition(":")[0]

    @property
    def text(self) -> str:
        """The file's three lines."""
        return f"homeserver: {self.homeserver}\nuser: {self.user}\npassword: {self.password}\n"

    @classmethod
    def make(cls, homeserver: str, user: str) -> Self:
        """Make a hand-out with a new password, of letters and digits that a person can type."""
        return cls(homeserver=homeserver, user=user, password="-".join(_group() for _ in range(5)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a hand-out. Raises :class:`SetupError` when the file is not what :func:`write` wrote."""
        try:
            pairs = [line.partition(": ")[::2] for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError):
            raise SetupError([f"{path}: cannot be read"]) from None
        if tuple(key for key, _ in pairs) != _KEYS or not all(value for _, value in pairs):
            raise SetupError([f"{path}: is not a hand-out (three lines: {', '.join(_KEYS)})"])
        return cls(**dict(pairs))


def handout_file(directory: Path, user: str) -> Path:
    """Return the path of a user id's hand-out; a slash, which an account's name may contain, is replaced."""
    return directory / f"{user.removeprefix('@').partition(':')[0].replace('/', '=2f')}.txt"


def write(directory: Path, handout: Handout) -> None:
    """Write a hand-out (mode 0600); replace one of the same account."""
    write_atomically(handout_file(make_private_directory(directory), handout.user), handout.text)


def complete(directory: Path, homeserver: str, users: Iterable[str]) -> tuple[Handout, ...]:
    """Return a hand-out for each user id, with the present URL: the existing one, or a new one.

    Raises :class:`SetupError` with all problems.
    """
    handouts, problems = [], []
    for user in users:
        handout = Handout.make(homeserver, user)
        path = handout_file(directory, user)
        try:
            old = Handout.read(path) if path.is_file() else None
        except SetupError as error:
            problems += error.problems
            continue
        if old is not None:
            handout = Handout(homeserver=homeserver, user=user, password=old.password)
        if old != handout:
            write(directory, handout)
        handouts.append(handout)
    if problems:
        raise SetupError(problems)
    return tuple(handouts)


def _group() -> str:
    # No letter or digit that looks like another one: 31 characters, 5 groups of 5 are 123 bits.
    return "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(5))
