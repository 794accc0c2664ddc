"""What a carrier stores and does by itself, as data: `quietline exposure` prints it.

Rule of this module: a statement that is not from the vendor's own documentation or code belongs in `unconfirmed`, and
nowhere else (practices 18, 19, 22).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One carrier. Every field is a sentence for a person, or several."""

    carrier: str
    keeps: tuple[str, ...]
    """What the carrier stores of a text, where, and for how long."""
    we_delete: tuple[str, ...]
    """What we request it to delete, and when that counts as confirmed. Empty: nothing can be deleted."""
    remains: tuple[str, ...]
    """What remains of a text after its copy is deleted: logs, backups, bills."""
    bill_shows: str
    opt_outs: str
    """Which opt-outs it enforces by itself."""
    speaks: str
    """Which texts it may send to a phone by itself."""
    signed: str
    """How its webhooks are authenticated, and what that does not cover."""
    sources: tuple[str, ...]
    unconfirmed: tuple[str, ...] = ()
