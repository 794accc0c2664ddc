"""Deletes the carrier's copies of texts: each by itself, as soon as it may be, until the carrier has confirmed it.

Rules of this module: an inbound copy may be deleted once the text's words are shown; if it has none, or they are not kept,
once the text's decision is committed. An outbound copy may be deleted after its final report; without one, an hour after
the carrier took the text, and then the carrier is first asked for its status. An id that only a report names is a copy as
well, of an unknown owner. A text whose id is unknown is counted and never called gone. Deletion yields to conversations,
and a legal hold waits for no more than the request under way.

A copy is called gone only when the carrier says so; one that the carrier keeps is called kept, with the carrier's words for
how long; one at another carrier than the configured one, or in another account of it, is called left there, because "no
such text" proves nothing here. The carrier's id is sealed under a key of the copies' own, which is not the texter's: it
must still open when the texter's is destroyed, and the row is deleted when the copy is settled.

The commit that notes a shown text's event puts it on the deletion index. This module also remembers it in memory until the
deletion of its copy is tried, so most copies' rows are written once, and deleted. If the deletion is not tried then (the
thread is on hold, the clock is doubted), the row is marked as due. After a restart the first look asks the index instead of
memory.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Final, TypeAlias

from bridge.background.loop import BackgroundLoop
from bridge.carriers.adapter import (
    CannotDelete,
    Carrier,
    Deleted,
    DeleteLater,
    DeletionUnconfirmed,
    DeliveryReport,
    RetainedByCarrier,
)
from bridge.erasure.job_runner import AlertCallback
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Sync, Transaction
from bridge.storage.vault import CannotOpen, Vault
from bridge.tables import carrier_copies, clock_trust, line_state, sent_texts
from bridge.tables.carrier_copies import CarrierCopy

COPIES: Final = "copies"
"""The vault's owner of the copies' key."""
BATCH: Final = 20
MOST_REMEMBERED: Final = 10_000
"""Most texts that are remembered as shown: they wait while a carrier does not answer."""
MOST_ACCOUNTS: Final = 20
"""Accounts that are remembered: copies are settled long before so many were used."""
COMMIT_WITHIN: Final = 1.0
"""Seconds for which a result waits for others of its batch, and for the request under way."""
MAX_SLEEP: Final = 5.0
GATHER_SECONDS: Final = 1.0
"""Seconds until the next check after less than a full batch, so that copies of successive texts share a commit."""
ALERT_AFTER_TRIES: Final = (6, 30, 100)
"""Tries after which the desk is told of a copy that is not deleted."""

MAX_UNCONFIRMED_TRIES: Final = 10
"""Tries after which a deletion that the carrier accepts but never confirms is called unconfirmed."""

GONE: Final = "gone"
UNCONFIRMED: Final = "deletion asked for, which the carrier does not confirm"
UNKNOWN_ID: Final = "its id could not be opened"
ELSEWHERE: Final = "left at another carrier, which cannot be asked any more"


ShownText: TypeAlias = tuple[str, str]
"""A thread, and the ref of a message in its room that has a text of the texter, or a part of one."""


class CarrierCopies:
    """Notes copies, and deletes them: `run` until cancelled."""

    def __init__(
        self,
        services: Services,
        *,
        carrier: Carrier,
        account: str = "",
        alert: AlertCallback,
        accept_report: Callable[[DeliveryReport], Awaitable[None]],
        yield_to_foreground: Callable[[], Awaitable[None]],
    ) -> None:
        """`account`: at the carrier (`CarrierSettings.account`).

        `yield_to_foreground` waits for a pause in conversations, for a bounded time.
        """
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._carrier, self._alert, self._accept_report = carrier, alert, accept_report
        self._yield_to_foreground, self._crash, self._wake = yield_to_foreground, services.crash, services.wake
        self.loop = BackgroundLoop(
            "carrier_copies",
            self.run_once,
            max_sleep=MAX_SLEEP,
        )
        services.wake.carrier_copies = self.loop.wake
        self._shown_texts: dict[ShownText, None] = {}
        services.wake.shown_text = self._remember
        self._has_asked_index = False
        self._account, self._accounts = account, list[tuple[str, float]]()

    async def note_account(self) -> None:
        """At the start: note since when the configured account is the line's."""
        digest = self._vault.keyed_hash("carrier account", f"{self._carrier.kind} {self._account}").hex()
        noted = json.loads(await line_state.get(self._database, line_state.CARRIER_ACCOUNTS) or "[]")
        self._accounts = [(str(each), float(since)) for each, since in noted]
        if self._accounts and self._accounts[-1][0] == digest:
            return
        since = self._clock.now() if self._accounts else 0.0
        self._accounts = [*self._accounts, (digest, since)][-MOST_ACCOUNTS:]
        text = json.dumps(self._accounts)
        await self._database.commit(lambda transaction: line_state.put(transaction, line_state.CARRIER_ACCOUNTS, text))

    async def seal(self, message_id: str) -> bytes:
        """Seal a carrier's id, before the commit that notes its copy."""
        raw = message_id.encode("utf-8", "surrogatepass")
        try:
            return await self._vault.seal(COPIES, COPIES, raw)
        except CannotOpen:  # the first copy of the line
            await self._vault.create(COPIES)
            return await self._vault.seal(COPIES, COPIES, raw)

    def _remember(self, owner: str, ref: str) -> None:
        """Remember that a text is shown; if there are too many, delete all and read the index again."""
        if len(self._shown_texts) >= MOST_REMEMBERED:
            self._shown_texts.clear()
            self._has_asked_index = False
        self._shown_texts[owner, ref] = None

    async def run_once(self) -> float:
        """Try a batch of copies of shown texts, and one of due copies; return the seconds until there may be more."""
        if not self._has_asked_index:
            await self._ask_index()
        distrusted = await clock_trust.is_distrusted(self._database)
        shown = list(islice(self._shown_texts, BATCH))
        due = await carrier_copies.due_copies(self._database, self._clock.now(), BATCH, clock_distrusted=distrusted)
        results: list[tuple[CarrierCopy, str]] = []
        tried = set[int]()  # a long text has several messages, and its copy may also be due
        commit_at, batch = 0.0, list[CarrierCopy | ShownText]([*shown, *due])
        for each in batch:
            await self._yield_to_foreground()
            copy = await self._still_due(each, clock_distrusted=distrusted)
            if copy is None or copy.n in tried:
                continue
            tried.add(copy.n)
            if (result := await self._delete_one(copy)) is None:
                continue
            now = asyncio.get_running_loop().time()
            commit_at = commit_at if results else now + COMMIT_WITHIN
            results.append((copy, result))
            if now >= commit_at:
                await self._finish(results)
                results = []
        if results:
            await self._finish(results)
        for text in shown:  # only now: after an error all of them are tried again
            self._shown_texts.pop(text, None)
        return 0.0 if BATCH in (len(shown), len(due)) else GATHER_SECONDS if shown or due else MAX_SLEEP

    async def _ask_index(self) -> None:
        self._has_asked_index = True  # set first: if `_remember` clears the memory meanwhile, the index is read again
        now = self._clock.now()
        try:
            await self._database.commit(lambda transaction: carrier_copies.release_all_shown(transaction, now))
        except BaseException:
            self._has_asked_index = False
            raise

    async def _still_due(self, each: CarrierCopy | ShownText, *, clock_distrusted: bool) -> CarrierCopy | None:
        """Return the copy if it may still be deleted: its batch took time, and its thread may be on legal hold by now."""
        if isinstance(each, CarrierCopy):
            return each if await carrier_copies.may_delete(self._database, each.n) else None
        (owner, ref), now = each, self._clock.now()
        copy = None if clock_distrusted else await carrier_copies.shown_copy(self._database, owner, ref, now)
        if copy is None:
            await self._database.commit(
                lambda transaction: carrier_copies.release_shown(transaction, owner, ref, now), sync=Sync.DEFER
            )
        return copy

    async def _delete_one(self, copy: CarrierCopy) -> str | None:
        """Try to delete a copy; return the result, or None if it is tried later."""
        try:
            message_id = (await self._vault.open(COPIES, COPIES, copy.id)).decode("utf-8", "surrogatepass")
        except CannotOpen:
            return UNKNOWN_ID
        if copy.hash != id_digest(self._vault, self._carrier.kind, message_id) or self._is_in_other_account(copy):
            return ELSEWHERE
        if await self._is_report_missing(copy) and (report := await self._carrier.status(message_id)) is not None:
            await self._accept_report(report)
            self._crash(CrashPoint.STATUS_TAKEN)
        outcome = await self._carrier.delete_copy(message_id)
        self._crash(CrashPoint.COPY_DELETED)
        match outcome:
            case Deleted():
                return GONE
            case RetainedByCarrier():
                return f"carrier keeps it: {outcome.until}"
            case CannotDelete():
                return f"carrier cannot delete it: {outcome.reason}"
            case DeletionUnconfirmed(retry_after=None):
                return UNCONFIRMED
            case DeletionUnconfirmed() if copy.tries >= MAX_UNCONFIRMED_TRIES:
                return UNCONFIRMED
            case DeletionUnconfirmed() | DeleteLater():
                await self._retry_later(copy, outcome.retry_after or 0.0)
        return None

    def _is_in_other_account(self, copy: CarrierCopy) -> bool:
        """Whether a copy was noted while another account was the line's."""
        then = [digest for digest, since in self._accounts if since <= copy.noted_at]
        return bool(then) and then[-1] != self._accounts[-1][0]

    async def _is_report_missing(self, copy: CarrierCopy) -> bool:
        """Whether it is a text of ours without a final report: once the copy is gone the carrier cannot be asked."""
        waited = copy.due - copy.noted_at > carrier_copies.REPORT_WAIT - 1 and not copy.tries
        return waited and await sent_texts.is_recorded(self._database, copy.hash)

    async def _retry_later(self, copy: CarrierCopy, after: float) -> None:
        tries = copy.tries + 1
        wait = min(max(after, 2.0 ** min(tries, 14)), carrier_copies.MAX_WAIT)
        due = self._clock.now() + wait
        await self._database.commit(lambda transaction: carrier_copies.postpone(transaction, copy.n, tries=tries, due=due))
        if tries in ALERT_AFTER_TRIES:
            await self._alert("copy", copy.noted_at)

    async def _finish(self, results: Sequence[tuple[CarrierCopy, str]]) -> None:
        """Commit the results for copies. After a crash before it the carrier is asked again, with the same answer."""

        async def commit(transaction: Transaction) -> None:
            await carrier_copies.delete_with_results(transaction, {copy.n: result for copy, result in results})

        await self._database.commit(commit, sync=Sync.DEFER)
        self._wake.erasure()


def id_digest(vault: Vault, kind: str, message_id: str) -> bytes:
    """Return the digest that our tables store for an id of a carrier of that kind."""
    return vault.keyed_hash(f"carrier {kind}", message_id)
