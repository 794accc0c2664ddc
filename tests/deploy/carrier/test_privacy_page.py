"""The page for the public follows the configuration, and says nothing that does not hold with it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.config.load import load
from bridge.config.sections import Config, MetricsSettings, OnCall
from deploy.carrier.exposure_sheet import format_duration
from deploy.carrier.privacy_page import SENTENCES, privacy_page
from deploy.cli.main import cli
from policies.load import load as load_pack
from policies.pack import Pack
from policies.yaml_file import parse_yaml
from tests.deploy.init.answers import PASSWORD, PATH_SECRET, answers, run_init

FIGURES = (
    "message_ttl",
    "idle",
    "grace",
    "continuing",
    "suppression_ttl",
    "audit_retention",
    "receipt_retention",
    "client_grace",
    "close_now_grace",
)
DAY = 86_400


@pytest.fixture
def line(tmp_path: Path) -> tuple[Config, Pack, Path]:
    """Make a line that is no rehearsal."""
    assert run_init(tmp_path, answers()).exit_code == 0
    directory = tmp_path / "line"
    config = load(directory / "config.yaml")
    return config, load_pack(config.line.packs, near=directory), directory


@pytest.mark.parametrize("name", FIGURES)
def test_each_length_of_time_is_the_packs(line: tuple[Config, Pack, Path], name: str) -> None:
    """Another value of the setting is another page."""
    config, pack, _ = line
    changed: dict[str, Any] = {name: 211 * DAY}
    settings = dataclasses.replace(pack.settings, **changed)
    page = privacy_page(config, dataclasses.replace(pack, settings=settings))
    assert format_duration(211 * DAY) in page
    assert page != privacy_page(config, pack)


def test_what_holds_only_with_a_setting_stands_there_only_with_it(line: tuple[Config, Pack, Path]) -> None:
    """A call to somebody on call, metrics, a shared homeserver, an administrator's token."""
    config, pack, directory = line
    plain = privacy_page(config, pack)
    homeserver = config.homeserver
    changed = (
        ({"metrics": MetricsSettings(listen="127.0.0.1:9464")}, "No measurement names anybody"),
        ({"homeserver": homeserver.model_copy(update={"joined": True})}, "also has other rooms"),
        ({"homeserver": homeserver.model_copy(update={"admin_token_file": directory / "x"})}, "take over an account"),
        (
            {"lines": [config.line.model_copy(update={"on_call": OnCall(webhook_file=directory / "x")})]},
            "a person on call is called",
        ),
    )
    for update, words in changed:
        assert words not in plain
        assert words in privacy_page(config.model_copy(update=update), pack)


@pytest.mark.parametrize("kind", [kind for kind in CARRIER_KINDS if kind != "rehearsal"])
def test_the_carriers_sentences_are_its_own(line: tuple[Config, Pack, Path], kind: str) -> None:
    """What it keeps stands there word for word; what a setting brings about only when it is set."""
    config, pack, _ = line
    for on in (False, True):
        settings = CARRIER_KINDS[kind].settings.model_construct(kind=kind, discard_content=on)
        exposure = CARRIER_KINDS[kind].exposure
        page = privacy_page(
            config.model_copy(update={"lines": [config.line.model_copy(update={"carrier": settings})]}), pack
        )
        assert f"carried by {exposure.carrier}." in page
        for sentence in exposure.keeps:
            assert sentence in page or "`log_privacy = True`" in sentence or not on
        carriers_part = page.partition("carries our texts keeps")[2].partition("## What the phone companies")[0]
        assert not re.search(r"\b(you|yours?)\b", carriers_part, re.IGNORECASE), "its reader is a texter"
        counted = "is one thing" if len(exposure.unconfirmed) == 1 else f"are {len(exposure.unconfirmed)} things"
        assert (counted in page) == bool(exposure.unconfirmed)
        assert ("nothing that we could have it delete" in page) == (not exposure.we_delete)
        assert ("`discard_content: true`" in page) == (on and kind == "twilio")


def test_the_page_names_nobody_and_no_secret(line: tuple[Config, Pack, Path]) -> None:
    """Neither the line's number, nor people, addresses or secrets; the verb prints it."""
    config, pack, directory = line
    page = privacy_page(config, pack)
    for word in (config.line.number, "mira", "noor", config.homeserver.server_name, PASSWORD, PATH_SECRET, str(directory)):
        assert word not in page
    result = CliRunner().invoke(cli, ["exposure", "--page", "en", "--data", str(directory)])
    assert (result.exit_code, result.stdout) == (0, page)


def test_both_languages_say_the_same(line: tuple[Config, Pack, Path]) -> None:
    """Each sentence stands in both, with the same figures; the page in Spanish has as many parts and items."""
    english, spanish = parse_yaml(SENTENCES).values()
    assert english.keys() == spanish.keys()
    for key, sentence in english.items():
        places = [sorted(re.findall(r"{(\w+)}", text)) for text in (sentence, spanish[key])]
        assert places[0] == places[1], key
        assert sentence != spanish[key]
    config, pack, directory = line
    page, theirs = privacy_page(config, pack), privacy_page(config, pack, "es")
    assert [text.count("\n## ") for text in (page, theirs)] == [6, 6]
    assert page.count("\n- ") == theirs.count("\n- ")
    figures = [sorted(re.findall(r"\d+", text)) for text in (page, theirs)]
    assert figures[0] == figures[1]
    assert " days" not in theirs
    result = CliRunner().invoke(cli, ["exposure", "--data", str(directory), "--page", "es"])
    assert (result.exit_code, result.stdout) == (0, theirs)
