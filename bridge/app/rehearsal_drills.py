"""Drills of a line: which scripts can run there, and which handset sends the texts of their texters.

Rule of this module: a line that is not a rehearsal, or has any carrier but the rehearsal carrier, has no drills and no
handset that could text, whatever its database or a room contains.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bridge.app.line_files import CannotStart
from bridge.carriers.adapter import Carrier
from bridge.config.sections import Config
from bridge.outbound.drill_texts import HandsetCarrier
from policies.drills.load import load_drills
from policies.drills.script import DrillScript
from policies.load import PackError

REHEARSAL: Final = "rehearsal"


def scripts(config: Config, directory: Path) -> Mapping[str, DrillScript]:
    """Return the scripts of a line by name. `directory`: what paths in `drills` are relative to. Raises `CannotStart`."""
    if not is_rehearsal(config):
        return {}
    try:
        return load_drills(config.line.drills, near=directory)
    except PackError as error:
        raise CannotStart(error.problems) from None


def handsets(config: Config, carrier: Carrier) -> HandsetCarrier | None:
    """Return the rehearsal carrier, whose handsets can send texts on request; None for any other carrier."""
    return carrier if is_rehearsal(config) and isinstance(carrier, HandsetCarrier) else None


def is_rehearsal(config: Config) -> bool:
    """Whether the line is marked as a rehearsal and has the rehearsal carrier."""
    return config.line.rehearsal and config.line.carrier.kind == REHEARSAL
