"""`quietline lookup`: counsel's question whether the line has data of a number, answered by one word.

Rules of this module: the number is read where it leaves no trace (a terminal without echo, or standard input), never from
an argument; it is hashed and forgotten; the answer is `open`, `held` or `nothing`, by the same steps in each case; each
question is recorded in the audit before the answer. Nothing else is shown, and nothing can be exported.
"""

from __future__ import annotations

import re
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from bot.model.audit_kinds import AuditKind
from bridge.runtime.phone_number import Phone
from bridge.tables import inspection, threads
from deploy.data_dir import offline

if TYPE_CHECKING:
    from bridge.config.sections import Config

SEPARATORS: Final = re.compile(r"[\s().-]")
HOLD_CHANGES: Final = {AuditKind.HOLD: True, AuditKind.UNHOLD: False}


@unique
class LookupResult(Enum):
    """The answer: there is a thread, there is one on hold, or neither."""

    OPEN = "open"
    HELD = "held"
    NOTHING = "nothing"


def parse_number(entered: str) -> Phone | None:
    """Parse a typed number: E.164, with or without spaces, brackets, dots or hyphens."""
    phone = Phone(SEPARATORS.sub("", entered))
    return phone if phone.answerable else None


async def look_up_number(config: Config, phone: Phone, *, then: AuditKind = AuditKind.LOOKUP) -> LookupResult:
    """Return what the line has of a number. `then`: set a hold first (`HOLD`), or lift one (`UNHOLD`).

    A hold set here also applies to a parked thread, which has no room and cannot be named otherwise; it stops every
    deletion at once, and the desk shows it with the thread's next event. Raises `DatabaseError`.
    """
    digest = offline.open_vault(config).phone_hash(config.line.slug, phone)
    if then in HOLD_CHANGES:
        await offline.record_audit(
            config, then, lambda transaction: threads.set_legal_hold_by_phone(transaction, digest, on=HOLD_CHANGES[then])
        )
    await offline.record_audit(config, AuditKind.LOOKUP)
    with offline.read_transaction(config) as db:
        # The same steps in each case: nothing, an open thread, or one on hold.
        open_count, held_count = inspection.count_threads_of_phone(db, digest)
    return (LookupResult.NOTHING, LookupResult.OPEN, LookupResult.HELD)[open_count + held_count]
