"""The module's part of `homeserver.yaml`.

Rule of this module: the secret stays where it is, in the registration file, which nobody but Synapse may read; an unknown
key is an error, and all errors are told at once.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from synapse.module_api.errors import ConfigError

SETTING_NAMES: Final = {"registration", "policy", "upload_bytes", "full_vacuum_bytes", "accounts"}
DEFAULT_UPLOAD_BYTES: Final = 65_536
MIN_TOKEN_LENGTH: Final = 32
MXID: Final = re.compile(r"@[a-z0-9._=/+-]+:[A-Za-z0-9.:\[\]-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSettings:
    """`policy`: the policy bot's Matrix id. `ours`: what our identities' ids look like. `upload_bytes`: see `rules`.

    `accounts`: whether accounts are made and ended here (`accounts`); False where others than the line's staff have some.
    `full_vacuum_bytes`: up to which size a table of PostgreSQL is rewritten by a vacuum; 0 (the default): none is.
    """

    token: str = field(repr=False)
    policy: str
    ours: tuple[re.Pattern[str], ...]
    upload_bytes: int
    full_vacuum_bytes: int = 0
    accounts: bool = False

    @classmethod
    def read(cls, config: dict[str, Any]) -> ModuleSettings:
        """Read what stands under `config:`. Raises ConfigError with everything that is wrong."""
        problems = [f"{key}: there is no such setting" for key in sorted(map(str, config.keys() - SETTING_NAMES))]
        policy, size = config.get("policy"), config.get("upload_bytes", DEFAULT_UPLOAD_BYTES)
        if not isinstance(policy, str) or not MXID.fullmatch(policy):
            problems.append("policy: the policy bot's Matrix id is needed here, such as @policy:example.org")
        full = config.get("full_vacuum_bytes", 0)
        for name, number in (("upload_bytes", size), ("full_vacuum_bytes", full)):
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                problems.append(f"{name}: a number of bytes is needed here, 0 or more")
        accounts = config.get("accounts", False)
        if not isinstance(accounts, bool):
            problems.append("accounts: true or false is needed here")
        token, ours = _registration(config.get("registration"), problems)
        if not problems and not any(pattern.match(str(policy)) for pattern in ours):
            problems.append("policy: the registration's namespaces do not hold this id")
        if problems:
            raise ConfigError("quietline: " + "; ".join(problems))
        return cls(
            token=token,
            policy=str(policy),
            ours=ours,
            upload_bytes=int(size),
            full_vacuum_bytes=int(full),
            accounts=accounts,
        )

    def check(self, server_name: str) -> None:
        """Raise ConfigError unless the policy bot lives on this homeserver."""
        if self.policy.partition(":")[2] != server_name:
            raise ConfigError("quietline: policy: this id is not of this homeserver")

    def is_ours(self, user_id: str) -> bool:
        """Whether this is the policy bot, a line voice, or another id that our registration claims."""
        return any(pattern.match(user_id) for pattern in self.ours)


def _registration(path: Any, problems: list[str]) -> tuple[str, tuple[re.Pattern[str], ...]]:
    if not isinstance(path, str) or not path:
        problems.append("registration: the path of the bridge's registration file is needed here")
        return "", ()
    try:
        # Group may be Synapse's own, as in Debian's packages; the world never.
        if Path(path).stat().st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            problems.append("registration: others than Synapse can read or change this file; chmod it to 0600")
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"registration: the file cannot be read ({type(error).__name__})")
        return "", ()
    try:
        found: Any = yaml.safe_load(text)
        token = found["as_token"]
        ours = tuple(re.compile(user["regex"]) for user in found["namespaces"]["users"])
    except (yaml.YAMLError, re.error, KeyError, TypeError):
        # Without the error's own words: they could quote the file.
        problems.append("registration: the file is not an application service registration")
        return "", ()
    if not isinstance(token, str) or len(token) < MIN_TOKEN_LENGTH:
        problems.append(f"registration: as_token is missing or shorter than {MIN_TOKEN_LENGTH} characters")
    return str(token), ours
