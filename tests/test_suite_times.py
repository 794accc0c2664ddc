"""The table of the tests' costs is made from a run's results."""

from __future__ import annotations

from pathlib import Path

from tests import suite_times

RESULTS = """<testsuites><testsuite>
<testcase classname="tests.e2e.test_claims" name="test_a" time="60.5">
<properties><property name="cpu_seconds" value="2.5"/></properties></testcase>
<testcase classname="tests.bridge.crash.test_texts" name="test_b[one]" time="20.0"/>
<testcase classname="tests.bridge.config.test_load.TestTheProgram" name="test_c" time="1.25">
<properties><property name="cpu_seconds" value="1.0"/></properties></testcase>
<testcase classname="tests.test_house" name="test_d" time="0.5"/>
</testsuite></testsuites>"""


def test_the_table_adds_up(tmp_path: Path) -> None:
    """Each part of the suite has its tests and seconds, a test in a class too; tests that share a line are one group."""
    (tmp_path / "results.xml").write_text(RESULTS, encoding="utf-8")
    table = suite_times.table(suite_times.read(tmp_path / "results.xml")).splitlines()
    assert table[2:7] == [
        "| `tests/e2e` | 1 | 60 | 2 |",
        "| `tests/bridge/crash` | 1 | 20 | 0 |",
        "| `tests/bridge` | 1 | 1 | 1 |",
        "| the rest | 1 | 0 | 0 |",
        "| all | 4 | 82 | 4 |",
    ]
    assert table[10] == "| the line 1 | 1 | 60 | 2 |"


def test_the_page_has_a_place_for_it() -> None:
    """CONTRIBUTING.md has the marks around the table, once."""
    assert len(suite_times.PART.findall(suite_times.CONTRIBUTING.read_text(encoding="utf-8"))) == 1
