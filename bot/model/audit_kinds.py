"""The kinds that the audit knows.

Rule of this module: a kind says that something was said or done, never what, by whom or to whom.
"""

from __future__ import annotations

from enum import Enum, unique


@unique
class AuditKind(Enum):
    """What the audit notes: that it was said or done, never which words. Those of texts are the texts' own names."""

    FIRST_TEXT_IN = "first_text_in"
    FIRST_WORDS_OUT = "first_words_out"
    GREETING = "greeting"
    AFTER_HOURS = "after_hours"
    UNAVAILABLE = "unavailable"
    OUTAGE = "outage"
    PICTURE = "picture"
    HELP_ANSWER = "help_answer"
    LIMITS = "limits"
    TOLD_LIMITS = "told_limits"
    """The advocate says that they told the limits in their own words; `limits` is the agency's text. The next two alike."""
    DEVICE = "device"
    TIPS_IPHONE = "tips_iphone"
    TIPS_ANDROID = "tips_android"
    RIGHTS = "rights"
    TOLD_RIGHTS = "told_rights"
    OPTIONS = "options"
    SAFE_CHECK = "safe_check"
    TOLD_SAFE_CHECK = "told_safe_check"
    SWITCH = "switch"
    LATER = "later"
    URGENT = "urgent"
    DIFFERENT = "different"
    HANDOVER = "handover"
    CLOSING = "closing"
    UNSAFE = "unsafe"
    SAFE = "safe"
    OUTAGE_BEGAN = "outage_began"
    OUTAGE_OVER = "outage_over"
    # What is done with a thread, the desk, and the line itself (`bot/lifecycle/audit_trail.py`, `deploy`).
    CLAIM = "claim"
    TRANSFER = "transfer"
    RELEASE = "release"
    ESCALATED = "escalated"
    STOPPED = "stopped"
    RESUMED = "resumed"
    OPTED_OUT = "opted_out"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    DURESS = "duress"
    UNVERIFIED = "unverified"
    UNLOCK = "unlock"
    CLOSE = "close"
    END = "end"
    HOLD = "hold"
    UNHOLD = "unhold"
    REVEAL_ASKED = "reveal_asked"
    REVEAL_GRANTED = "reveal_granted"
    TRUST = "trust"
    SIGN_OUT = "sign_out"
    LOOKUP = "lookup"
    BACKUP = "backup"
    RESTORE = "restore"
    CONFIGURATION = "configuration"
    STAFF = "staff"
