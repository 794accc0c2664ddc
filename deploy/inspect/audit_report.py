"""`quietline audit`: the audit's entries, by the hour, and whether a person changed them.

Rule of this module: it reads beside a running line and changes nothing.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.tables.audit_log import HOUR, AuditEntry, AuditLog, format_entries, format_hour, peek
from deploy.data_dir import offline

if TYPE_CHECKING:
    from bridge.config.sections import Config
    from policies.pack import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """All entries that have not expired, the oldest first, and the problems of their verification."""

    entries: tuple[AuditEntry, ...]
    problems: tuple[str, ...]

    def as_json(self) -> str:
        """Return it for a program."""
        entries = [{"hour": format_hour(e.hour), "of": e.about, "kind": e.kind} for e in self.entries]
        return json.dumps({"ok": not self.problems, "problems": list(self.problems), "entries": entries})

    def as_text(self) -> list[str]:
        """Return it for a person."""
        return [format_entries(self.entries), *(f"NOT {problem}" for problem in self.problems)]


def read_audit(config: Config, pack: Pack) -> AuditReport:
    """Read and check the audit. Raises `DatabaseError`."""
    with offline.read_transaction(config) as db:
        entries, head, floor = peek(db)
    # A tolerance of one hour on both sides of the full hour.
    expired = time.time() - pack.settings.audit_retention + HOUR
    problems = AuditLog(vault=offline.open_vault(config)).verify(entries, head, floor, expired=expired)
    return AuditReport(entries=tuple(entries), problems=tuple(problems))
