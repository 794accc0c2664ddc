"""Texting somebody first: what the bridge does for `!text`.

Rules of this module: a number comes out of one message and goes into the sealed `phone` column, by one commit; on the way
it is in no other row, no log and no answer; while nobody can tell whether a phone may be texted, it may not.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from bot.model.actions import OFFICE, Action
from bot.model.dialed_number import Number, NumberKind
from bot.model.events import Event, Said
from bot.model.thread_desk_events import TextedFirst
from bot.model.transactional_actions import TextFirst
from bridge.carriers.dialed_number import typed
from bridge.inbound import screening
from bridge.outbound.sms_sender import PHONE
from bridge.runtime.phone_number import Phone
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import inbox
from policies.pack import Pack

TAKEN: Final = "SELECT 1 FROM thread WHERE phone_hash = $1"

Barred: TypeAlias = Callable[[Phone], Awaitable[bool]]
"""Whether this phone said STOP here, or is blocked."""


class Beginning:
    """A thread that is about to be made: its key exists, everything else comes with `commit`."""

    def __init__(
        self, *, owner: str, vault: Vault, made: Callable[[Connection], Awaitable[bool]], screen: Callable[[str], None]
    ) -> None:
        self.owner, self._vault, self._made, self._screen, self._kept = owner, vault, made, screen, False

    async def commit(self, conn: Connection) -> None:
        """Make the thread, within the decision's commit, unless its phone has texted us in the meantime."""
        self._kept = await self._made(conn)

    async def settle(self) -> None:
        """After the commit: have the thread looked up like any other. The key of one that is not there is destroyed."""
        if self._kept:
            self._screen(self.owner)
        else:
            await self._vault.destroy(self.owner)


class FirstTexts:
    """Classifies what is typed in offices, and begins threads for it. `line` is its slug, `numbers` its own numbers."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        line: str,
        numbers: tuple[str, ...],
        barred: Barred,
        screen: Callable[[str], None],
    ) -> None:
        self._store, self._vault, self._line, self._numbers = store, vault, line, numbers
        self._barred, self._screen = barred, screen

    async def number(self, pack: Pack, event: Event) -> Number | None:
        """Say what a message in an office is as a telephone number, without its digits; None for everything else."""
        if not pack.settings.cold_outbound or not isinstance(event, Said) or not event.place.startswith(OFFICE):
            return None
        kind, phone = typed(event.body, ours=self._numbers)
        if phone is None:
            return Number(kind=kind)
        phone_hash = self._vault.phone_hash(self._line, phone)
        if await self._barred(phone):
            return Number(kind=NumberKind.BARRED)
        if await self._store.fetchval(TAKEN, phone_hash) is not None:
            return Number(kind=NumberKind.TAKEN)
        return Number(kind=kind, digest=phone_hash.hex())

    async def prepare(self, event: Event, actions: Sequence[Action]) -> Beginning | None:
        """Make the key of a thread for the number in this message, when the decision asks for one."""
        first = next((action for action in actions if isinstance(action, TextFirst)), None)
        if first is None or not isinstance(event, Said):
            return None
        _, phone = typed(event.body, ours=self._numbers)
        if phone is None:
            return None
        owner, phone_hash = secrets.token_hex(16), self._vault.phone_hash(self._line, phone)
        await self._vault.create(owner)
        sealed = await self._vault.seal(owner, PHONE, phone.reveal().encode())
        letter = await inbox.seal(self._vault, owner, TextedFirst(voice=first.voice))

        async def made(conn: Connection) -> bool:
            if await conn.fetchval(TAKEN, phone_hash) is not None:
                return False
            await screening.put(conn, self._vault, owner=owner, phone_hash=phone_hash, sealed=sealed, phone=phone)
            await inbox.put(conn, letter)
            return True

        return Beginning(owner=owner, vault=self._vault, made=made, screen=self._screen)
