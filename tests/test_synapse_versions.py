"""The pages name the same versions of Synapse that the long run tries."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.matrix.api.synapse_version import OLDEST, TESTED, parse
from tests.long import __main__ as long
from tests.synapse_versions import VERSIONS

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"\b1\.1\d\d\.\d\b")


def rows() -> dict[str, str]:
    """Return the rows of the table on the module's page, by version."""
    text = (ROOT / "deploy" / "synapse_module" / "README.md").read_text(encoding="utf-8")
    table = text.partition("| Synapse | the module |")[2].partition("\n\n")[0]
    cells = [line.split("|") for line in table.splitlines() if line.startswith("| 1.")]
    return {version: said for _, versions, said, _ in cells for version in VERSION.findall(versions)}


def test_the_table_says_of_each_version_what_is_known() -> None:
    """Each version that the long run tries has a row, and no other version is said to pass."""
    said = rows()
    assert {version for version in said if (parse(version) or OLDEST) >= OLDEST} == set(VERSIONS)
    assert all("does not start with it" in said[version] for version in said.keys() - set(VERSIONS))
    assert all(re.search("all (of the module's tests )?pass", said[version]) for version in VERSIONS)


def test_the_administrators_page_names_those_that_were_tried() -> None:
    """The page for an administrator who joins a line to a Synapse names the tried versions."""
    text = (ROOT / "deploy" / "docs" / "joining.md").read_text(encoding="utf-8")
    assert VERSION.findall(text.partition("(tried: ")[2].partition(")")[0]) == list(VERSIONS)


def test_no_release_is_left_out() -> None:
    """The list has each release once, from the first that supports the module to the pinned one."""
    releases = [parse(version) for version in VERSIONS]
    assert releases == [(OLDEST[0], minor) for minor in range(OLDEST[1], TESTED[1] + 1)]
    pinned = re.search(r"^matrix-synapse==(\S+)", (ROOT / "deploy/requirements/runtime.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert pinned[1] == VERSIONS[-1]
    assert long.BUDGET["synapse"] > long.LOAD["synapse"]
