"""What checks found, for a person and for a program: of a line that runs, of one before its start, of a pack, of a backup.

Rule of this module: nothing is asked here, so whatever tells of checks loads no more than it asks with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check: `what` was found and what to `do` about it (empty when nothing).

    `asked`: False where nobody could be asked yet, which is not held against the line. `warning`: it is well, and `do` is
    still to be done.
    """

    name: str
    ok: bool
    what: str
    do: str = ""
    asked: bool = True
    warning: bool = False

    def as_object(self) -> dict[str, object]:
        """Return it for JSON; `asked` and `warning` are there only where they say something."""
        row: dict[str, object] = {"name": self.name, "ok": self.ok, "what": self.what, "do": self.do}
        row |= {} if self.asked else {"asked": False}
        return row | ({"warning": True} if self.warning else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All checks. As JSON: `{"ok": bool, "checks": [{"name","ok","what","do"}]}`.

    Rule: design.md, "Contracts with the outside".
    """

    checks: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """Whether every check is well."""
        return all(check.ok for check in self.checks)

    def as_json(self, *, ok: bool | None = None) -> str:
        """Write the report for a program. `ok`: of the whole, where this is a part of a report."""
        return json.dumps({"ok": self.ok if ok is None else ok, "checks": [check.as_object() for check in self.checks]})

    def as_text(self) -> list[str]:
        """Write the report for a person, a line for each check and one for what to do."""
        lines = []
        for check in self.checks:
            lines.append(f"{mark_of(check)} {check.name}: {check.what}")
            if check.do:
                lines.append(f"    {check.do}")
        return lines


def mark_of(check: CheckResult) -> str:
    """Return the three letters that stand before a check: `NOT`, `!`, `?` or `ok`."""
    if not check.ok:
        return "NOT"
    return "!  " if check.warning else "ok " if check.asked else "?  "
