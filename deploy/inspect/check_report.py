"""The results of checks, for a person and for a program: of a running line, before a start, of a pack, of a backup.

Rule of this module: it makes no checks itself, so a module that reports results imports only the checks that it makes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WELL: Final = "ok "
"""The mark before a check that is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check: `what` was found and what to `do` about it (empty when nothing).

    `asked`: False when the check was not possible yet, which is no fault. `warning`: it is well, but `do` has to be done.
    """

    name: str
    ok: bool
    what: str
    do: str = ""
    asked: bool = True
    warning: bool = False

    def as_object(self) -> dict[str, object]:
        """Return it for JSON; `asked` and `warning` only with a value other than the default."""
        row: dict[str, object] = {"name": self.name, "ok": self.ok, "what": self.what, "do": self.do}
        row |= {} if self.asked else {"asked": False}
        return row | ({"warning": True} if self.warning else {})


def well(name: str, what: str, do: str = "") -> CheckResult:
    """Return a check that is well."""
    return CheckResult(name=name, ok=True, what=what, do=do)


def warning(name: str, what: str, do: str) -> CheckResult:
    """Return a check that is well, and after which something has to be done."""
    return CheckResult(name=name, ok=True, what=what, do=do, warning=True)


def unasked(name: str, what: str, do: str) -> CheckResult:
    """Return a check that was not possible yet."""
    return CheckResult(name=name, ok=True, what=what, do=do, asked=False)


def fault(name: str, what: str, do: str) -> CheckResult:
    """Return a check that is not well."""
    return CheckResult(name=name, ok=False, what=what, do=do)


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
        """Return the report for a program. `ok`: the whole report's, when this is a part of one."""
        return json.dumps({"ok": self.ok if ok is None else ok, "checks": [check.as_object() for check in self.checks]})

    def as_text(self, *, brief: bool = False) -> list[str]:
        """Return the report for a person, a line for each check and one for what to do.

        `brief`: what is well is only counted.
        """
        lines = []
        shown = [check for check in self.checks if not brief or mark_of(check) != WELL]
        for check in shown:
            lines.append(f"{mark_of(check)} {check.name}: {check.what}")
            if check.do:
                lines.append(f"    {check.do}")
        if brief:
            lines.append(f"{WELL} {len(self.checks) - len(shown)} of {len(self.checks)} checks are well (--all shows them)")
        return lines


def mark_of(check: CheckResult) -> str:
    """Return the mark before a check: `NOT`, `!`, `?` or `ok`."""
    if not check.ok:
        return "NOT"
    return "!  " if check.warning else WELL if check.asked else "?  "


def severity(check: CheckResult) -> int:
    """Return the sort key of results: a fault, a warning, well, not checked."""
    return 3 if not check.ok else 2 if check.warning else 1 if check.asked else 0


def merge(checks: Iterable[CheckResult]) -> list[CheckResult]:
    """Return one result for each name: the worst, and of several that are as bad all that they say."""
    by_name: dict[str, list[CheckResult]] = {}
    for check in checks:
        by_name.setdefault(check.name, []).append(check)
    return [_merged(group) for group in by_name.values()]


def _merged(group: list[CheckResult]) -> CheckResult:
    worst = max(map(severity, group))
    same = [check for check in group if severity(check) == worst]
    what, do = (dict.fromkeys(getattr(check, part) for check in same) for part in ("what", "do"))
    return replace(same[0], what="; ".join(filter(None, what)), do=" ".join(filter(None, do)))
