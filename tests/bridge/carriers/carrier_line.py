"""The bridge's door with an adapter behind it: real database, real vault, real sockets; no homeserver, no engine.

Rule of this module: what is in the database is read as it stands there; what was sealed is opened with the vault.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from bot.model.actions import DESK, Lane, Origin, SendSms
from bot.model.desk import Thread
from bot.model.events import TextArrived, TextOutcome
from bridge.carriers.adapter import Carrier, DeliveryReport, WebhookRequest
from bridge.erasure.carrier_copies import CarrierCopies
from bridge.inbound.hourly_alerts import HourlyAlerts
from bridge.inbound.listener import make_runner
from bridge.inbound.webhook import Webhook
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.outbound import reply_number
from bridge.outbound.dispatcher import OutboxTask
from bridge.outbound.sms_sender import SmsSender
from bridge.services import Services
from bridge.storage import serialization
from bridge.storage.database import Database, Transaction
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault
from policies.keywords import is_stop
from tests.bridge.carriers.harness import Clock
from tests.fakes.database_engine import make_database, put_migrated
from tests.packs import shipped

PACK = shipped("base", "rehearsal")


class BridgeClock:
    """The bridge's clock over a test's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock()

    def system_time(self) -> float:
        return self._clock()


class _AfterDecision(SmsSender):
    """Texts behind an engine that has decided upon everything: what stands in an inbox holds nothing up."""

    def __init__(self, services: Services, *, decide: Callable[[], Awaitable[None]], **parts: Any) -> None:
        super().__init__(services, **parts)
        self._decide = decide

    async def perform(self, task: OutboxTask) -> None:
        await self._decide()
        await super().perform(task)


class CarrierLine:
    """One line: `call` is what arrives from outside, `texts` is what leaves."""

    def __init__(
        self, *, database: Database, vault: Vault, carrier: Carrier, numbers: tuple[str, ...], clock: Clock
    ) -> None:
        self.database, self.vault, self.carrier, self.clock = database, vault, carrier, clock
        self.url = ""
        self._decided: list[Any] = []

        async def loud(what: str, _since: float) -> None:
            raise AssertionError(what)

        async def at_once() -> None:
            """Nobody talks here."""

        services = Services(database=database, vault=vault, clock=BridgeClock(clock))
        self.carrier_copies = CarrierCopies(
            services, carrier=carrier, alert=loud, accept_report=self._report, yield_to_foreground=at_once
        )
        self.hourly_alerts = HourlyAlerts(services)
        self.webhook = Webhook(
            services,
            carrier=carrier,
            line="demo",
            carrier_copies=self.carrier_copies,
            hourly_alerts=self.hourly_alerts,
            numbers=numbers,
            is_stop=partial(is_stop, PACK),
        )
        self.texts = _AfterDecision(
            services,
            decide=self.decide,
            pack=PACK,
            carrier=carrier,
            numbers=numbers,
            carrier_copies=self.carrier_copies,
        )

    async def _report(self, delivery_report: DeliveryReport) -> None:
        await self.webhook.accept_report(delivery_report)

    async def call(self, request: WebhookRequest, *, method: str = "POST") -> tuple[int, str, bytes]:
        """Make a request as it was made elsewhere; return status, content type and body."""
        url = URL(self.url + request.raw_path, encoded=True)
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, data=request.body or None, headers=request.headers) as answer,
        ):
            return answer.status, answer.content_type, await answer.read()

    async def events(self) -> list[Any]:
        """Open what is or was in the inbox, oldest first."""
        return [*self._decided, *await self._standing()]

    async def count_rows(self) -> int:
        """Count what a webhook may leave, but for the desk's own notes of texts that are missing."""
        count: int = await self.database.fetchval(
            """SELECT (SELECT count(*) FROM inbox WHERE kind <> 'TextsMissing') + (SELECT count(*) FROM thread)
               + (SELECT count(*) FROM early_report)"""
        )
        return count

    async def decide(self) -> None:
        """Take everything out of the inbox, as the engine does."""
        self._decided += await self._standing()
        await self.database.commit(lambda transaction: transaction.execute("DELETE FROM inbox"))

    async def _standing(self) -> list[Any]:
        rows = await self.database.fetch("SELECT owner, kind, body FROM inbox ORDER BY seq")
        return [
            serialization.decode(row["kind"], await self.vault.open(row["owner"], "inbox", row["body"])) for row in rows
        ]

    async def bodies(self) -> list[str]:
        return [event.body for event in await self.events() if isinstance(event, TextArrived)]

    async def outcomes(self) -> list[TextOutcome]:
        return [event for event in await self.events() if isinstance(event, TextOutcome)]

    async def threads(self) -> list[Any]:
        return await self.database.fetch("SELECT id, number, aggregate FROM thread ORDER BY id")

    async def number_of(self, owner: str) -> str | None:
        sealed = await self.database.fetchval("SELECT number FROM thread WHERE id = $1", owner)
        return await reply_number.read(self.vault, owner, sealed) or None

    async def queue(self, owner: str, body: str, origin: Origin = Origin.AUTO_REPLY) -> OutboxTask:
        """Put a text into the outbox, said now."""
        text = SendSms(ref=f"out:{secrets.token_hex(4)}", body=body, origin=origin, epoch=0, since=self.clock())
        txn = secrets.token_hex(4)
        sealed = await self.vault.seal(owner, f"outbox {txn}", serialization.encode(text))

        async def commit(transaction: Transaction) -> int:
            number: int = await transaction.fetchval(
                """INSERT INTO outbox (owner, lane, transport, kind, txn, body, created)
                   VALUES ($1, $2, 'carrier', 'SendSms', $3, $4, 0) RETURNING id""",
                owner,
                Lane.CONVERSATION.value,
                txn,
                sealed,
            )
            return number

        return OutboxTask(number=await self.database.commit(commit), owner=owner, txn=txn, created=0, action=text)

    async def state(self, task: OutboxTask) -> str | None:
        state: str | None = await self.database.fetchval("SELECT state FROM outbox WHERE id = $1", task.number)
        return state

    async def thread(self, owner: str) -> Thread:
        sealed = await self.database.fetchval("SELECT aggregate FROM thread WHERE id = $1", owner)
        return serialization.decode_as(Thread, await self.vault.open(owner, "aggregate", sealed))


@asynccontextmanager
async def carrier_line(
    directory: Path,
    carrier: Carrier,
    *,
    numbers: tuple[str, ...] = ("+15555550100",),
    clock: Clock | None = None,
    port: int = 0,
) -> AsyncIterator[CarrierLine]:
    keys = KeyFile(path=directory / "keys.db")
    await keys.open()
    vault = Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33)))
    await vault.create(DESK)
    put_migrated(directory / "main.db", MAIN_SCHEMA)
    database = make_database(directory / "main.db", schema=MAIN_SCHEMA)
    await database.open()
    await database.commit(
        lambda transaction: transaction.execute(
            "CREATE TABLE IF NOT EXISTS matrix_room (room_id TEXT, owner TEXT, key_owner TEXT)"
        )
    )
    line = CarrierLine(database=database, vault=vault, carrier=carrier, numbers=numbers, clock=clock or Clock())
    runner = make_runner(line.webhook.routes(), largest=line.webhook.largest, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    line.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield line
    finally:
        await runner.cleanup()
        await database.close()
        await keys.close()
