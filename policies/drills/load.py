"""Reads files of drills into scripts.

Rules of this module: a line does not start on a bad script; its author gets all problems at once, each with its file and
path. Quietline's own scripts are read first; a script of the agency with the same name replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from policies.drills.flaws import flaws
from policies.drills.schema import DrillFile
from policies.drills.script import DrillScript
from policies.load import PackError
from policies.yaml_file import UNREADABLE, key_path, parse_yaml, unreadable_reason

SCRIPTS: Final = Path(__file__).parent / "scripts"


def load_drills(own: Iterable[str | Path] = (), *, near: Path | None = None) -> Mapping[str, DrillScript]:
    """Read Quietline's own scripts and the agency's, by name, in order of their names.

    A path in `own` is relative to `near`, and is a file or a folder of files. Raises :class:`PackError` with all problems.
    """
    problems: list[str] = []
    files = [*sorted(SCRIPTS.glob("*.yaml"))]
    for path in own:
        full_path = (near or Path()) / path
        files += sorted(full_path.glob("*.yaml")) if full_path.is_dir() else [full_path]
    scripts = [script for file in files if (script := read_drill(file, problems)) is not None]
    if problems:
        raise PackError(problems)
    return MappingProxyType({script.name: script for script in sorted(scripts, key=lambda script: script.name)})


def read_drill(path: Path, problems: list[str]) -> DrillScript | None:
    """Read one file; None, with the reason in `problems`, when it cannot be played."""
    where = f"drills/{path.name}"
    try:
        raw = parse_yaml(path)
    except UNREADABLE as error:
        problems.append(f"{where}: {unreadable_reason(error, path)}")
        return None
    try:
        script = DrillFile.model_validate(raw).script
    except ValidationError as error:
        for e in error.errors(include_input=False, include_url=False):
            place = key_path(e["loc"])
            what = e["msg"].removeprefix("Value error, ")
            problems.append(f"{where}: {place}: {'unknown key' if e['type'] == 'extra_forbidden' else what}")
        return None
    problems += [f"{where}: {flaw}" for flaw in flaws(script)]
    return script
