"""`quietline practices`: 41 rows, honest for the configuration they are asked about."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bridge.config import Config, load
from deploy.cli.main import cli
from deploy.data_dir.layout import Layout, Ports
from deploy.inspect.practices import DOWNGRADES, PRACTICES_FILE, SHOWN_FILE, UNMEETABLE, PracticeStatus, all_met, evaluate
from deploy.stack.provision import write_line_files
from policies.load import load as load_pack
from policies.pack import Pack, TextName
from tests.practices import ROOT, collect, written

ALL: Mapping[str, list[str]] = {str(number): [f"tests/x.py::test_{number}"] for number in range(1, 42)}


@pytest.fixture
def line(tmp_path: Path) -> tuple[Config, Pack]:
    """Make a rehearsal line's configuration and pack."""
    config = write_line_files(Layout(tmp_path), Ports(20_000))
    return config, load_pack(config.line.packs, near=tmp_path)


def standings(line: tuple[Config, Pack], shown: Mapping[str, list[str]] = ALL) -> dict[int, PracticeStatus]:
    return {verdict.number: verdict.standing for verdict in evaluate(*line, dict(shown))}


def test_the_tests_that_are_named_are_the_tests_there_are() -> None:
    """What is written down about which test shows which practice is current: `python -m tests.practices` if not."""
    assert SHOWN_FILE.read_text(encoding="utf-8") == written(collect())


def test_every_named_test_is_there() -> None:
    """Each id names a function of its file."""
    for ids in json.loads(SHOWN_FILE.read_text(encoding="utf-8")).values():
        for test in ids:
            file, _, name = test.partition("::")
            assert re.search(rf"\bdef {name}\(", (ROOT / file).read_text(encoding="utf-8")), test


def test_there_are_forty_one_rows_in_order() -> None:
    """One row for each practice, with a title and how it is done; doubts and marks are about rows that are there."""
    rows = yaml.safe_load(PRACTICES_FILE.read_text(encoding="utf-8"))
    assert [row["number"] for row in rows] == list(range(1, 42))
    assert all(set(row) == {"number", "best", "title", "how"} and row["how"].endswith(".") for row in rows)
    assert set(DOWNGRADES) <= {row["number"] for row in rows}


def test_each_row_has_a_test() -> None:
    """No practice is "not met" because nobody wrote down what shows it; 22 is shown to be said honestly."""
    assert {int(number) for number in collect()} == set(range(1, 42))


@pytest.mark.practice(22)
def test_what_no_text_message_meets_is_printed_as_not_met(line: tuple[Config, Pack]) -> None:
    """Practice 22 is not met whatever is configured and shown."""
    assert standings(line)[UNMEETABLE] is PracticeStatus.NOT_MET
    assert standings(line, {})[UNMEETABLE] is PracticeStatus.NOT_MET


def test_what_no_test_shows_is_not_met(line: tuple[Config, Pack]) -> None:
    """Without a test a practice is not met, and says so; one test lifts exactly its row."""
    assert set(standings(line, {}).values()) == {PracticeStatus.NOT_MET}
    assert {n for n, s in standings(line, {"34": ["t"]}).items() if s is not PracticeStatus.NOT_MET} == {34}
    (verdict,) = (v for v in evaluate(*line, {}) if v.number == 34)
    assert "no test" in verdict.why


def test_the_configuration_is_looked_at(line: tuple[Config, Pack]) -> None:
    """Unreviewed limits, example hours, nobody on call, a handset in the path, texting first: each lowers its row."""
    config, pack = line
    found = standings(line)
    assert (found[26], found[29], found[30]) == (PracticeStatus.NOT_MET, PracticeStatus.MET, PracticeStatus.POLICY)
    assert found[15] is PracticeStatus.MET
    example = replace(pack, hours=replace(pack.hours, sample=True))
    assert standings((config, example))[29] is PracticeStatus.NOT_MET
    first = replace(pack, settings=replace(pack.settings, cold_outbound=True))
    assert standings((config, first))[15] is PracticeStatus.STAFF
    handset = config.line.carrier.model_copy(update={"kind": "smsgate"})
    with_handset = config.model_copy(update={"lines": [config.line.model_copy(update={"carrier": handset})]})
    assert standings((with_handset, pack))[3] is PracticeStatus.POLICY
    text = pack.texts[TextName.LIMITS]
    words = {k: replace(w, reviewed_by="counsel", reviewed_on=date(2027, 1, 1)) for k, w in text.wordings.items()}
    texts = {name: replace(text, legal=name == TextName.LIMITS, wordings=words) for name, text in pack.texts.items()}
    assert standings((config, replace(pack, texts=texts)))[26] is PracticeStatus.STAFF
    assert not all_met(evaluate(*line, dict(ALL)))


def test_the_verb_prints_it(tmp_path: Path, line: tuple[Config, Pack]) -> None:
    """`--data` and `--config` give the same 41 rows, as text and as JSON; a bad configuration exits 2 with its path."""
    run = CliRunner().invoke
    told = run(cli, ["practices", "--json", "--data", str(tmp_path)])
    assert told.exit_code == 1
    rows = json.loads(told.output)
    assert [row["number"] for row in rows] == list(range(1, 42))
    assert {row["standing"] for row in rows} <= {standing.value for standing in PracticeStatus}
    assert run(cli, ["practices", "--json", "--config", str(tmp_path / "config.yaml")]).output == told.output
    text = run(cli, ["practices", "--data", str(tmp_path)]).output
    assert "22  not met: Encryption that no vendor can read" in text
    assert "shown by tests/" in text
    bad = run(cli, ["practices", "--config", str(tmp_path / "nowhere.yaml")])
    assert (bad.exit_code, "nowhere.yaml: cannot be read" in bad.output) == (2, True)
    assert load(tmp_path / "config.yaml").line.rehearsal
