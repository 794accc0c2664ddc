"""What the pages say of versions of Synapse is what the long run tries."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.matrix.api.synapse_version import OLDEST, TESTED, parse
from tests.long import __main__ as long
from tests.synapse_versions import VERSIONS

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"\b1\.1\d\d\.\d\b")


def rows() -> dict[str, str]:
    """Return what the table of the module's page says of each version."""
    text = (ROOT / "deploy" / "synapse_module" / "README.md").read_text(encoding="utf-8")
    table = text.partition("| Synapse | the module |")[2].partition("\n\n")[0]
    cells = [line.split("|") for line in table.splitlines() if line.startswith("| 1.")]
    return {version: said for _, versions, said, _ in cells for version in VERSION.findall(versions)}


def test_the_table_says_of_each_version_what_is_known() -> None:
    """Each that the long run tries has its row, and no other one passes."""
    said = rows()
    assert {version for version in said if (parse(version) or OLDEST) >= OLDEST} == set(VERSIONS)
    assert all("does not start with it" in said[version] for version in said.keys() - set(VERSIONS))
    assert all(re.search("all (of the module's tests )?pass", said[version]) for version in VERSIONS)


def test_the_administrators_page_names_those_that_were_tried() -> None:
    """Who joins a line to a Synapse reads what it was tried with."""
    text = (ROOT / "deploy" / "docs" / "joining.md").read_text(encoding="utf-8")
    assert VERSION.findall(text.partition("(tried: ")[2].partition(")")[0]) == list(VERSIONS)


def test_no_release_is_left_out() -> None:
    """From the first that has what the module needs to the one that is pinned, each once."""
    releases = [parse(version) for version in VERSIONS]
    assert releases == [(OLDEST[0], minor) for minor in range(OLDEST[1], TESTED[1] + 1)]
    pinned = re.search(r"^matrix-synapse==(\S+)", (ROOT / "deploy/requirements/runtime.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert pinned[1] == VERSIONS[-1]
    assert long.BUDGET["synapse"] > long.LOAD["synapse"]
