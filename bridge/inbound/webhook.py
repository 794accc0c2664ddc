"""The way in from carriers.

Rules of this module: no signature, no inbox; the 2xx leaves only after one durable commit holds the text (and, for a new
texter, after their key is synced in `keys.db`); a commit that fails is a 503, so that the carrier tries again; what came
before is answered 2xx and changes nothing; a text for a thread that is just ending begins another; nothing of a request is
logged. What is signed and no text to this line is kept nowhere, and told at the desk by its kind alone; so is what could
not be read, and what is refused again and again, be it for its signature or its size (`hourly`). Who a new texter is, is
looked up after the 2xx (`screening`): nothing slow stands before it.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakValueDictionary

from aiohttp import web
from aiohttp.http import HttpProcessingError

from bot.model.events import Outcome, TextArrived, TextOutcome
from bot.model.line_incidents import Gap, Stray, StrayCame, TextsMissing
from bot.model.text_order import DOUBT, moment
from bridge.carriers.adapter import Carrier, DeliveryReport, Inbound, InboundText, Malformed, Unwanted, WebhookRequest
from bridge.erasure import carrier_copies
from bridge.erasure.carrier_copies import Copies
from bridge.inbound import screening
from bridge.inbound.hourly_alerts import Hourly, Refusals
from bridge.outbound.sms_sender import HORIZON, PHONE
from bridge.runtime import log
from bridge.runtime.clock import Clock, heard
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Sealed, Vault
from bridge.tables import inbox, reply_number

REFUSED: Final = b"not signed by the carrier"
"""What a stranger is told: with it `carrier check` knows our refusal from a proxy's."""

CHECKS: Final = (b"", b"quietline=check", b'{"quietline": "check"}')
"""What `carrier check` calls us with, unsigned and signed: nobody need hear of it."""

REPORTED: Final = {
    "sent": Outcome.ACCEPTED,
    "delivered": Outcome.DELIVERED,
    "failed": Outcome.FAILED,
    "opted_out": Outcome.OPTED_OUT,
}
TOLD: Final[dict[str, StrayCame | TextsMissing]] = {
    "channel": StrayCame(kind=Stray.CHANNEL),
    "group": StrayCame(kind=Stray.GROUP),
    "malformed": TextsMissing(kind=Gap.UNREADABLE),
}
"""What the desk hears of what is `Unwanted`, by its `why`."""


class NotKept(OSError):  # noqa: N818 - it says what happened
    """There is no way to keep a text of this phone now: its thread stands and its key is gone. A carrier tries again."""


class _Ended(Exception):  # noqa: N818 - it says what happened
    """The texter's thread ended between the look-up and the commit."""


class Webhook:
    """Takes texts and reports in, from requests and from listings alike."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        carrier: Carrier,
        line: str,
        copies: Copies,
        wake_engine: Callable[[str], None],
        screen: Callable[[str], None],
        hourly: Hourly,
        crash: Crash,
    ) -> None:
        self._store, self._vault, self._clock, self._carrier, self._line = store, vault, clock, carrier, line
        self._copies, self._wake_engine, self._screen, self._crash = copies, wake_engine, screen, crash
        # One at a time per texter: a new texter gets one thread, and texts keep the order in which they came.
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._hourly, self._refusals = hourly, {kind: Refusals() for kind in Gap}

    @property
    def largest(self) -> int:
        """Bytes of the largest request that is taken: an application that serves the routes must take as many."""
        return self._carrier.largest

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this line."""
        return [
            # A vendor without signature has a secret segment at the end; the adapter judges it. Some vendors call with GET.
            web.route(method, f"/carriers/{self._line}/{{way:inbound|status}}{{rest:(?:/[^/]*)?}}", self.receive)
            for method in ("GET", "POST")
        ]

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one webhook: 200; `Carrier.refusal` without signature, 400 malformed, 413 too large, 503 not kept."""
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            log.event("webhook.too_large")
            await self._again(Gap.LARGE if _of_texts(request) else Gap.REPORTS)
            raise
        except (web.RequestPayloadError, HttpProcessingError):
            # Not what its `Content-Encoding` says: nobody can tell whose it is.
            log.event("webhook.undecodable")
            await self._again(Gap.REFUSED if _of_texts(request) else Gap.REPORTS)
            return web.Response(status=400)
        called = WebhookRequest(raw_path=request.raw_path, headers=request.headers, body=body)
        concerns = body not in CHECKS or bool(request.query_string)
        if not self._carrier.verify(called):
            log.event("webhook.unsigned")
            if concerns:
                await self._again(Gap.REFUSED if _of_texts(request) else Gap.REPORTS)
            return web.Response(status=self._carrier.refusal, body=REFUSED)
        try:
            arrived: tuple[Inbound, ...] | None = self._carrier.parse(called)
        except Malformed:
            log.event("webhook.malformed")
            arrived = None
        try:
            if arrived is None and _of_texts(request):
                await self._hourly.tell(TextsMissing(kind=Gap.UNREADABLE))
            for item in arrived or ():
                await self._one(item)
        except (sqlite3.Error, OSError) as error:
            log.failure("webhook.not_kept", error)
            return web.Response(status=503)
        if arrived is None:
            if concerns and not _of_texts(request):
                await self._again(Gap.REPORTS)
            return web.Response(status=400)
        content_type, words = self._carrier.answer
        answer = web.Response(status=200, content_type=content_type, body=words)
        await answer.prepare(request)
        await answer.write_eof()
        self._crash(CrashPoint.INBOUND_ANSWERED)
        return answer

    async def _one(self, item: Inbound) -> None:
        match item:
            case InboundText():
                await self.take(item)
            case DeliveryReport():
                await self.report(item)
            case Unwanted():
                log.event("webhook.unwanted", kind=item.why)
                if (told := TOLD.get(item.why)) is not None:
                    await self._hourly.tell(told)

    async def _again(self, kind: Gap) -> None:
        """Tell the desk when what could be the carrier's is refused again and again: its key or address may be wrong."""
        if not self._refusals[kind].again(self._clock.wall()):
            return
        try:
            await self._hourly.tell(TextsMissing(kind=kind))
        except (sqlite3.Error, OSError) as error:
            log.failure("webhook.not_told", error)

    async def take(self, text: InboundText) -> None:
        """Keep one text, once. Raises what the database raises, and `NotKept`."""
        phone_hash = self._vault.phone_hash(self._line, text.sender)
        turn = self._turns.setdefault(phone_hash, asyncio.Lock())
        async with turn:
            for last in (False, True):
                owner = await self._store.fetchval("SELECT id FROM thread WHERE phone_hash = $1", phone_hash)
                try:
                    await self._keep(text, owner, phone_hash)
                except (_Ended, Sealed):
                    # Its key goes right after its row, and neither comes back. Where a row stands without its key, as
                    # after somebody put an older keys.db back, no second look helps.
                    if last or owner is None:
                        raise NotKept from None
                else:
                    return

    async def _keep(self, text: InboundText, known: str | None, phone_hash: bytes) -> None:
        now = self._clock.wall()
        seen = self._vault.keyed_hash(f"carrier {self._carrier.kind}", text.message_id)
        owner = known or secrets.token_hex(16)
        if known is None:
            if await self._store.fetchval("SELECT until FROM seen WHERE hash = $1", seen) is not None:
                log.event("webhook.duplicate")
                return
            await self._vault.create(owner)
            self._crash(CrashPoint.KEY_WRITTEN)
        # What is told of hours later, by a listing or a late retry, has not just arrived: nothing answers it by itself.
        told = None if text.at is None else heard(self._clock, text.at.timestamp())
        sent = told if told is not None and told <= now + DOUBT else None
        at = now if told is None else min(told, now)
        event = TextArrived(
            id=seen[:12].hex(), body=text.text, at=at, sent=sent, media=len(text.media), loose=self._carrier.loose
        )
        letter = await inbox.seal(self._vault, owner, event)
        phone = await self._vault.seal(owner, PHONE, text.sender.reveal().encode()) if known is None else b""
        when = moment(event)
        number = await reply_number.seal(self._vault, owner, text.to, when) if text.to else None
        copy = await self._copies.seal(text.message_id)

        async def commit(conn: Connection) -> Callable[[str], None] | None:
            standing: Any = await conn.fetchrow("SELECT screened, number FROM thread WHERE id = $1", owner)
            if known is not None and standing is None:
                raise _Ended
            fresh = await conn.fetchval(
                "INSERT INTO seen (hash, until) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING until",
                seen,
                int(now) + HORIZON,
            )
            if fresh is None:
                return None
            if known is None:
                await screening.put(conn, self._vault, owner=owner, phone_hash=phone_hash, sealed=phone, phone=text.sender)
            stands = standing["number"] if standing is not None else None
            if number is not None and not await reply_number.older(self._vault, owner, stands, when, now=now):
                await conn.execute("UPDATE thread SET number = $1 WHERE id = $2", number, owner)
            await inbox.put(conn, letter)
            due = now + carrier_copies.UNSHOWN
            ref = f"in:{event.id}"
            await carrier_copies.note(conn, hash_=seen, owner=owner, ref=ref, sealed=copy, due=due, now=now)
            return self._wake_engine if standing is not None and standing["screened"] else self._screen

        # It is decided on while it is on its way to the disk; nothing leaves and nothing is answered before it is there.
        wake = await self._store.commit(commit, synced=False)
        if wake is None:
            log.event("webhook.duplicate")
            if known is None:
                await self._vault.destroy(owner)
            await self._store.synced()
            return
        self._crash(CrashPoint.INBOUND_COMMITTED)
        wake(owner)
        await self._store.synced()

    async def report(self, report: DeliveryReport) -> None:
        """Take a delivery report in; one that comes before its text's result is kept for it, one that comes twice is one.

        That a text was sent is news only while its result is unknown.
        """
        outcome = REPORTED[report.status]
        digest = self._vault.keyed_hash(f"carrier {self._carrier.kind}", report.message_id)
        seen = self._vault.keyed_hash(f"report {self._carrier.kind}", f"{report.status} {report.message_id}")
        copy = await self._copies.seal(report.message_id)
        now = self._clock.wall()
        until = int(now) + HORIZON

        async def commit(conn: Connection) -> str | None:
            if outcome is not Outcome.ACCEPTED:
                await carrier_copies.reported(conn, digest, now)
            # Looked up in here: the text's result may be on its way into the database right now.
            known = await conn.fetchrow("SELECT owner, ref, unknown FROM sent_text WHERE hash = $1", digest)
            if known is not None and outcome is Outcome.ACCEPTED and not known["unknown"]:
                return None
            fresh = await conn.fetchval(
                "INSERT INTO seen (hash, until) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING until", seen, until
            )
            if fresh is None:
                return None
            if known is not None:
                event = TextOutcome(ref=known["ref"], outcome=outcome, code=report.code[:20])
                try:
                    letter = await inbox.seal(self._vault, known["owner"], event)
                except Sealed:
                    return None
                await inbox.put(conn, letter)
                return letter.owner
            # Its result is on its way, or never came: then this is all that says under which id the carrier has it.
            due = now + (carrier_copies.UNREPORTED if outcome is Outcome.ACCEPTED else carrier_copies.EARLY)
            await carrier_copies.note(conn, hash_=digest, owner="", ref="", sealed=copy, due=due, now=now)
            await conn.execute(
                """INSERT INTO early_report (hash, outcome, code, until) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (hash) DO UPDATE SET outcome = excluded.outcome, code = excluded.code
                   WHERE early_report.outcome = 'accepted'""",
                digest,
                outcome.value,
                report.code[:20],
                until,
            )
            return None

        owner = await self._store.commit(commit)
        self._copies.wake()
        if owner is not None:
            self._wake_engine(owner)


def _of_texts(request: web.Request) -> bool:
    """Whether a request came where texts come, and not reports of ours."""
    return request.match_info.get("way") == "inbound"
