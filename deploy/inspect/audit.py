"""`quietline audit`: what was done, by the hour, and whether anybody changed what is written there.

Rule of this module: it reads beside a running line and changes nothing.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.tables.audit_log import FLOOR, HEAD, HOUR, Entry, Ledger, hour_of, told
from deploy.data_dir import offline

if TYPE_CHECKING:
    from bridge.config import Config
    from policies.pack import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Every entry that has not expired, the oldest first, and what does not hold."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...]

    def as_json(self) -> str:
        """Write it for a program."""
        entries = [{"hour": hour_of(e.hour), "of": e.about, "kind": e.kind} for e in self.entries]
        return json.dumps({"ok": not self.problems, "problems": list(self.problems), "entries": entries})

    def as_text(self) -> list[str]:
        """Write it for a person."""
        return [told(self.entries), *(f"NOT {problem}" for problem in self.problems)]


def audit(config: Config, pack: Pack) -> Audit:
    """Read and check the audit. Raises `sqlite3.Error`."""
    with offline.reading(config) as db:
        rows = db.execute("SELECT seq, hour, about, kind, mac FROM audit ORDER BY seq").fetchall()
        marks: dict[str, Any] = {
            row["name"]: row["value"]
            for row in db.execute("SELECT name, value FROM line WHERE name IN (?, ?)", (HEAD, FLOOR))
        }
    entries = tuple(Entry(**dict(row)) for row in rows)
    # An hour's grace on both sides of the full hour.
    expired = time.time() - pack.settings.audit_retention + HOUR
    problems = Ledger(vault=offline.vault(config)).check(entries, marks.get(HEAD), marks.get(FLOOR), expired=expired)
    return Audit(entries=entries, problems=tuple(problems))
