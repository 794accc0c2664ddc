"""The carrier's webhooks.

Rules of this module: without a valid signature nothing reaches the inbox. The 2xx leaves only after one durable commit
holds the text (and, for a new texter, after their key is synced in `keys.db`); a commit that fails is a 503, so that the
carrier tries again. A repeated text gets 2xx and changes nothing. A text for a thread that is just ending begins another
thread. Nothing of a request is logged. A signed request that is no text to this line is not kept; the desk gets an alert
with its kind only, and also for requests that cannot be read, and for repeated refusals because of signature or size
(`hourly_alerts`). A new texter is looked up after the 2xx (`screening`): nothing slow comes before it. The server logs no
request, and refuses no length that an adapter would accept: what aiohttp refuses before our code runs is lost without
notice.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakValueDictionary

from aiohttp import web
from aiohttp.http import HttpProcessingError

from bot.model.events import TextArrived
from bot.model.line_incidents import GapKind, StrayKind, StrayTextArrived, TextsMissing
from bot.model.text_order import CLOCK_TOLERANCE, moment
from bridge.carriers.adapter import Carrier, DeliveryReport, Ignored, Inbound, InboundText, Malformed, WebhookRequest
from bridge.erasure.carrier_copies import CarrierCopies, id_digest
from bridge.inbound import screening
from bridge.inbound.arrivals import Arrivals
from bridge.inbound.carrier_check_calls import PROBE_BODIES, REFUSAL_BODY
from bridge.inbound.delivery_reports import DeliveryReports
from bridge.inbound.hourly_alerts import ChallengeCounter, HourlyAlerts, RefusalCounter
from bridge.outbound import reply_number
from bridge.runtime import log
from bridge.runtime.canary_keys import CANARY_PHONE
from bridge.runtime.clock import to_bridge_time
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.measurements import INBOUND, REPORT
from bridge.services import Services
from bridge.storage.database import Sync, Transaction, Work
from bridge.storage.errors import ConstraintViolation, DatabaseError
from bridge.storage.vault import CannotOpen
from bridge.tables import carrier_copies, inbox, threads
from bridge.tables.inbox import KnownTexter
from bridge.tables.sent_texts import ID_RETENTION

CANARY_ID_RETENTION: Final = 3600
"""Seconds for which ids of texts from the canary's own route are remembered: they are not delivered again."""

INCIDENT_OF_UNWANTED: Final[dict[str, StrayTextArrived | TextsMissing]] = {
    "channel": StrayTextArrived(kind=StrayKind.CHANNEL),
    "group": StrayTextArrived(kind=StrayKind.GROUP),
    "malformed": TextsMissing(kind=GapKind.UNREADABLE),
}
"""`Ignored.reason` -> the kind of the desk's alert."""


class NotStored(OSError):  # noqa: N818 - the name says what happened
    """A text of this phone cannot be stored now: its thread exists but its key is missing. The carrier tries again."""


class _ThreadEnded(Exception):  # noqa: N818 - the name says what happened
    """The texter's thread ended between the look-up and the commit."""


class Webhook:
    """Accepts texts and reports, from requests and from listings alike."""

    def __init__(
        self,
        services: Services,
        *,
        carrier: Carrier,
        line: str,
        carrier_copies: CarrierCopies,
        hourly_alerts: HourlyAlerts,
        numbers: Sequence[str],
        is_stop: Callable[[str], bool],
        canary: str = "",
    ) -> None:
        """`numbers`: the line's; `canary`: the account of a canary with a handset at this carrier, or empty.

        `is_stop`: whether words are a STOP, which counts also when it is said to a group.
        """
        self._is_stop = is_stop
        self._canary, self._numbers = canary, numbers
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake, self._crash, self._measurements = services.wake, services.crash, services.measurements
        self._carrier, self._line, self._carrier_copies = carrier, line, carrier_copies
        # One text at a time per texter: so a new texter gets one thread, and texts keep their order.
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._arrivals = Arrivals()
        self._reports = DeliveryReports(services, carrier=carrier, carrier_copies=carrier_copies)
        self._hourly_alerts, self._refusals = hourly_alerts, {kind: RefusalCounter() for kind in GapKind}
        self._challenges = {kind: ChallengeCounter() for kind in GapKind}

    @property
    def largest(self) -> int:
        """Largest accepted request, in bytes: the application that serves the routes must accept as many."""
        return self._carrier.max_webhook_bytes

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this line."""
        return [
            # A vendor without signature has a secret segment at the end; the adapter judges it. Some vendors call with GET.
            web.route(method, f"/carriers/{self._line}/{{way:inbound|status}}{{rest:(?:/[^/]*)?}}", self.receive)
            for method in ("GET", "POST")
        ]

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one webhook: 200.

        `Carrier.refusal_status` without signature, 400 malformed, 413 too large, 503 not kept.
        """
        began, status = time.monotonic(), 500
        try:
            answer = await self._receive(request)
            status = answer.status
        except web.HTTPException as refusal:
            status = refusal.status
            raise
        finally:
            brought = INBOUND if _is_inbound_route(request) else REPORT
            self._measurements.record_webhook_answer(brought, status=status, seconds=time.monotonic() - began)
        return answer

    async def _receive(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            log.event("webhook.too_large")
            await self._count_refusal(GapKind.LARGE if _is_inbound_route(request) else GapKind.REPORTS)
            raise
        except (web.RequestPayloadError, HttpProcessingError):
            # The body does not match its `Content-Encoding`, so the signature cannot be checked.
            log.event("webhook.undecodable")
            await self._count_refusal(GapKind.REFUSED if _is_inbound_route(request) else GapKind.REPORTS)
            return web.Response(status=400)
        called = WebhookRequest(raw_path=request.raw_path, headers=request.headers, body=body)
        concerns = body not in PROBE_BODIES or bool(request.query_string)
        gap = GapKind.REFUSED if _is_inbound_route(request) else GapKind.REPORTS
        if not self._carrier.verify(called):
            if self._carrier.challenge and "Authorization" not in request.headers:
                await self._count_challenge(gap)
            else:
                log.event("webhook.unsigned")
                if concerns:
                    await self._count_refusal(gap)
            return self._refusal()
        self._challenges[gap].answer()
        try:
            arrived: tuple[Inbound, ...] | None = self._carrier.parse(called)
        except Malformed:
            log.event("webhook.malformed")
            arrived = None
        try:
            if arrived is None and _is_inbound_route(request):
                await self._hourly_alerts.alert(TextsMissing(kind=GapKind.UNREADABLE))
                self._count_text_not_kept(request)
            for item in arrived or ():
                await self._accept(item)
        except (DatabaseError, OSError) as error:
            log.failure("webhook.not_stored", error)
            self._count_text_not_kept(request)
            return web.Response(status=503)
        if arrived is None:
            if concerns and not _is_inbound_route(request):
                await self._count_refusal(GapKind.REPORTS)
            return web.Response(status=400)
        content_type, words = self._carrier.webhook_response
        answer = web.Response(status=200, content_type=content_type, body=words)
        await answer.prepare(request)
        await answer.write_eof()
        self._crash(CrashPoint.INBOUND_ANSWERED)
        return answer

    async def _accept(self, item: Inbound) -> None:
        match item:
            case InboundText():
                await self.accept_text(item)
            case DeliveryReport():
                await self.accept_report(item)
            case Ignored():
                await self.report_ignored(item)

    def _refusal(self) -> web.Response:
        challenge = self._carrier.challenge
        headers = {"WWW-Authenticate": challenge} if challenge else None
        return web.Response(status=self._carrier.refusal_status, body=REFUSAL_BODY, headers=headers)

    def _count_text_not_kept(self, request: web.Request) -> None:
        """Count a text that was not stored, if the carrier signed it: a stranger's request must not cause an alarm."""
        if _is_inbound_route(request):
            self._measurements.record_text_not_kept()

    async def _count_refusal(self, kind: GapKind) -> None:
        """Count a refusal, and alert the desk when they repeat: the carrier's key or the address may be wrong."""
        if self._refusals[kind].is_repeated(self._clock.now()):
            await self._alert_of_refusals(kind)

    async def _count_challenge(self, kind: GapKind) -> None:
        """Count a request without credentials, and alert the desk when the carrier seems not to have them."""
        if self._challenges[kind].is_unanswered(self._clock.now()):
            log.event("webhook.unsigned")
            await self._alert_of_refusals(kind)

    async def _alert_of_refusals(self, kind: GapKind) -> None:
        try:
            await self._hourly_alerts.alert(TextsMissing(kind=kind))
        except (DatabaseError, OSError) as error:
            log.failure("webhook.alert_failed", error)

    async def report_ignored(self, item: Ignored) -> None:
        """Tell the desk of a message that is not a text to this line, once per message id. Raises like `accept_text`.

        Its id is marked like a text's: a listing may have the message without what distinguishes it from a text. A STOP
        that was said to a group is accepted like any other: it is the wish of its sender.
        """
        log.event("webhook.ignored", kind=item.reason)
        if item.text is not None and self._is_stop(item.text.text):
            await self.accept_text(item.text)
            return
        if (incident := INCIDENT_OF_UNWANTED.get(item.reason)) is None:
            return
        # A message from a webhook is also listed, every hour, until a text moves the watermark.
        digest = id_digest(self._vault, self._carrier.kind, item.message_id) if item.message_id else None
        if digest is not None and await inbox.is_seen(self._database, digest):
            return
        await self._hourly_alerts.alert(incident)
        if digest is not None:
            until = int(self._clock.now()) + ID_RETENTION
            await self._database.commit(lambda transaction: inbox.mark_seen(transaction, digest, until=until))

    async def accept_text(self, text: InboundText) -> None:
        """Store one text, once. Raises what the database raises, and `NotStored`."""
        await self._accept_text(text, canary=self._canary if text.sender == CANARY_PHONE else "")
        if text.to and text.to not in self._numbers:
            await self._hourly_alerts.alert(StrayTextArrived(kind=StrayKind.OTHER_NUMBER))

    async def accept_canary(self, text: InboundText, account: str) -> None:
        """Store a text from the canary's own route; no carrier has a copy of it. Raises like `accept_text`."""
        await self._accept_text(text, canary=account, at_carrier=False)

    async def _accept_text(self, text: InboundText, *, canary: str, at_carrier: bool = True) -> None:
        # Only the canary's own texts find its thread, whatever number a stranger's text has.
        phone_hash = self._vault.phone_hash(f"{self._line} canary" if canary else self._line, text.sender)
        if at_carrier:
            digest = id_digest(self._vault, self._carrier.kind, text.message_id)
        else:
            digest = self._vault.keyed_hash("canary", text.message_id)
        turn = self._locks.setdefault(phone_hash, asyncio.Lock())
        async with turn:
            for last in (False, True):
                known = await inbox.known_texter(self._database, phone_hash, digest)
                if known.is_seen if known is not None else await inbox.is_seen(self._database, digest):
                    log.event("webhook.duplicate")
                    await self._database.synced()
                    return
                try:
                    await self._store_text(text, digest, known, phone_hash, canary=canary, at_carrier=at_carrier)
                except (_ThreadEnded, CannotOpen):
                    # The key of an ended thread is destroyed right after its row: another try finds a new thread. If the
                    # row exists without its key, as after an older keys.db was restored, another try does not help.
                    if last or known is None:
                        raise NotStored from None
                else:
                    return

    async def _store_text(
        self,
        text: InboundText,
        digest: bytes,
        known: KnownTexter | None,
        phone_hash: bytes,
        *,
        canary: str,
        at_carrier: bool,
    ) -> None:
        now = self._clock.now()
        owner = secrets.token_hex(16) if known is None else known.thread
        if known is None:
            await self._vault.create(owner)
            self._crash(CrashPoint.KEY_WRITTEN)
        # A text that a listing or a late retry brings hours later has not just arrived: it gets no automatic reply.
        carrier_time = None if text.at is None else to_bridge_time(self._clock, text.at.timestamp())
        sent_at = carrier_time if carrier_time is not None and carrier_time <= now + CLOCK_TOLERANCE else None
        at = now if carrier_time is None else min(carrier_time, now)
        event = TextArrived(
            id=digest[:12].hex(),
            body=text.text,
            at=at,
            sent_at=sent_at,
            media=len(text.media),
            unordered_within=self._carrier.unordered_within,
            drill=text.drill,
        )
        inbox_row = await inbox.seal(self._vault, owner, event)
        phone = await threads.seal_phone(self._vault, owner, text.sender) if known is None else b""
        when = moment(event)
        stands, number = None if known is None else known.number, None
        if text.to:
            others = len(self._numbers) > 1
            number = await reply_number.renew(self._vault, owner, stands, text.to, when, now=now, has_others=others)
        copy = await self._carrier_copies.seal(text.message_id)
        until = int(now) + (ID_RETENTION if at_carrier else CANARY_ID_RETENTION)

        async def commit(transaction: Transaction) -> Callable[[str], None] | None:
            if known is not None:
                await inbox.require_unseen(transaction, digest, until=until, thread=owner)
                if number is not None:
                    await threads.set_number(transaction, owner, number)
            elif not await inbox.mark_seen(transaction, digest, until=until):
                return None
            else:
                await screening.insert_thread(
                    transaction,
                    self._vault,
                    owner=owner,
                    phone_hash=phone_hash,
                    sealed=phone,
                    phone=text.sender,
                    canary=canary,
                    number=number,
                )
            await inbox.append(transaction, inbox_row)
            if not canary:
                await self._arrivals.note(transaction, now)
            due = now + carrier_copies.SHOW_WAIT
            ref = f"in:{event.id}"
            if at_carrier:
                await carrier_copies.record(transaction, hash_=digest, owner=owner, ref=ref, sealed=copy, due=due, now=now)
            return self._wake.engine if known is not None and known.screened else self._wake.screening

        # The engine may decide before the commit is on the disk; no text leaves and the carrier gets no answer before that.
        wake = await self._commit_text(commit, digest, known)
        if wake is None:
            log.event("webhook.duplicate")
            if known is None:
                await self._vault.destroy(owner)
            await self._database.synced()
            return
        if not canary:
            self._arrivals.record_commit(now)
        self._crash(CrashPoint.INBOUND_COMMITTED)
        if not canary:
            self._measurements.record_arrival(event.id)
        wake(owner)
        await self._database.synced()

    async def _commit_text(
        self, work: Work[Callable[[str], None] | None], digest: bytes, known: KnownTexter | None
    ) -> Callable[[str], None] | None:
        """Commit a text; return the function that wakes its owner, or None for a repeated text. Raises `_ThreadEnded`."""
        try:
            return await self._database.commit(work, sync=Sync.BEGIN)
        except ConstraintViolation:
            if known is None:
                raise
            if await inbox.is_seen(self._database, digest):
                return None
            if await threads.get_phone(self._database, known.thread) is None:
                raise _ThreadEnded from None
            raise

    async def accept_report(self, delivery_report: DeliveryReport) -> None:
        """Store a delivery report (`delivery_reports`). Raises what the database raises."""
        await self._reports.accept(delivery_report)


def _is_inbound_route(request: web.Request) -> bool:
    """Whether a request used the route for texts, not the one for reports."""
    return request.match_info.get("way") == "inbound"
