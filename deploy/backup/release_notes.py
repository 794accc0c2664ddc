"""The changes of an upgrade: the notes of the versions in between, and the irreversible changes.

Rules of this module: the line notes at its start which version runs (`bridge/app/last_program.py`). The notes are those of
`CHANGELOG.md`, whose part `Unreleased` belongs to the version of the source. A note that begins with `Irreversible:` is
listed separately. Missing notes are reported as such.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bridge.runtime.program import ROOT

CHANGELOG: Final = ROOT / "CHANGELOG.md"
UNRELEASED: Final = "Unreleased"
MARK: Final = "Irreversible:"
_HEADING: Final = re.compile(r"## \[?(?P<version>[0-9][^\s\]]*|Unreleased)\]?.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionNotes:
    """The notes of one version, each of one or more sentences on one line."""

    version: str
    notes: tuple[str, ...]

    @property
    def irreversible(self) -> tuple[str, ...]:
        """The notes about irreversible changes, without their mark."""
        return tuple(note.removeprefix(MARK).strip() for note in self.notes if note.startswith(MARK))


def notes_since(version: str, text: str, *, own: str) -> list[VersionNotes]:
    """Return the notes of the versions after `version` up to ours, the newest first."""
    versions = [
        VersionNotes(version=own if name == UNRELEASED else name, notes=notes) for name, notes in _sections(text) if notes
    ]
    return [each for each in versions if _order(version) < _order(each.version) <= _order(own)]


def read_changelog() -> str | None:
    """Return this program's `CHANGELOG.md`; None when it is not installed beside it."""
    try:
        return CHANGELOG.read_text(encoding="utf-8")
    except OSError:
        return None


def _sections(text: str) -> list[tuple[str, tuple[str, ...]]]:
    sections: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("## "):
            match = _HEADING.fullmatch(line)
            sections.append((match["version"] if match else "", []))
        elif sections and line.startswith("- "):
            sections[-1][1].append(line.removeprefix("- "))
        elif sections and line.startswith("  ") and sections[-1][1]:
            sections[-1][1][-1] += f" {line.strip()}"
    return [(name, tuple(notes)) for name, notes in sections if name]


def _order(version: str) -> tuple[int, ...]:
    """Return the sort key of a version: its numbers; everything after a letter is ignored."""
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[^0-9.]", version, maxsplit=1)[0]))
