"""The person on call: called by every way there is, with no word of why; and the desk knows when nobody took the call."""

from __future__ import annotations

import asyncio
import email
import json
from collections.abc import AsyncIterator
from email.message import Message
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.model.actions import DESK, PageOnCall
from bot.model.line_incidents import PageFailed
from bridge.config import Email, OnCall
from bridge.outbound.dispatcher import OutboxTask, RetryLater
from bridge.outbound.pager import ALERT_AFTER, GIVE_UP_AFTER, MESSAGE, TEST_MESSAGE, Pager
from bridge.runtime.crash_points import CrashHook, CrashPoint, never_crash
from bridge.services import WakeUps
from bridge.storage import serialization
from bridge.tables import inbox, line_state
from bridge.tables.outbox import OutboxRow
from tests.fakes.bridge_harness import BridgeHarness

REASON = "escalated"


class ProcessDied(Exception):  # noqa: N818 - it says what happened
    """Where the process ends."""


class FakeChannels:
    """A webhook and a mail server on real sockets. `status`: what the webhook answers; `mails`: what was taken."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.mails: list[Message] = []
        self.recipients: list[str] = []

    async def hook(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        return web.Response(status=self.status)

    async def mail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            match line.split(b":")[0].split()[0].upper():
                case b"DATA":
                    writer.write(b"354 go\r\n")
                    self.mails.append(email.message_from_bytes(await reader.readuntil(b"\r\n.\r\n")))
                case b"RCPT":
                    self.recipients.append(line.decode().strip())
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
            writer.write(b"250 ok\r\n")
        writer.close()


class PagerHarness:
    """A pager with both ways, and one row of the outbox for it."""

    def __init__(
        self, harness: BridgeHarness, outside: FakeChannels, http: aiohttp.ClientSession, on_call: OnCall | None
    ) -> None:
        self.harness, self.outside, self._http, self.on_call = harness, outside, http, on_call
        self.woken: list[str] = []
        self.crash: CrashHook = never_crash

    async def perform(self, test: str = "") -> int:
        """Perform the row, in earnest or as that test; returns how many rows stand after it."""
        harness, action = self.harness, PageOnCall(reason=REASON, test=test)
        pager = Pager(
            harness.services_with(WakeUps(engine=self.woken.append), crash=self.crash),
            on_call=self.on_call,
            http=self._http,
        )
        if not await harness.count("outbox"):
            body = await harness.vault.seal(DESK, "outbox page", serialization.encode(action))
            item = OutboxRow("conversation", "page", "PageOnCall", "page", body)
            at = int(harness.clock.now())
            await harness.database.commit(lambda transaction: harness.outbox.put(transaction, DESK, item, at))
        row: Any = await harness.database.fetchrow("SELECT id, created FROM outbox")
        task = OutboxTask(number=row["id"], owner=DESK, txn="page", created=row["created"], action=action)
        await pager.perform(task)
        return await harness.count("outbox")

    async def told(self) -> list[bool]:
        """Return what the desk was told: whether each time it was given up."""
        rows = await self.harness.database.fetch("SELECT body FROM inbox WHERE owner = 'desk' ORDER BY seq")
        events = [
            serialization.decode_as(PageFailed, await self.harness.vault.open(DESK, inbox.CONTEXT, r["body"])) for r in rows
        ]
        return [event.given_up for event in events]


@pytest.fixture
async def called(tmp_path: Path) -> AsyncIterator[PagerHarness]:
    harness, outside = BridgeHarness(tmp_path), FakeChannels()
    await harness.open()
    await harness.vault.create(DESK)
    app = web.Application()
    app.router.add_post("/hook", outside.hook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    post = await asyncio.start_server(outside.mail, "127.0.0.1", 0)
    url = tmp_path / "url"
    url.write_text(f"http://127.0.0.1:{site.port}/hook\n")
    by_mail = Email(
        host="127.0.0.1",
        port=post.sockets[0].getsockname()[1],
        starttls=False,
        sender="line@agency.example",
        to=["one@agency.example", "two@agency.example"],
    )
    async with aiohttp.ClientSession() as http:
        yield PagerHarness(harness, outside, http, OnCall(webhook_file=url, email=by_mail))
    post.close()
    await runner.cleanup()
    await harness.close()


@pytest.mark.practice(30)
async def test_a_call_says_that_somebody_is_needed_and_nothing_else(called: PagerHarness) -> None:
    """Webhook and e-mail hold one fixed sentence: no reason, no name, no designation, nothing of the line."""
    assert await called.perform() == 0
    assert [json.loads(body) for body in called.outside.bodies] == [{"text": MESSAGE}]
    (mail,) = called.outside.mails
    assert str(mail.get_payload()).strip().removesuffix("\r\n.").strip() == MESSAGE
    assert mail["Subject"] == MESSAGE
    assert set(mail.keys()) <= {"From", "To", "Subject", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
    assert [line.partition("<")[2] for line in called.outside.recipients] == ["one@agency.example>", "two@agency.example>"]
    said = f"{called.outside.bodies}{called.outside.headers}{mail}".casefold()
    assert not [word for word in (REASON, "quietline", "desk ", "duress", "wait") if word in said]
    assert await called.told() == []


async def test_one_way_that_takes_it_is_enough(called: PagerHarness) -> None:
    """With the webhook refusing and the mail taken, a person was called: it is not done again, and nobody is alarmed."""
    called.outside.status = 500
    assert await called.perform() == 0
    assert len(called.outside.mails) == 1
    assert await called.told() == []


async def test_without_a_way_nothing_is_called_and_nothing_waits(called: PagerHarness) -> None:
    """A line without anybody on call is no failure: the row goes."""
    for none in (None, OnCall()):
        called.on_call = none
        assert await called.perform() == 0
    assert await called.told() == []


@pytest.mark.parametrize("broken", ["refused", "no secret"])
async def test_the_desk_hears_that_nobody_could_be_called(called: PagerHarness, broken: str) -> None:
    """After a minute of failing the desk is told once, while it is still tried; after a quarter of an hour it is given up.

    A secret that cannot be read is a failure like any other, and holds no later call up.
    """
    assert called.on_call is not None
    assert called.on_call.webhook_file is not None
    called.on_call = OnCall(webhook_file=called.on_call.webhook_file)
    called.outside.status = 500
    if broken == "no secret":
        called.on_call.webhook_file.unlink()  # type: ignore[union-attr]
    for passed, told in (
        (0, []),
        (ALERT_AFTER - 1, []),
        (ALERT_AFTER, [False]),
        (ALERT_AFTER + 20, [False]),
        (GIVE_UP_AFTER - 1, [False]),
    ):
        called.harness.clock.at = 1_800_000_000.0 + passed
        with pytest.raises(RetryLater):
            await called.perform()
        assert await called.told() == told
    called.harness.clock.at = 1_800_000_000.0 + GIVE_UP_AFTER
    assert await called.perform() == 0
    assert await called.told() == [False, True]
    assert called.woken == [DESK, DESK]


async def test_killed_after_the_call(called: PagerHarness) -> None:
    """Killed before the call is noted it is made once more: twice is a nuisance, never is worse."""

    def dies(point: CrashPoint) -> None:
        if point is CrashPoint.PAGED:
            raise ProcessDied

    called.crash = dies
    with pytest.raises(ProcessDied):
        await called.perform()
    called.crash = never_crash
    assert await called.perform() == 0
    assert len(called.outside.bodies) == 2


async def test_a_test_is_called_once_and_says_that_it_is_one(called: PagerHarness) -> None:
    """Each way has the other sentence; which of them took it is left for whoever asked, and no alarm follows."""
    called.outside.status = 500
    assert await called.perform(test="0123abcd") == 0
    assert [json.loads(body) for body in called.outside.bodies] == [{"text": TEST_MESSAGE}]
    assert [mail["Subject"] for mail in called.outside.mails] == [TEST_MESSAGE]
    told = json.loads(await line_state.get(called.harness.database, line_state.ALARM_TEST_RESULT) or "")
    assert told == {"test": "0123abcd", "ways": {"webhook": False, "email": True}}
    assert await called.told() == []
    assert "nobody is needed" in TEST_MESSAGE
