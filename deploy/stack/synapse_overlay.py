"""The operator's own settings for the line's homeserver: `homeserver.d/*.yaml`, read at every start.

Rule of this module: only the settings listed here may be set: what must stay closed (federation, registration, listeners,
modules, logging, retention, contents of pushes, who may sign in) cannot be opened by a file, nor by a setting of a later
Synapse. All problems of all files are reported at once, each with its key.

Settings: Synapse's configuration manual and its source, 1.163.2.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, Field, ValidationError

from bridge.runtime.settings import Section, problem_sentence
from deploy.data_dir.secret_files import SetupError
from policies.yaml_file import UNREADABLE, key_path, parse_yaml, unreadable_reason

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.data_dir.layout import Layout

NOT_OPEN: Final = "is not among the settings that may be added (deploy/docs/operator.md); what `up` writes stays as it is"
Size: TypeAlias = Annotated[str, Field(pattern=r"^[0-9]+[KMG]?$")]
Period: TypeAlias = Annotated[str, Field(pattern=r"^[0-9]+[smhd]$")]
Factor: TypeAlias = Annotated[float, Field(gt=0, le=20)]


def _own_network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("must be an address or a network, such as 192.168.10.7 or 10.1.0.0/16") from None
    if not network.is_private or network.is_loopback or network.is_link_local or network.is_unspecified:
        raise ValueError("must be of a private network, and not this machine itself: a push is a request that staff direct")
    return value


class Caches(Section):
    """Sizes of Synapse's caches."""

    global_factor: Factor | None = None
    per_cache_factors: dict[str, Factor] | None = None
    cache_entry_ttl: Period | None = None


class PasswordPolicy(Section):
    """Rules for passwords that people choose."""

    enabled: bool | None = None
    minimum_length: Annotated[int, Field(ge=1, le=100)] | None = None
    require_digit: bool | None = None
    require_symbol: bool | None = None
    require_lowercase: bool | None = None
    require_uppercase: bool | None = None


class Passwords(Section):
    """Passwords; how they are checked cannot be set."""

    policy: PasswordPolicy


class Pushes(Section):
    """When a push is sent and what its badge counts; its content cannot be set."""

    jitter_delay: Period | None = None
    group_unread_count_by_room: bool | None = None


class OwnSettings(Section):
    """All permitted settings. `ip_range_whitelist`: addresses of a push server in the agency's own network."""

    admin_contact: Annotated[str, Field(pattern=r"^mailto:[^\s@]+@[^\s@]+$")] | None = None
    caches: Caches | None = None
    event_cache_size: Size | None = None
    gc_thresholds: Annotated[list[int], Field(min_length=3, max_length=3)] | None = None
    gc_min_interval: Annotated[list[Period], Field(min_length=3, max_length=3)] | None = None
    ip_range_whitelist: list[Annotated[str, AfterValidator(_own_network)]] | None = None
    password_config: Passwords | None = None
    push: Pushes | None = None


def read_overlay(layout: Layout) -> dict[str, Any]:
    """Return the settings of all files, read in the order of their names; the last value counts. Raises `SetupError`."""
    overlay: dict[str, Any] = {}
    problems: list[str] = []
    for file in sorted(layout.homeserver_settings.glob("*.yaml")):
        _merge(overlay, _read(file, problems))
    if problems:
        raise SetupError(problems)
    return overlay


def overlay_problems(layout: Layout, *, joined: bool) -> list[str]:
    """Return the problems of these files. `joined`: the files have no effect, because the homeserver is not the line's."""
    if joined:
        return []
    try:
        read_overlay(layout)
    except SetupError as error:
        return error.problems
    return []


def with_overlay(settings: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Return the homeserver's settings with the operator's added; an added key never replaces one of ours."""
    merged = dict(settings)
    for key, value in overlay.items():
        ours = merged.get(key)
        merged[key] = {**value, **ours} if isinstance(ours, dict) else value if ours is None else ours
    return merged


def _read(file: Path, problems: list[str]) -> dict[str, Any]:
    try:
        raw = parse_yaml(file)
    except OSError as error:
        problems.append(f"{file}: cannot be read ({error.strerror})")
    except UNREADABLE as error:
        problems.append(f"{file}: {unreadable_reason(error, file)}")
    else:
        try:
            return OwnSettings.model_validate({} if raw is None else raw).model_dump(exclude_none=True)
        except ValidationError as error:
            for each in error.errors(include_input=False, include_url=False):
                key = key_path(each["loc"])
                closed = each["type"] == "extra_forbidden"
                problems.append(f"{file}: {key}: {NOT_OPEN if closed else problem_sentence(each)}")
    return {}


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
