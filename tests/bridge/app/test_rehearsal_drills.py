"""Which lines have drills, and whose handsets text."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge.app.bridge import drill_handsets, drill_scripts
from bridge.app.line_files import CannotStart
from bridge.config.sections import Config


class Handsets:
    """A carrier with handsets, as far as is looked at."""

    async def text_from_handset(self, *, tag: str, ref: str, text: str, picture: bool) -> bool | None:
        """Take nothing."""


def line(*, rehearsal: bool = True, kind: str = "rehearsal", drills: tuple[str, ...] = ()) -> Config:
    """Return what the module looks at of a configuration."""
    settings = SimpleNamespace(rehearsal=rehearsal, carrier=SimpleNamespace(kind=kind), drills=drills)
    return cast("Config", SimpleNamespace(line=settings))


def test_a_rehearsal_has_those_that_come_with_quietline() -> None:
    """A rehearsal line has at least eight texters without a word in its configuration."""
    assert len(drill_scripts(line(), Path())) >= 8


@pytest.mark.parametrize(("rehearsal", "kind"), [(False, "rehearsal"), (True, "twilio"), (False, "telnyx")])
def test_a_line_in_service_has_none(*, rehearsal: bool, kind: str) -> None:
    """Without the mark, or with any carrier but the rehearsal carrier, there are no scripts and no handsets."""
    config = line(rehearsal=rehearsal, kind=kind)
    carrier = cast("Any", Handsets())
    assert drill_scripts(config, Path()) == {}
    assert drill_handsets(config, carrier) is None
    assert drill_handsets(line(), carrier) is carrier


def test_a_line_does_not_start_on_a_bad_script(tmp_path: Path) -> None:
    """Every fault of the agency's own scripts is told at the start, with its file."""
    (tmp_path / "own.yaml").write_text("name: own\n", encoding="utf-8")
    with pytest.raises(CannotStart) as refused:
        drill_scripts(line(drills=("own.yaml",)), tmp_path)
    assert all(problem.startswith("drills/own.yaml: ") for problem in refused.value.problems)
