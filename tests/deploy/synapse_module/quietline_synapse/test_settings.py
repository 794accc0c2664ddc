"""A module that is set up wrongly, or in a Synapse it was not made for, stops Synapse with a sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy.data_dir.layout import Layout, Ports
from deploy.stack import synapse_config
from deploy.stack.provision import write_line_files
from deploy.stack.supervisor import SYNAPSE_MODULE
from tests.deploy.processes import ROOT
from tests.free_ports import free_ports

if TYPE_CHECKING:
    from synapse.module_api.errors import ConfigError

    from quietline_synapse.settings import ModuleSettings
    from quietline_synapse.synapse_internals import SynapseInternals

TOKEN = "t" * 64
REGISTRATION = {"as_token": TOKEN, "namespaces": {"users": [{"exclusive": True, "regex": "@policy:agency\\.example"}]}}
POLICY = "@policy:agency.example"
WEEK = {"retention_default_max_lifetime": 7 * 86_400_000}


def write(path: Path, what: Any = REGISTRATION, mode: int = 0o600) -> str:
    path.write_text(what if isinstance(what, str) else yaml.safe_dump(what))
    path.chmod(mode)
    return str(path)


def read(config: dict[str, Any]) -> ModuleSettings:
    from quietline_synapse.settings import ModuleSettings

    return ModuleSettings.read(config)


def refused(match: str | None = None) -> AbstractContextManager[pytest.ExceptionInfo[ConfigError]]:
    from synapse.module_api.errors import ConfigError

    return pytest.raises(ConfigError, match=match)


def load(api: Any) -> SynapseInternals:
    """Have the module look at all that it needs of a Synapse."""
    from quietline_synapse.synapse_internals import SynapseInternals, UploadStore, check_events, discard_key_backups
    from quietline_synapse.synapse_notifier import SynapseNotifier

    rooms: Any = None
    internals = SynapseInternals(api)
    SynapseNotifier(api)
    UploadStore(api)
    discard_key_backups(api, rooms)
    check_events(api, rooms)
    return internals


@pytest.fixture
def registration(tmp_path: Path) -> str:
    return write(tmp_path / "registration.yaml")


def test_what_is_right_is_read(registration: str) -> None:
    """Token and identities come from the registration; the token is in no repr."""
    settings = read({"registration": registration, "policy": POLICY})
    (line,) = settings.lines
    assert (line.token, line.policy, settings.upload_bytes) == (TOKEN, POLICY, 65_536)
    assert settings.is_ours(POLICY)
    assert not settings.is_ours("@sol:agency.example")
    assert TOKEN not in repr(settings)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, ["policy: ", "registration: "]),
        ({"polizy": "x"}, ["polizy: there is no such setting", "policy: ", "registration: "]),
        ({"policy": "policy"}, ["policy: "]),
        ({"policy": ["@policy:agency.example"]}, ["policy: "]),
        ({"policy": "@sol:agency.example"}, ["policy: the registration's namespaces do not hold this id"]),
        ({"upload_bytes": -1}, ["upload_bytes: "]),
        ({"upload_bytes": True}, ["upload_bytes: "]),
        ({"upload_bytes": "64K"}, ["upload_bytes: "]),
        ({"registration": 7}, ["registration: the path"]),
        ({"registration": "/nowhere/at/all"}, ["registration: the file cannot be read"]),
    ],
)
def test_all_that_is_wrong_is_told_at_once(registration: str, config: dict[str, Any], words: list[str]) -> None:
    """Every problem is a sentence that begins with its key."""
    whole = {"registration": registration, "policy": POLICY} if len(words) == 1 else {}
    with refused() as caught:
        read({**whole, **config})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def claimed(path: Path, slug: str, token: str = "", sender: str = "", *more: str) -> dict[str, str]:
    """Write a registration as `init` does for a line of several, and return the line's part of the settings."""
    ids = [rf"@policy-{slug}:agency\.example", rf"@line-{slug}:agency\.example", *more]
    users = [{"exclusive": True, "regex": each} for each in ids]
    sender = sender or f"quietline-{slug}"
    content = {"as_token": token or slug[0] * 64, "sender_localpart": sender, "namespaces": {"users": users}}
    return {"registration": write(path / f"{slug}.yaml", content), "policy": f"@policy-{slug}:agency.example"}


def test_several_lines_each_have_their_own(tmp_path: Path, registration: str) -> None:
    """Token, policy bot and identities are a line's own; the line that stands above the list alone has accounts."""
    north, south = claimed(tmp_path, "north"), claimed(tmp_path, "south")
    settings = read({"registration": registration, "policy": POLICY, "accounts": True, "lines": [north, south]})
    assert [line.policy for line in settings.lines] == [POLICY, north["policy"], south["policy"]]
    assert [line.accounts for line in settings.lines] == [True, False, False]
    south_line = settings.line_of_token(b"s" * 64)
    assert south_line is not None
    assert south_line.policy == south["policy"]
    assert settings.line_of_token(b"x" * 64) is None
    assert settings.line_of_bot(north["policy"]) is settings.lines[1]
    assert settings.line_of_bot("@line-north:agency.example") is None
    assert south_line.is_ours("@line-south:agency.example")
    assert not south_line.is_ours("@line-north:agency.example")
    assert settings.is_ours("@line-north:agency.example")
    assert [line.policy for line in read({"lines": [north, south]}).lines] == [
        north["policy"],
        south["policy"],
    ]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (("north", "s" * 64, "other"), "@policy-north:agency.example is there twice"),
        (("south", "n" * 64, ""), "have one as_token"),
        (("south", "", "quietline-north"), "have one sender_localpart"),
        (("south", "", "", r"@line-north:agency\.example"), "@line-north:agency.example is claimed by two lines"),
        (("south", "", "", r"@line-north:agency\.example$"), "@line-north:agency.example is claimed by two lines"),
        (("south", "", "", r"@line-.*:agency\.example"), "written out; @policy-south:agency.example claims @line-.*"),
        (("south", "", "", r"@line-north:agency.example"), "written out"),
        (("south", "", "", r"@line-(north):agency\.example"), "written out"),
        (("south", "", "", r"@line-north?:agency\.example"), "written out"),
        (("south", "", "", r"@line-n+orth:agency\.example"), "written out"),
        (("south", "", "", r"@line-north"), "written out"),
    ],
)
def test_lines_that_could_act_as_one_another(tmp_path: Path, second: tuple[str, ...], words: str) -> None:
    """Synapse does not start with two lines that have a bot, a token, a sender or an identity in common, or may have."""
    (tmp_path / "other").mkdir()
    lines = [claimed(tmp_path, "north"), claimed(tmp_path / "other", *second)]
    with refused() as caught:
        read({"lines": lines})
    assert words in str(caught.value)
    assert "n" * 64 not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620])
def test_a_registration_that_others_can_read(tmp_path: Path, mode: int) -> None:
    """The token in it is all power over the line: the world must not read it, nor the group write it."""
    path = write(tmp_path / "registration.yaml", mode=mode)
    with refused("chmod"):
        read({"registration": path, "policy": POLICY})


def strange() -> Any:
    """Stand in for the module API of a Synapse that has almost everything."""

    def takes(*names: str) -> Any:
        return eval(f"lambda {', '.join(names)}: None")  # noqa: S307 - names from this file

    handler = SimpleNamespace(upload_room_keys=takes("user_id", "version", "room_keys"))
    paths = SimpleNamespace(local_media_filepath=takes("media_id"), local_media_thumbnail_dir=takes("media_id"))
    repository = SimpleNamespace(filepaths=paths, delete_local_media_ids=takes("media_ids"))
    pool = SimpleNamespace(runWithConnection=takes("func", "db_autocommit"), engine=None)
    database = SimpleNamespace(
        get_event=takes("event_id", "allow_rejected", "allow_none"),
        _invalidate_local_get_event_cache=takes("event_id"),
        get_user_by_id=takes("user_id"),
        get_users_by_id_case_insensitive=takes("user_id"),
        get_pushers_by_user_id=takes("user_id"),
        get_app_service_by_token=takes("token"),
        get_room_max_stream_ordering=takes(),
        db_pool=pool,
    )
    devices = SimpleNamespace(get_devices_by_user=takes("user_id"), delete_all_devices_for_user=takes("user_id"))
    auth = SimpleNamespace(
        delete_access_tokens_for_user=takes("user_id"),
        hash=takes("password"),
        validate_hash=takes("password", "stored_hash"),
    )
    registration = SimpleNamespace(
        check_username=takes("localpart"), register_user=takes("localpart", "password_hash", "by_admin")
    )
    passwords = SimpleNamespace(set_password=takes("user_id", "password_hash", "logout_devices"))
    deactivation = SimpleNamespace(deactivate_account=takes("user_id", "erase_data", "requester", "by_admin"))
    events = SimpleNamespace(check_event_allowed=takes("event", "context"))
    notifier = SimpleNamespace(
        on_new_room_events=takes("events_and_pos", "max_room_stream_token", "extra_users"),
        on_new_event=takes("stream_key", "new_token", "users", "rooms"),
    )
    stores = SimpleNamespace(main=database, databases=[None])
    internals = SimpleNamespace(
        get_module_api_callbacks=lambda: SimpleNamespace(third_party_event_rules=events),
        get_datastores=lambda: stores,
        get_media_repository=lambda: repository,
        get_device_handler=lambda: devices,
        get_auth_handler=lambda: auth,
        get_registration_handler=lambda: registration,
        get_set_password_handler=lambda: passwords,
        get_deactivate_account_handler=lambda: deactivation,
        get_e2e_room_keys_handler=lambda: handler,
        get_notifier=lambda: notifier,
        get_reactor=lambda: None,
        config=SimpleNamespace(redis=SimpleNamespace(redis_enabled=False)),
    )
    return SimpleNamespace(_hs=internals)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("api", "_hs"),
        ("api._hs", "get_media_repository"),
        ("api._hs", "get_device_handler"),
        ("api._hs", "get_e2e_room_keys_handler"),
        ("api._hs", "get_registration_handler"),
        ("api._hs.get_registration_handler()", "register_user"),
        ("api._hs.get_set_password_handler()", "set_password"),
        ("api._hs.get_deactivate_account_handler()", "deactivate_account"),
        ("api._hs.get_auth_handler()", "hash"),
        ("api._hs.get_datastores().main", "get_user_by_id"),
        ("api._hs", "get_module_api_callbacks"),
        ("api._hs.get_module_api_callbacks().third_party_event_rules", "check_event_allowed"),
        ("api._hs.get_datastores().main", "get_event"),
        ("api._hs.get_datastores().main", "_invalidate_local_get_event_cache"),
        ("api._hs.get_datastores().main.db_pool", "runWithConnection"),
        ("api._hs.get_media_repository()", "delete_local_media_ids"),
        ("api._hs.get_auth_handler()", "delete_access_tokens_for_user"),
        ("api._hs.get_auth_handler()", "validate_hash"),
        ("api._hs.get_datastores().main", "get_users_by_id_case_insensitive"),
        ("api._hs.get_datastores().main", "get_pushers_by_user_id"),
        ("api._hs.get_datastores().main", "get_app_service_by_token"),
        ("api._hs.get_e2e_room_keys_handler()", "upload_room_keys"),
        ("api._hs.get_notifier()", "on_new_room_events"),
        ("api._hs.get_notifier()", "on_new_event"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "changed"])
def test_a_part_that_is_not_there(owner: str, name: str, how: str) -> None:
    """A private part that is missing, or takes other arguments, is named, with what to do instead."""
    load(strange())
    api = strange()
    place = eval(owner, {"api": api})  # noqa: S307 - names from this file
    if how == "missing" or name.startswith(("get_m", "get_d", "get_e2e", "get_registration", "_hs")):
        delattr(place, name)
    else:
        setattr(place, name, lambda _something_else: None)

    with refused(f"this Synapse has no `{name}`"):
        load(api)


def internals_with(**sections: Any) -> SynapseInternals:
    api = strange()
    api._hs.config = SimpleNamespace(redis=SimpleNamespace(redis_enabled=False), **sections)
    return load(api)


@pytest.mark.parametrize(
    ("section", "values", "sentence"),
    [
        ("server", {"redaction_retention_period": None}, "redaction_retention_period: it must not be null"),
        ("experimental", {"msc4222_enabled": False}, "experimental_features: without msc4222_enabled"),
        ("mas", {"enabled": True}, "matrix_authentication_service: !signout ends devices here"),
        ("retention", WEEK | {"retention_enabled": True}, "retention: default_policy deletes words 168 hours old"),
        ("media", {"media_retention_local_media_lifetime_ms": 1}, "media_retention: local_media_lifetime deletes"),
        ("experimental", {"msc3861": SimpleNamespace(enabled=True)}, "matrix_authentication_service: !signout ends"),
    ],
)
def test_what_the_module_cannot_vouch_for_is_a_problem(section: str, values: dict[str, Any], sentence: str) -> None:
    """Words kept for ever, or deleted unread, memberships that are over, sessions of a login service: each is told."""
    (problem,) = internals_with(**{section: SimpleNamespace(**values)}).problems
    assert problem.startswith(sentence)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (
            {"registration": "/nowhere/at/all", "polizy": "x"},
            ["registration: the file cannot be read", "polizy: there is no such setting"],
        ),
        ({"policy": "@policy:elsewhere.example"}, ["policy: this id is not of this homeserver"]),
    ],
    ids=["when it reads the settings", "when it makes the module"],
)
def test_synapse_stops_and_says_why(tmp_path: Path, change: dict[str, Any], sentences: list[str]) -> None:
    """The homeserver does not come up without the module's rules: it ends, and the sentences are in what it prints."""
    layout, ports = Layout(tmp_path / "line"), Ports(free_ports())
    write_line_files(layout, ports)
    path = layout.homeserver_config
    config = yaml.safe_load(path.read_text())
    config["modules"][0]["config"].update(change)
    if "policy" in change:
        other = Path(config["app_service_config_files"][0]).with_name("other.yaml")
        users = [{"exclusive": True, "regex": "@policy:elsewhere.example"}]
        config["modules"][0]["config"]["registration"] = write(other, {"as_token": TOKEN, "namespaces": {"users": users}})
    path.write_text(yaml.safe_dump(config))
    module, *arguments = synapse_config.command(layout)
    process = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / SYNAPSE_MODULE}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert process.returncode != 0
    assert [each for each in sentences if each not in process.stderr + process.stdout] == []
    shutil.rmtree(layout.data)
