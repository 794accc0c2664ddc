"""A command fills the page on capacity, and tables that were not measured stay unchanged."""

from __future__ import annotations

import re
from pathlib import Path

from tests.bench import capacity

SEEDED = {"kind": "parked", "count": 10_000, "start_s": 0.5, "mib": 150.0, "first_ms": 40.0, "known_ms": 9.0}
ROW = {**SEEDED, "open_ms": 5.0, "look_ms": 0.05}


def test_a_table_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """A table is written only between its marks; writing it again changes nothing."""
    page = tmp_path / "page.md"
    page.write_text(capacity.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    report = {
        "seeded": [ROW, {**ROW, "kind": "open", "count": 100}],
        "cores": [
            {"cores": 1, "own_core": False, "texts": 40.0, "raw": 60.0, "cpu_ms": 2.5},
            {"cores": 2, "own_core": True, "texts": 50.0, "raw": 70.0, "cpu_ms": 2.6},
        ],
        "disk": [{"what": "text", "bridge_kib": 1.0, "homeserver_kib": 3.0}],
    }
    capacity.write(report, page)
    text = page.read_text(encoding="utf-8")
    for row in (
        "| 10,000 | 0 | 150 | 0.50 | 5.00 | 9.00 | 40.00 | 0.05 |",
        "| 0 | 100 | 150 | 0.50 | 5.00 | 9.00 | 40.00 | 0.05 |",
        "| 1 | 40 | 60 | 2.5 |",
        "| 2, own core | 50 | 70 | 2.6 |",
        "| text | 1.0 | 3.0 |",
    ):
        assert text.count(row) == 1
    outside = re.compile(r"(<!-- from a run: (?:seeded|cores|disk) -->\n).*?(<!-- end -->)", re.DOTALL)
    assert outside.sub(r"\1\2", text) == outside.sub(r"\1\2", capacity.PAGE.read_text(encoding="utf-8"))
    capacity.write(report, page)
    assert page.read_text(encoding="utf-8") == text


def test_the_page_has_each_size_that_is_asked_for() -> None:
    """All figures are there: 1, 100 and 1,000 conversations with rooms, 10,000 and 100,000 seeded, one core and two."""
    text = capacity.PAGE.read_text(encoding="utf-8")
    tables = {
        part: text.partition(f"<!-- from a run: {part} -->")[2].partition("<!-- end -->")[0] for part in capacity.PARTS
    }
    for part, begin in (("rooms", "1"), ("rooms", "100"), ("rooms", "1,000"), ("cores", "1"), ("cores", "2")):
        row = re.search(rf"^\| {begin} \|(?: [0-9.,]+ \|)+$", tables[part], re.MULTILINE)
        assert row is not None, (part, begin)
    for begin in ("10,000 | 0", "100,000 | 0", "0 | 1", "0 | 100", "0 | 1,000", "0 | 10,000"):
        assert f"\n| {begin} |" in tables["seeded"]
    for part in (*capacity.PARTS, "workers"):
        assert f".venv/bin/python -m tests.bench.{'workers' if part == 'workers' else 'capacity'}" in text


def test_the_page_has_a_place_for_each() -> None:
    """The page has a place for each part that the command measures, and one for the logged-in clients."""
    text = capacity.PAGE.read_text(encoding="utf-8")
    for part in (*capacity.PARTS, "workers"):
        assert text.count(f"<!-- from a run: {part} -->\n") == 1
