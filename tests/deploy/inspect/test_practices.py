"""`quietline practices`: 41 rows, honest for the configuration they are asked about."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.config.load import load
from bridge.config.sections import Config, OnCall
from deploy.cli.main import cli
from deploy.data_dir.layout import Layout, Ports
from deploy.inspect.practice_downgrades import PracticeStatus
from deploy.inspect.practices import (
    PracticeResult,
    all_met,
    evaluate,
)
from deploy.stack.provision import write_line_files
from policies.load import load as load_pack
from policies.pack import Pack, TextName


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a rehearsal line's directory, which no test changes."""
    directory = tmp_path_factory.mktemp("line")
    write_line_files(Layout(directory), Ports(20_000))
    return directory


@pytest.fixture(scope="module")
def line(place: Path) -> tuple[Config, Pack]:
    """Read its configuration and pack."""
    config = load(place / "config.yaml")
    return config, load_pack(config.line.packs, near=place)


def standings(line: tuple[Config, Pack]) -> dict[int, PracticeStatus]:
    return {verdict.number: verdict.standing for verdict in evaluate(*line)}


def test_the_configuration_is_looked_at(line: tuple[Config, Pack]) -> None:
    """Unreviewed limits, example hours, nobody on call, a handset in the path, texting first: each lowers its row."""
    config, pack = line
    statuses = standings(line)
    assert (statuses[26], statuses[30]) == (PracticeStatus.NOT_MET, PracticeStatus.POLICY)
    assert statuses[15] is PracticeStatus.MET
    first = replace(pack, settings=replace(pack.settings, cold_outbound=True))
    assert standings((config, first))[15] is PracticeStatus.STAFF
    handset = config.line.carrier.model_copy(update={"kind": "smsgate"})
    with_handset = config.model_copy(update={"lines": [config.line.model_copy(update={"carrier": handset})]})
    assert standings((with_handset, pack))[3] is PracticeStatus.POLICY
    assert not all_met(evaluate(*line))


def ready(pack: Pack) -> Pack:
    """Return the pack as an agency has it that did everything: its own words, reviewed, and its own hours."""
    texts = {
        name: replace(
            text,
            wordings={
                language: replace(
                    wording,
                    text=wording.text.replace("555-555-0123", "212-664-7665"),
                    reviewed_by="counsel",
                    reviewed_on=date(2027, 1, 1),
                    sample=False,
                )
                for language, wording in text.wordings.items()
            },
        )
        for name, text in pack.texts.items()
    }
    return replace(pack, texts=texts, hours=replace(pack.hours, sample=False), leak_words=frozenset({"harborlight"}))


def changed(pack: Pack, name: TextName, **changes: object) -> Pack:
    """Return the pack with every wording of a text changed."""
    text = pack.texts[name]
    words = {language: replace(wording, **changes) for language, wording in text.wordings.items()}  # type: ignore[arg-type]
    return replace(pack, texts={**pack.texts, name: replace(text, wordings=words)})


def with_settings(pack: Pack, **settings: int) -> Pack:
    return replace(pack, settings=replace(pack.settings, **settings))  # type: ignore[arg-type]


def row(config: Config | None, pack: Pack, number: int) -> PracticeResult:
    return next(result for result in evaluate(config, pack) if result.number == number)


def on_call(config: Config) -> Config:
    called = OnCall(webhook_file=Path("hook"))
    return config.model_copy(update={"lines": [config.line.model_copy(update={"on_call": called})]})


def test_a_line_that_is_ready_meets_all_but_one(line: tuple[Config, Pack]) -> None:
    """With reviewed words of its own, its hours, the agency's words and a person on call, nothing is left to doubt."""
    config, pack = line
    results = evaluate(on_call(config), ready(pack))
    assert [(result.number, result.why) for result in results if result.why] == []
    assert all_met(results)


HOUR = 3_600
SAMPLE: dict[str, object] = {"sample": True}
LONG: dict[str, object] = {"text": "Please be so kind as to extend considerable communicative patience. " * 4}
POLICY, STAFF, NOT_MET = PracticeStatus.POLICY, PracticeStatus.STAFF, PracticeStatus.NOT_MET


@pytest.mark.parametrize(
    ("number", "change", "standing", "why"),
    [
        (2, lambda p: changed(p, TextName.OPTIONS, **SAMPLE), NOT_MET, "options.en"),
        (9, lambda p: changed(p, TextName.COVER_2, **SAMPLE), NOT_MET, "cover_2.en"),
        (9, lambda p: changed(p, TextName.DIFFERENT, text="This is the crisis line."), NOT_MET, "crisis"),
        (9, lambda p: replace(p, signs={}), POLICY, "other_hands"),
        (10, lambda p: changed(p, TextName.CHALLENGE, **SAMPLE), NOT_MET, "challenge.en"),
        (10, lambda p: changed(p, TextName.UNVERIFIED, text="That was not it."), NOT_MET, "unverified.en differs"),
        (11, lambda p: changed(p, TextName.SAFE_CHECK, **SAMPLE), NOT_MET, "safe_check.en"),
        (12, lambda p: changed(p, TextName.SWITCH, **SAMPLE), NOT_MET, "switch.en"),
        (12, lambda p: replace(p, keywords=replace(p.keywords, exit={})), NOT_MET, "keywords.exit"),
        (12, lambda p: replace(p, languages=("en", "pl")), POLICY, "(leaving) in pl"),
        (12, lambda p: with_settings(p, hold_after_silence=24 * HOUR), NOT_MET, "settings.hold_after_silence"),
        (20, lambda p: changed(p, TextName.PICTURE, **SAMPLE), NOT_MET, "picture.en"),
        (24, lambda p: replace(p, leak_words=frozenset()), POLICY, "leak_words is empty"),
        (25, lambda p: changed(p, TextName.OPTIONS, **SAMPLE), NOT_MET, "options.en"),
        (25, lambda p: replace(p, languages=("en",)), POLICY, "no Spanish wording"),
        (26, lambda p: changed(p, TextName.RIGHTS, reviewed_by=None), NOT_MET, "nobody reviewed rights.en, rights.es"),
        (28, lambda p: changed(p, TextName.GREETING, **LONG), STAFF, "greeting.en 2 segments"),
        (28, lambda p: replace(p, languages=("en",)), STAFF, "no Spanish wording"),
        (29, lambda p: replace(p, hours=replace(p.hours, sample=True)), NOT_MET, "opening hours"),
        (29, lambda p: changed(p, TextName.UNAVAILABLE, **SAMPLE), NOT_MET, "unavailable.en"),
        (29, lambda p: changed(p, TextName.GREETING, text="Hi, somebody answers within 15 min."), NOT_MET, "greeting.en"),
        (30, lambda p: with_settings(p, unclaimed_on_call=24 * HOUR), POLICY, "settings.unclaimed_on_call"),
        (30, lambda p: with_settings(p, unclaimed_again=24 * HOUR), POLICY, "settings.unclaimed_again"),
        (31, lambda p: changed(p, TextName.URGENT, text="Call 555-555-0123."), NOT_MET, "urgent.en"),
        (39, lambda p: replace(p, playbooks={}), NOT_MET, "no playbook prank"),
        (39, lambda p: replace(p, signs={}), POLICY, "suicide"),
    ],
)
def test_what_the_line_does_now_decides(
    line: tuple[Config, Pack], number: int, change: Callable[[Pack], Pack], standing: PracticeStatus, why: str
) -> None:
    """A setting so long that it is off, words that are an example's or unreviewed, a language that lacks: each is told."""
    config, pack = line
    result = row(on_call(config), change(ready(pack)), number)
    assert result.standing is standing
    assert why in result.why


def test_the_verb_prints_it(place: Path) -> None:
    """`--data` and `--config` give the same 41 rows, as text and as JSON; a bad configuration exits 2 with its path."""
    run = CliRunner().invoke
    result = run(cli, ["practices", "--json", "--data", str(place)])
    assert result.exit_code == 1
    rows = json.loads(result.output)
    assert [row["number"] for row in rows] == list(range(1, 42))
    assert {row["standing"] for row in rows} <= {standing.value for standing in PracticeStatus}
    assert run(cli, ["practices", "--json", "--config", str(place / "config.yaml")]).output == result.output
    text = run(cli, ["practices", "--data", str(place)]).output
    assert "22  not met: Encryption that no vendor can read" in text
    bad = run(cli, ["practices", "--config", str(place / "nowhere.yaml")])
    assert (bad.exit_code, "nowhere.yaml: cannot be read" in bad.output) == (2, True)
    assert load(place / "config.yaml").line.rehearsal
