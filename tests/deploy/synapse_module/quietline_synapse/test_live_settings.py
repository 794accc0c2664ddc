"""What a running Synapse's settings mean for a line: each that shows, keeps or holds up more than it should is told."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

TOKEN = "t" * 32
HARMLESS: dict[tuple[str, str], Any] = {
    ("registration", "enable_registration"): False,
    ("registration", "allow_guest_access"): False,
    ("server", "listeners"): [
        SimpleNamespace(http_options=SimpleNamespace(resources=[SimpleNamespace(names=["client"])])),
        SimpleNamespace(http_options=None),
    ],
    ("server", "presence_enabled"): False,
    ("push", "push_include_content"): False,
    ("server", "enable_search"): False,
    ("ratelimiting", "rc_message"): SimpleNamespace(per_second=100),
}
FEDERATES = [SimpleNamespace(http_options=SimpleNamespace(resources=[SimpleNamespace(names=["client", "federation"])]))]


class FakeInternals:
    """Synapse with these settings and this kind of database; `limited`: its registration says so."""

    def __init__(self, settings: dict[tuple[str, str], Any], *, engine: str = "sqlite", limited: bool = False) -> None:
        self._settings, self.engine, self._limited = settings, engine, limited

    def setting(self, section: str, name: str, default: Any) -> Any:
        return self._settings.get((section, name), default)

    def is_limited_service(self, token: str) -> bool:
        return self._limited and token == TOKEN


def exposing(settings: dict[tuple[str, str], Any], *, engine: str = "sqlite") -> list[str]:
    from quietline_synapse.live_settings import exposing_settings

    return exposing_settings(FakeInternals(settings, engine=engine))  # type: ignore[arg-type]


def limits(settings: dict[tuple[str, str], Any], *, limited: bool = False) -> list[str]:
    from quietline_synapse import live_settings

    return live_settings.limits(FakeInternals(settings, limited=limited), TOKEN)  # type: ignore[arg-type]


def test_a_closed_homeserver_has_nothing_to_tell() -> None:
    """Nothing is said of settings as they should be, nor of settings that this version does not have."""
    for settings in (HARMLESS, {}):
        assert exposing(settings) == []
        assert limits(settings) == []


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        (("registration", "enable_registration"), True, "enable_registration"),
        (("registration", "allow_guest_access"), True, "allow_guest_access"),
        (("server", "listeners"), FEDERATES, "listeners"),
        (("server", "presence_enabled"), True, "presence"),
        (("push", "push_include_content"), True, "push"),
        (("server", "enable_search"), True, "enable_search"),
    ],
)
def test_each_open_setting_is_told_by_its_name(setting: tuple[str, str], value: Any, named: str) -> None:
    """One sentence for each, which begins with the setting's name."""
    (sentence,) = exposing({**HARMLESS, setting: value})
    assert sentence.startswith(f"{named}: ")


def test_a_log_that_names_people_is_told() -> None:
    """Below WARNING Synapse's log has Matrix ids and rooms."""
    logging.getLogger().setLevel(logging.INFO)
    (sentence,) = exposing(HARMLESS)
    assert sentence.startswith("log_config: ")
