"""A line whose bridge is killed, the person at its desk, and what the crash tests ask of both."""

from __future__ import annotations

from dataclasses import dataclass

from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.fakes.crashing_stack import CrashingStack
from tests.fakes.database_file import columns_with


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """A mortal line, and the one person at its desk."""

    line: CrashingStack
    scene: StaffedLine
    person: StaffClient


async def crashed(line: CrashingStack, before: int) -> bool | None:
    """Whether the bridge was killed by its own hand since it had been so `before` times."""
    return line.crashes > before or None


def assert_nowhere(line: CrashingStack, *planted: str) -> None:
    """See that no file of the line's data directory holds any of these."""
    for path in line.data.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            matches = [thing for thing in planted if thing.encode() in raw]
            columns = [name for thing in matches if path.suffix == ".db" for name in columns_with(path, thing)]
            assert not matches, f"planted in {path.relative_to(line.data)}, {columns or 'in no column'}"
