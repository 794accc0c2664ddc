"""The bridge's part of `!text`: the first text of a conversation is ours.

Rules of this module: one commit takes the number out of a message and puts it into the sealed `phone` column; it is in no
other row, no log and no answer. While it is unknown whether a phone may be texted, it must not be.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from bot.model.actions import OFFICE, Action
from bot.model.dialled_number import DialledNumber, NumberKind
from bot.model.events import Event, MessageSent
from bot.model.thread_desk_events import ThreadCreated
from bot.model.transactional_actions import CreateThread
from bridge.carriers.dialled_number import classify_dialled_number
from bridge.inbound import screening
from bridge.runtime.phone_number import Phone
from bridge.services import Services, WakeUps
from bridge.storage.database import Transaction
from bridge.storage.vault import Vault
from bridge.tables import inbox, threads
from policies.pack import Pack

IsSuppressed: TypeAlias = Callable[[Phone], Awaitable[bool]]
"""Whether this phone sent STOP here, or is blocked."""


class PendingThread:
    """A thread that is being made: its key exists; `write` makes everything else."""

    def __init__(
        self, *, owner: str, vault: Vault, insert: Callable[[Transaction], Awaitable[bool]], wake: WakeUps
    ) -> None:
        self.owner, self._vault, self._insert, self._wake, self._inserted = owner, vault, insert, wake, False

    async def write(self, transaction: Transaction) -> None:
        """Make the thread, within the decision's commit, unless its phone has texted us in the meantime."""
        self._inserted = await self._insert(transaction)

    async def after_commit(self) -> None:
        """After the commit: have the thread screened like any other. If it was not made, destroy its key."""
        if self._inserted:
            self._wake.screening(self.owner)
        else:
            await self._vault.destroy(self.owner)


class OutreachThreads:
    """Classifies numbers that are typed in offices, and makes threads for them.

    `line` is its slug, `numbers` its own numbers.
    """

    def __init__(self, services: Services, *, line: str, numbers: tuple[str, ...], is_suppressed: IsSuppressed) -> None:
        self._database, self._vault, self._wake = services.database, services.vault, services.wake
        self._line, self._numbers, self._is_suppressed = line, numbers, is_suppressed

    async def classify_number(self, pack: Pack, event: Event) -> DialledNumber | None:
        """Classify a message in an office as a telephone number, without its digits; None for any other event."""
        if not pack.settings.cold_outbound or not isinstance(event, MessageSent) or not event.place.startswith(OFFICE):
            return None
        kind, phone = classify_dialled_number(event.body, ours=self._numbers)
        if phone is None:
            return DialledNumber(kind=kind)
        phone_hash = self._vault.phone_hash(self._line, phone)
        if await self._is_suppressed(phone):
            return DialledNumber(kind=NumberKind.BARRED)
        if await threads.find_by_phone(self._database, phone_hash) is not None:
            return DialledNumber(kind=NumberKind.TAKEN)
        return DialledNumber(kind=kind, digest=phone_hash.hex())

    async def prepare(self, event: Event, actions: Sequence[Action]) -> PendingThread | None:
        """Make the key of a thread for the number in this message, when the decision asks for one."""
        first = next((action for action in actions if isinstance(action, CreateThread)), None)
        if first is None or not isinstance(event, MessageSent):
            return None
        _, phone = classify_dialled_number(event.body, ours=self._numbers)
        if phone is None:
            return None
        owner, phone_hash = secrets.token_hex(16), self._vault.phone_hash(self._line, phone)
        await self._vault.create(owner)
        sealed = await threads.seal_phone(self._vault, owner, phone)
        inbox_row = await inbox.seal(self._vault, owner, ThreadCreated(assignee=first.assignee))

        async def insert(transaction: Transaction) -> bool:
            if await threads.find_by_phone(transaction, phone_hash) is not None:
                return False
            await screening.insert_thread(
                transaction,
                self._vault,
                owner=owner,
                phone_hash=phone_hash,
                sealed=sealed,
                phone=phone,
            )
            await inbox.append(transaction, inbox_row)
            return True

        return PendingThread(owner=owner, vault=self._vault, insert=insert, wake=self._wake)
