"""`quietline lookup`: counsel's question whether there is anything of a number, answered by one word.

Rules of this module: the number is asked for where it leaves no trace (a terminal without echo, or standard input), never
an argument; it is hashed and forgotten; the answer is `open`, `held` or `nothing`, made by the same steps whichever it is;
each question is noted in the audit before it is answered. Nothing else is told, and nothing can be exported.
"""

from __future__ import annotations

import re
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from bot.model.audit_kinds import AuditKind
from bridge.runtime.phone_number import Phone
from bridge.tables import threads
from bridge.tables.cross_table import inspection
from deploy.data_dir import offline

if TYPE_CHECKING:
    from bridge.config.sections import Config

SEPARATORS: Final = re.compile(r"[\s().-]")
HOLD_CHANGES: Final = {AuditKind.HOLD: True, AuditKind.UNHOLD: False}


@unique
class LookupResult(Enum):
    """What is told: there is a thread, there is one on hold, or neither."""

    OPEN = "open"
    HELD = "held"
    NOTHING = "nothing"


def parse_number(entered: str) -> Phone | None:
    """Read a number as it was typed: E.164, with spaces, brackets, dots or hyphens or without."""
    phone = Phone(SEPARATORS.sub("", entered))
    return phone if phone.answerable else None


async def look_up_number(config: Config, phone: Phone, *, then: AuditKind = AuditKind.LOOKUP) -> LookupResult:
    """Say what there is of a number on the line. `then`: hold it first (`HOLD`), or lift a hold (`UNHOLD`).

    A hold set here reaches also what is parked, has no room, and can be named in no other way; it stops every deleter
    at once, and is shown at the desk with the thread's next event. Raises `DatabaseError`.
    """
    digest = offline.open_vault(config).phone_hash(config.line.slug, phone)
    if then in HOLD_CHANGES:
        await offline.record_audit(
            config, then, lambda transaction: threads.set_legal_hold_by_phone(transaction, digest, on=HOLD_CHANGES[then])
        )
    await offline.record_audit(config, AuditKind.LOOKUP)
    with offline.read_transaction(config) as db:
        # The same steps whatever there is: nothing, one that is open, or one on hold.
        open_count, held_count = inspection.count_threads_of_phone(db, digest)
    return (LookupResult.NOTHING, LookupResult.OPEN, LookupResult.HELD)[open_count + held_count]
