"""The settings of the rehearsal carrier.

Rule of this module: a wrong or missing setting stops the start, and all problems are reported at once, each by its key; a
value is never printed, and a secret that others can read is refused.
"""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yarl import URL

from bridge.runtime.phone_number import E164_PATTERN
from policies import ProblemsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = {"host": str, "port": int, "number": str, "token_file": str, "signing_key_file": str, "webhook_base": str}
_STORE_KEYS = {"store": str, "store_key_file": str}
"""Both or neither: the file that keeps texts over a restart, and the key that seals them, 32 bytes in hex."""
STORE_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations in seconds. Only tests use shorter ones."""

    give_up: float = 120.0
    """How long one webhook is tried."""
    first_retry: float = 0.2
    longest_retry: float = 5.0
    answer: float = 10.0
    """The time-out of one request to the receiver of a webhook."""
    partner: float = 2.0
    """How long a text waits for the one that is to overtake it."""
    delivery: float = 0.075
    """From `sent` to `delivered`."""
    hang: float = 35.0
    """How long a send hangs under a `timeout` fault when the client does not give up first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings. With port 0 the system chooses one. Webhooks go to `webhook_base` + `/inbound` and `/status`.

    `store`: the file that keeps texts over a restart; None: texts are lost when the process ends.
    """

    host: str
    port: int
    number: str = field(repr=False)
    token: str = field(repr=False)
    signing_key: str = field(repr=False)
    webhook_base: str
    timing: Timing = field(default_factory=Timing)
    store: Path | None = None
    store_key: bytes = field(default=b"", repr=False)


def load(path: Path) -> Settings:
    """Read the JSON file `{"host","port","number","token_file","signing_key_file","webhook_base"}`.

    With `"store","store_key_file"` texts are kept over a restart.

    Raises :class:`ProblemsError` with all problems.
    """
    try:
        raw: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise ProblemsError([f"{path}: cannot be read ({error.strerror})"]) from None
    except ValueError:
        raise ProblemsError([f"{path}: is not JSON"]) from None
    if not isinstance(raw, dict):
        raise ProblemsError([f"{path}: is not a JSON object"])
    problems = [f"{key}: not a setting" for key in raw if key not in _KEYS and key not in _STORE_KEYS]
    problems += [f"{key}: missing, or not of type {type_.__name__}" for key, type_ in _KEYS.items() if not _is(raw, key)]
    if _is(raw, "number") and not E164_PATTERN.fullmatch(raw["number"]):
        problems.append("number: not E.164")
    if _is(raw, "port") and not 0 <= raw["port"] <= 65535:
        problems.append("port: not between 0 and 65535")
    if _is(raw, "webhook_base") and not _is_http(raw["webhook_base"]):
        problems.append("webhook_base: not an http or https URL without query")
    token = _secret(raw, "token_file", problems)
    signing_key = _secret(raw, "signing_key_file", problems)
    store, store_key = _store(raw, problems)
    if problems:
        raise ProblemsError([f"{path}: {problem}" for problem in problems])
    return Settings(
        host=raw["host"],
        port=raw["port"],
        number=raw["number"],
        token=token,
        signing_key=signing_key,
        webhook_base=raw["webhook_base"].rstrip("/"),
        store=store,
        store_key=store_key,
    )


def _store(raw: Mapping[str, Any], problems: list[str]) -> tuple[Path | None, bytes]:
    keys = [key for key in _STORE_KEYS if key in raw]
    if not keys:
        return None, b""
    if wrong := [key for key in _STORE_KEYS if not isinstance(raw.get(key), str)]:
        problems += [f"{key}: missing, or not of type str; store and store_key_file go together" for key in wrong]
        return None, b""
    hexadecimal = _secret(raw, "store_key_file", problems)
    try:
        key = bytes.fromhex(hexadecimal)
    except ValueError:
        key = b""
    if hexadecimal and len(key) != STORE_KEY_BYTES:
        problems.append(f"store_key_file: not {STORE_KEY_BYTES} bytes in hex")
    return Path(raw["store"]), key


def _is(raw: Mapping[str, Any], key: str) -> bool:
    value = raw.get(key)
    return isinstance(value, _KEYS[key]) and not isinstance(value, bool)


def _is_http(value: str) -> bool:
    try:
        url = URL(value, encoded=True)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.host) and "?" not in value and "#" not in value


def _secret(raw: Mapping[str, Any], key: str, problems: list[str]) -> str:
    if not isinstance(raw.get(key), str):
        return ""
    file = Path(raw[key])
    try:
        mode, secret = file.stat().st_mode, file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        problems.append(f"{key}: the file cannot be read")
        return ""
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        problems.append(f"{key}: the file must be readable by its owner only (chmod 600)")
    if not secret:
        problems.append(f"{key}: the file is empty")
    return secret
