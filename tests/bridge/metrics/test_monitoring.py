"""Rules, board, example configurations and the operator's page go with the metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bridge.metrics import table
from tests.outside_programs import OutsidePrograms

IDENTIFIER = re.compile(r"\b(?:quietline|process)_\w+|\bup\b")
BOARD: dict[str, Any] = json.loads((table.MONITORING / "grafana.json").read_text(encoding="utf-8"))

Check = Callable[..., str]


@pytest.fixture
def check(outside_programs: OutsidePrograms) -> Check:
    """Run one of Prometheus' programs on our files; where it cannot be had, say so, and count it."""

    def run(program: str, *words: str | Path) -> str:
        if (path := outside_programs.find(program)) is None:
            return ""
        command = [path, *map(str, words)]
        result = subprocess.run(command, cwd=table.MONITORING, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run


def board_expressions() -> list[str]:
    """Return what the board asks, with an interval in place of Grafana's own variable."""
    return [target["expr"].replace("$__rate_interval", "1m") for panel in BOARD["panels"] for target in panel["targets"]]


def unknown_names(*expressions: str) -> set[str]:
    """Return the metrics that expressions name and nobody serves."""
    return {name for text in expressions for name in IDENTIFIER.findall(text)} - table.names()


def test_rules_and_board_name_only_metrics_that_there_are() -> None:
    """An alarm on a name that nobody serves is one that never comes."""
    assert unknown_names(*(rule["expr"] for rule in table.rules())) == set()
    assert unknown_names(*board_expressions()) == set()
    assert unknown_names("quietline_typo > 0 or up == 0") == {"quietline_typo"}


def test_every_alarm_is_tried_and_says_what_to_do() -> None:
    """Each is in the tests of the rules, in which it comes; and a person who is woken by it reads what to do."""
    tests = (table.MONITORING / "rules_test.yaml").read_text(encoding="utf-8")
    for rule in table.rules():
        assert f'alertname="{rule["alert"]}"' in tests
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_the_board_can_be_imported() -> None:
    """Panels have ids of their own and do not overlap; the data source is asked for, and none is named."""
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {"${datasource}"}


def test_the_rules_pass_their_tests(check: Check) -> None:
    """`promtool test rules`: every alarm comes when it should, and a healthy line has none."""
    check("promtool", "check", "rules", "rules.yaml")
    check("promtool", "test", "rules", "rules_test.yaml")
    check("promtool", "check", "config", "prometheus.yaml")


def test_what_the_board_asks_is_promql(check: Check, tmp_path: Path) -> None:
    """Each expression is read by Prometheus itself, as a rule."""
    rules = [{"record": f"board:{n}", "expr": expression} for n, expression in enumerate(board_expressions())]
    file = tmp_path / "board.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}), encoding="utf-8")
    check("promtool", "check", "rules", "--lint=none", file)


def test_the_example_of_alertmanager_is_one(check: Check) -> None:
    """`amtool check-config` takes it, and a critical alarm calls a person where a warning writes a mail."""
    check("amtool", "check-config", "alertmanager.yaml")
    for severity, receiver in (("critical", "technician-call"), ("warning", "technician-mail")):
        routed = check("amtool", "config", "routes", "test", "--config.file=alertmanager.yaml", f"severity={severity}")
        assert routed.strip() in {receiver, ""}
