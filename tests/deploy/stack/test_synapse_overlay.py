"""Settings of the operator's own for the homeserver: what may be set, and that nothing else can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.data_dir.layout import Layout, Ports
from deploy.data_dir.secret_files import Secrets, SetupError
from deploy.stack.synapse_config import Site, settings
from deploy.stack.synapse_overlay import OwnSettings, read_overlay, with_overlay

ALL: dict[str, Any] = {
    "admin_contact": "mailto:it@agency.org",
    "caches": {"global_factor": 2.0, "per_cache_factors": {"get_users": 4.0}, "cache_entry_ttl": "10m"},
    "event_cache_size": "20K",
    "gc_thresholds": [500, 5, 5],
    "gc_min_interval": ["1s", "10s", "30s"],
    "ip_range_whitelist": ["192.168.10.7", "10.1.0.0/16"],
    "password_config": {"policy": {"enabled": True, "minimum_length": 12, "require_digit": True}},
    "push": {"jitter_delay": "5s", "group_unread_count_by_room": False},
}
"""A value for every key that may be set."""


def write(layout: Layout, name: str, content: object) -> Layout:
    layout.homeserver_settings.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    (layout.homeserver_settings / name).write_text(text)
    return layout


def ours(tmp_path: Path) -> dict[str, Any]:
    """Return what the line itself sets."""
    secrets = Secrets(directory=tmp_path / "secrets")
    return settings(Layout(tmp_path), Ports(20000), secrets, Site(identities=("policy", "line-main")))


def test_every_key_of_the_list_can_be_set(tmp_path: Path) -> None:
    """And comes beside what the line sets; a key of ours holds, within one that is set as well."""
    assert ALL.keys() == OwnSettings.model_fields.keys()
    merged = with_overlay(ours(tmp_path), read_overlay(write(Layout(tmp_path), "all.yaml", ALL)))
    assert {key: merged[key] for key in ALL.keys() - {"push"}} == {key: ALL[key] for key in ALL.keys() - {"push"}}
    assert merged["push"] == {**ALL["push"], "enabled": True, "include_content": False}
    assert {key: value for key, value in merged.items() if key not in ALL} == {
        key: value for key, value in ours(tmp_path).items() if key not in ALL
    }


def test_nothing_that_the_line_sets_can_be_set(tmp_path: Path) -> None:
    """Whichever of its settings stands in a file is refused by its name; so the list can never take one over."""
    for key, value in ours(tmp_path).items():
        setting = {"include_content": True} if key == "push" else value
        with pytest.raises(SetupError, match=f"{key}.*is not among the settings"):
            read_overlay(write(Layout(tmp_path), "one.yaml", {key: setting}))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"modules": []}, "modules: is not among"),
        ({"listeners": [{"port": 8008}]}, "listeners: is not among"),
        ({"oidc_providers": []}, "oidc_providers: is not among"),
        ({"delete_stale_devices_after": "1d"}, "delete_stale_devices_after: is not among"),
        ({"password_config": {"policy": {}, "enabled": False}}, "password_config.enabled: is not among"),
        ({"ip_range_whitelist": ["127.0.0.1"]}, "ip_range_whitelist.0: must be of a private network"),
        ({"ip_range_whitelist": ["169.254.169.254"]}, "ip_range_whitelist.0: must be of a private network"),
        ({"ip_range_whitelist": ["0.0.0.0/0"]}, "ip_range_whitelist.0: must be of a private network"),
        ({"ip_range_whitelist": ["push"]}, "ip_range_whitelist.0: must be an address or a network"),
        ({"gc_thresholds": [1, 2]}, "gc_thresholds: "),
        ({"caches": {"global_factor": 0}}, "caches.global_factor: "),
        ({"event_cache_size": "lots"}, "event_cache_size: must have the form"),
        ("a: [}", "line 1: is not YAML"),
        (
            "caches: {}\ncaches: {}",
            "line 2: the key caches is there twice; take one out",
        ),
        ("- a", "the whole file: "),
    ],
)
def test_what_is_refused_is_named(tmp_path: Path, content: object, says: str) -> None:
    """With the file and the key."""
    with pytest.raises(SetupError) as refused:
        read_overlay(write(Layout(tmp_path), "mine.yaml", content))
    assert [f"{tmp_path}/homeserver.d/mine.yaml: {says}" in problem for problem in refused.value.problems] == [True]
