"""The notes of the versions between."""

from __future__ import annotations

import pytest

from bridge.runtime.program import own_version
from deploy.backup.release_notes import CHANGELOG, notes_since, read_changelog

TEXT = """# Changelog

## Unreleased

- Last.

## 0.10.0 (2027-03-01)

- Ten,
  in two lines.
- Irreversible: a table goes.

## [0.9.1]

- Nine and one.

## Before all this

- Of no version.

## 0.9.0

- Nine.
"""


@pytest.mark.parametrize(
    ("since", "own", "versions"),
    [
        ("0.9.0", "0.11.0", ["0.11.0", "0.10.0", "0.9.1"]),
        ("0.9.1", "0.11.0", ["0.11.0", "0.10.0"]),
        ("0.10.0", "0.11.0", ["0.11.0"]),
        ("0.11.0", "0.11.0", []),
        ("0.12.0", "0.11.0", []),
    ],
)
def test_the_versions_between(since: str, own: str, versions: list[str]) -> None:
    """Behind the one that ran last, up to ours, by number and not by letter; what is of no version is left out."""
    releases = notes_since(since, TEXT, own=own)
    assert [each.version for each in releases] == versions
    notes = [note for each in releases for note in each.notes]
    assert "Of no version." not in notes
    if "0.10.0" in versions:
        assert "Ten, in two lines." in notes
        assert [note for each in releases for note in each.irreversible] == ["a table goes."]


def test_our_own_notes_can_be_read() -> None:
    """The changelog beside this program has notes of its version."""
    text = read_changelog()
    assert text is not None, CHANGELOG
    (release,) = notes_since("0.0.0", text, own=own_version())
    assert (release.version, len(release.notes) > 20) == (own_version(), True)
