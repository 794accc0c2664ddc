"""The module's part of `homeserver.yaml`: the lines of this homeserver, and the settings that all of them share.

Rules of this module: the secret stays in the registration file, which only Synapse may read; an unknown key is an error,
and all errors are reported at once. Each of several lines claims its own identities, written out, and no other's: when two
lines claim the same identity, Synapse does not start.
"""

from __future__ import annotations

import hmac
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import yaml
from synapse.module_api.errors import ConfigError

SETTING_NAMES: Final = {"registration", "policy", "lines", "upload_bytes", "full_vacuum_bytes", "accounts"}
LINE_SETTING_NAMES: Final = {"registration", "policy"}
"""Keys of an entry of `lines`: only the line beside `lines` can have `accounts`."""
DEFAULT_UPLOAD_BYTES: Final = 65_536
MIN_TOKEN_LENGTH: Final = 32
MXID: Final = re.compile(r"@[a-z0-9._=/+-]+:[A-Za-z0-9.:\[\]-]+")
WRITTEN_OUT: Final = re.compile(r"@(?:[a-z0-9_=/-]|\\[.+-])+:(?:[A-Za-z0-9:-]|\\[.\[\]-])+\$?")
"""A regular expression that matches one Matrix id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """One line. `policy`: its policy bot's user id. `identities`: patterns of its identities' user ids.

    `sender`: the localpart of its application service's own user. `accounts`: whether its token makes and deactivates
    accounts (`accounts`); False when people other than the line's staff have accounts.
    """

    token: str = field(repr=False)
    policy: str
    identities: tuple[re.Pattern[str], ...]
    sender: str = ""
    accounts: bool = False

    def is_ours(self, user_id: str) -> bool:
        """Whether this is the line's policy bot, its texter puppet, or another id that its registration claims."""
        return any(pattern.match(user_id) for pattern in self.identities)

    @property
    def names(self) -> list[str]:
        """The user ids that its registration claims, without those that it claims by a pattern."""
        return sorted(_claimed_ids(pattern for pattern in self.identities if WRITTEN_OUT.fullmatch(pattern.pattern)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSettings:
    """`upload_bytes`: see `rules`. `full_vacuum_bytes`: a vacuum rewrites tables of PostgreSQL up to this size.

    0 (the default): it rewrites none.
    """

    lines: tuple[LineSettings, ...]
    upload_bytes: int
    full_vacuum_bytes: int = 0

    @classmethod
    def read(cls, config: dict[str, Any]) -> ModuleSettings:
        """Read the content of `config:`. Raises ConfigError with all problems."""
        problems = _unknown_settings(config, SETTING_NAMES)
        size, full = config.get("upload_bytes", DEFAULT_UPLOAD_BYTES), config.get("full_vacuum_bytes", 0)
        for name, number in (("upload_bytes", size), ("full_vacuum_bytes", full)):
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                problems.append(f"{name}: a number of bytes is needed here, 0 or more")
        accounts = config.get("accounts", False)
        if not isinstance(accounts, bool):
            problems.append("accounts: true or false is needed here")
        more = config.get("lines", [])
        if not isinstance(more, list) or not all(isinstance(each, dict) for each in more):
            problems.append("lines: a list is needed here, each with `registration` and `policy`")
            more = []
        lines = []
        if not more or LINE_SETTING_NAMES & config.keys():
            lines.append(_read_line(config, problems, accounts=accounts))
        elif accounts:
            problems.append("accounts: is for the line whose registration and policy stand beside it")
        for number, each in enumerate(more):
            line_problems = _unknown_settings(each, LINE_SETTING_NAMES)
            lines.append(_read_line(each, line_problems))
            problems += [f"lines.{number}.{problem}" for problem in line_problems]
        if not problems:
            problems = _conflicts(lines)
        if problems:
            raise ConfigError("quietline: " + "; ".join(problems))
        return cls(lines=tuple(lines), upload_bytes=int(size), full_vacuum_bytes=int(full))

    def check(self, server_name: str) -> None:
        """Raise ConfigError unless every policy bot's user id is of this homeserver."""
        if any(line.policy.partition(":")[2] != server_name for line in self.lines):
            raise ConfigError("quietline: policy: this id is not of this homeserver")

    def is_ours(self, user_id: str) -> bool:
        """Whether this is an identity of any line."""
        return any(line.is_ours(user_id) for line in self.lines)

    def line_of_bot(self, user_id: str) -> LineSettings | None:
        """Return the line whose policy bot this is, or None."""
        return next((line for line in self.lines if line.policy == user_id), None)

    def line_of_token(self, token: bytes) -> LineSettings | None:
        """Return the line whose token this is, or None. Compares with every token, each in constant time."""
        same = [line for line in self.lines if hmac.compare_digest(token, line.token.encode())]
        return same[0] if same else None


def _unknown_settings(config: dict[str, Any], known: set[str]) -> list[str]:
    return [f"{key}: there is no such setting" for key in sorted(map(str, config.keys() - known))]


def _read_line(config: dict[str, Any], problems: list[str], *, accounts: bool = False) -> LineSettings:
    policy = config.get("policy")
    if not isinstance(policy, str) or not MXID.fullmatch(policy):
        problems.append("policy: the policy bot's Matrix id is needed here, such as @policy:example.org")
    token, identities, sender = _read_registration(config.get("registration"), problems)
    if not problems and not any(pattern.match(str(policy)) for pattern in identities):
        problems.append("policy: the registration's namespaces do not hold this id")
    return LineSettings(token=token, policy=str(policy), identities=identities, sender=sender, accounts=accounts is True)


def _conflicts(lines: Sequence[LineSettings]) -> list[str]:
    """Report what two lines have, or may have, in common; nothing for one line."""
    if len(lines) < 2:
        return []
    problems = [
        f"registration: of several lines each claims its own identities, written out; {line.policy} claims "
        f"{', '.join(wide)}: write @line- with the line's own name in place of a pattern"
        for line in lines
        if (wide := [pattern.pattern for pattern in line.identities if not WRITTEN_OUT.fullmatch(pattern.pattern)])
    ]
    for one, other in combinations(lines, 2):
        if one.policy == other.policy:
            problems.append(f"policy: {one.policy} is there twice; each line has a policy bot of its own")
        elif common := _claimed_ids(one.identities) & _claimed_ids(other.identities):
            problems.append(f"registration: {', '.join(sorted(common))} is claimed by two lines")
        if hmac.compare_digest(one.token.encode(), other.token.encode()):
            problems.append(f"registration: {one.policy} and {other.policy} have one as_token; each line has its own")
        if one.sender == other.sender:
            problems.append(f"registration: {one.policy} and {other.policy} have one sender_localpart")
    return problems


def _claimed_ids(identities: Iterable[re.Pattern[str]]) -> set[str]:
    return {pattern.pattern.replace("\\", "").removesuffix("$") for pattern in identities}


def _read_registration(path: Any, problems: list[str]) -> tuple[str, tuple[re.Pattern[str], ...], str]:
    if not isinstance(path, str) or not path:
        problems.append("registration: the path of the bridge's registration file is needed here")
        return "", (), ""
    try:
        # The group may be Synapse's own, as in Debian's packages; others may never read it.
        if Path(path).stat().st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            problems.append("registration: others than Synapse can read or change this file; chmod it to 0600")
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"registration: the file cannot be read ({type(error).__name__})")
        return "", (), ""
    try:
        registration: Any = yaml.safe_load(text)
        token = registration["as_token"]
        identities = tuple(re.compile(user["regex"]) for user in registration["namespaces"]["users"])
    except (yaml.YAMLError, re.error, KeyError, TypeError):
        # Without the error's text, which could quote the file.
        problems.append("registration: the file is not an application service registration")
        return "", (), ""
    if not isinstance(token, str) or len(token) < MIN_TOKEN_LENGTH:
        problems.append(f"registration: as_token is missing or shorter than {MIN_TOKEN_LENGTH} characters")
    return str(token), identities, str(registration.get("sender_localpart", ""))
