"""The person on call: called by every way there is, with no word of why; and the desk knows when nobody took the call."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.model.actions import DESK, PageOnCall
from bot.model.line_incidents import PageFailed
from bridge.config.sections import Email, OnCall
from bridge.outbound.dispatcher import OutboxTask, RetryLater
from bridge.outbound.pager import (
    ALERT_AFTER,
    GIVE_UP_AFTER,
    LAST_CALL,
    MESSAGE,
    SECOND_CALL,
    SECOND_MESSAGE,
    TEST_MESSAGE,
    Pager,
    call_as_second,
    may_call_again,
    note_accepted_call,
    unaccepted_calls,
)
from bridge.runtime.crash_points import CrashHook, CrashPoint, never_crash
from bridge.services import WakeUps
from bridge.storage import serialization
from bridge.storage.database import Work
from bridge.storage.errors import LeadLost, Unavailable
from bridge.tables import inbox, line_state
from bridge.tables.outbox import OutboxRow
from tests.deploy.init.proxy_rig import make_certificates
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.mail_server import MailServer, nothing
from tests.fakes.served import served

REASON = "escalated"


class ProcessDied(Exception):  # noqa: N818 - it says what happened
    """Where the process ends."""


class FakeChannels:
    """A webhook and a mail server on real sockets. `status`: what the webhook answers; `mail.taken`: what was taken.

    `on_hook`: awaited before the webhook answers.
    """

    def __init__(self) -> None:
        self.status = 200
        self.on_hook: Callable[[], Awaitable[None]] = nothing
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.mail = MailServer()

    async def hook(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        await self.on_hook()
        return web.Response(status=self.status)


class PagerHarness:
    """A pager with both ways, and one row of the outbox for it."""

    def __init__(
        self, harness: BridgeHarness, outside: FakeChannels, http: aiohttp.ClientSession, on_call: OnCall | None
    ) -> None:
        self.harness, self.outside, self._http, self.on_call = harness, outside, http, on_call
        self.woken: list[str] = []
        self.crash: CrashHook = never_crash
        self.may_leave = True

    def pager(self) -> Pager:
        """Make a pager, as a bridge does that starts."""
        return Pager(
            self.harness.services_with(WakeUps(engine=self.woken.append), crash=self.crash),
            on_call=self.on_call,
            http=self._http,
            before_bytes=self.confirm,
        )

    async def confirm(self) -> None:
        """Say whether bytes may leave, as a lead does."""
        if not self.may_leave:
            raise LeadLost("lost")

    async def perform(self, test: str = "") -> int:
        """Perform the row, in earnest or as that test; returns how many rows stand after it."""
        await self.perform_by(self.pager(), test)
        return await self.harness.count("outbox")

    async def perform_by(self, pager: Pager, test: str = "") -> None:
        """Perform the row by this pager; it is put in where there is none."""
        harness, action = self.harness, PageOnCall(reason=REASON, test=test)
        if not await harness.count("outbox"):
            body = await harness.vault.seal(DESK, "outbox page", serialization.encode(action))
            item = OutboxRow("conversation", "page", "PageOnCall", "page", body)
            at = int(harness.clock.now())
            await harness.database.commit(lambda transaction: harness.outbox.put(transaction, DESK, item, at))
        row: Any = await harness.database.fetchrow("SELECT id, created FROM outbox")
        task = OutboxTask(number=row["id"], owner=DESK, txn="page", created=row["created"], action=action)
        await pager.perform(task)

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
    async with served(app) as base, outside.mail, aiohttp.ClientSession() as http:
        url = tmp_path / "url"
        url.write_text(f"{base}/hook\n")
        by_mail = Email(
            host="127.0.0.1",
            port=outside.mail.port,
            starttls=False,
            sender="line@agency.example",
            to=["one@agency.example", "two@agency.example"],
        )
        yield PagerHarness(harness, outside, http, OnCall(webhook_file=url, email=by_mail))
    await harness.close()


@pytest.mark.practice(30)
async def test_a_call_says_that_somebody_is_needed_and_nothing_else(called: PagerHarness) -> None:
    """Webhook and e-mail hold one fixed sentence: no reason, no name, no designation, nothing of the line."""
    assert await called.perform() == 0
    assert [json.loads(body) for body in called.outside.bodies] == [{"text": MESSAGE}]
    (mail,) = called.outside.mail.taken
    assert str(mail.get_payload()).strip().removesuffix("\r\n.").strip() == MESSAGE
    assert mail["Subject"] == MESSAGE
    described = {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
    assert set(mail.keys()) <= {"From", "To", "Subject", "Date", "Message-ID", *described}
    assert [line.partition("<")[2] for line in called.outside.mail.recipients] == [
        "one@agency.example>",
        "two@agency.example>",
    ]
    said = f"{called.outside.bodies}{called.outside.headers}{mail}".casefold()
    assert not [word for word in (REASON, "quietline", "desk ", "duress", "wait") if word in said]
    assert await called.told() == []


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_mail_server_on_whose_port_tls_begins_at_once(
    called: PagerHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    """Many providers offer only that (port 465). A certificate that no authority of this machine vouches for is refused."""
    make_certificates(tmp_path / "tls")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(tmp_path / "tls" / "host.pem", tmp_path / "tls" / "host.key")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls" / "ca.pem"))
    assert called.on_call is not None
    assert called.on_call.email is not None
    async with MailServer(server_side) as mail:
        monkeypatch.setattr("bridge.outbound.pager.SMTPS_PORT", mail.port)
        called.on_call = OnCall(email=called.on_call.email.model_copy(update={"port": mail.port, "starttls": True}))
        if trusted:
            assert await called.perform() == 0
        else:
            with pytest.raises(RetryLater):
                await called.perform()
    assert len(mail.taken) == trusted


async def test_one_way_that_takes_it_is_enough(called: PagerHarness) -> None:
    """With the webhook refusing and the mail taken, a person was called: it is not done again, and nobody is alarmed."""
    called.outside.status = 500
    assert await called.perform() == 0
    assert len(called.outside.mail.taken) == 1
    assert await called.told() == []


async def test_a_way_that_refuses_while_another_takes_it_is_known(called: PagerHarness) -> None:
    """An e-mail that nobody reads at night hides a webhook that is dead: `doctor` has to know, until a call is accepted."""

    async def refused() -> str | None:
        return await line_state.get(called.harness.database, line_state.PAGE_REFUSED)

    called.outside.status = 500
    assert await called.perform() == 0
    assert await refused() == "webhook"
    called.outside.status = 200
    assert await called.perform(test="0123abcd") == 0
    assert await refused() == ""
    called.outside.status = 500
    assert await called.perform(test="0123abcd") == 0
    assert await refused() == "webhook"


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
    pager = called.pager()
    for passed, expected in (
        (0, []),
        (ALERT_AFTER - 1, []),
        (ALERT_AFTER, [False]),
        (ALERT_AFTER + 20, [False]),
        (GIVE_UP_AFTER - 1, [False]),
    ):
        called.harness.clock.at = 1_800_000_000.0 + passed
        with pytest.raises(RetryLater):
            await called.perform_by(pager)
        assert await called.told() == expected
    called.harness.clock.at = 1_800_000_000.0 + GIVE_UP_AFTER
    await called.perform_by(pager)
    assert await called.harness.count("outbox") == 0
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


@pytest.mark.parametrize("lost", ["before the mail", "before its words"])
@pytest.mark.parametrize("test", ["", "0123abcd"])
async def test_who_has_lost_the_lead_writes_no_mail(called: PagerHarness, lost: str, test: str) -> None:
    """A bridge that wakes while a slow way is tried calls by no other, however far that was; the row is the next one's."""

    async def lose() -> None:
        called.may_leave = False

    called.outside.status = 500
    if lost == "before the mail":
        called.outside.on_hook = lose
    else:
        called.outside.mail.on_data = lose
    with pytest.raises(LeadLost):
        await called.perform(test)
    assert called.outside.mail.taken == []
    assert bool(called.outside.mail.recipients) is (lost != "before the mail")
    called.may_leave, called.outside.on_hook, called.outside.mail.on_data = True, nothing, nothing
    assert await called.perform(test) == 0
    assert len(called.outside.mail.taken) == 1


async def test_a_call_that_was_taken_is_not_made_again_while_it_cannot_be_noted(
    called: PagerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a disk that is full, or a server that is away, the note is tried again and nobody is called again."""
    commit, failures = called.harness.database.commit, [Unavailable("SQLITE_FULL"), Unavailable("SQLITE_FULL")]

    async def fails(work: Work[bool]) -> bool:
        if failures and called.outside.bodies:
            raise failures.pop()
        return await commit(work)

    monkeypatch.setattr(called.harness.database, "commit", fails)
    assert await called.perform() == 0
    assert failures == []
    assert (len(called.outside.bodies), len(called.outside.mail.taken)) == (1, 1)


async def test_an_orderly_stop_waits_for_a_call_under_way(called: PagerHarness) -> None:
    """It is finished and noted, so whoever leads next does not call for the same once more."""
    was_asked, answer = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        was_asked.set()
        await answer.wait()

    called.outside.on_hook = hold
    pager = called.pager()
    performing = asyncio.create_task(called.perform_by(pager))
    await was_asked.wait()
    performing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await performing
    stopping = asyncio.create_task(pager.wait_for_calls())
    await asyncio.sleep(0)
    assert not stopping.done()
    answer.set()
    await stopping
    assert (len(called.outside.bodies), len(called.outside.mail.taken)) == (1, 1)
    assert await called.harness.count("outbox") == 0


async def test_a_test_is_called_once_and_says_that_it_is_one(called: PagerHarness) -> None:
    """Each way has the other sentence; which of them took it is left for whoever asked, and no alarm follows."""
    called.outside.status = 500
    assert await called.perform(test="0123abcd") == 0
    assert [json.loads(body) for body in called.outside.bodies] == [{"text": TEST_MESSAGE}]
    assert [mail["Subject"] for mail in called.outside.mail.taken] == [TEST_MESSAGE]
    result = json.loads(await line_state.get(called.harness.database, line_state.ALARM_TEST_RESULT) or "")
    assert result == {"test": "0123abcd", "ways": {"webhook": False, "email": True}}
    assert await called.told() == []
    assert "nobody is needed" in TEST_MESSAGE


async def test_a_second_bridge_calls_until_a_call_was_taken(called: PagerHarness, tmp_path: Path) -> None:
    """It was noted before the call: killed in between, or where nobody took it, the person was never told.

    What one way took is noted before the next one is tried, and no other start calls.
    """
    note, stand = tmp_path / SECOND_CALL, list[bool]()

    async def look() -> None:
        stand.append(note.exists())

    called.outside.on_hook = called.outside.mail.on_data = look
    async with aiohttp.ClientSession() as http:
        assert called.on_call is not None
        called.outside.status = 500
        await call_as_second(OnCall(webhook_file=called.on_call.webhook_file), http, data_dir=tmp_path)
        assert not note.exists(), "no way took it"
        called.outside.status = 200
        for _ in range(2):
            await call_as_second(called.on_call, http, data_dir=tmp_path)
    assert stand == [False, False, True]
    assert [json.loads(body) for body in called.outside.bodies] == [{"text": SECOND_MESSAGE}] * 2
    assert len(called.outside.mail.taken) == 1


def test_calls_that_no_way_accepts_grow_rarer(tmp_path: Path) -> None:
    """A service that rings and then answers with an error is not asked each minute all night, but often enough.

    After a call that a way accepted the next one is made in an hour, and the count begins again.
    """
    note, now = tmp_path / LAST_CALL, time.time()

    def minutes_until_next() -> int:
        since = note.stat().st_mtime
        return next(n for n in range(1, 100) if may_call_again(tmp_path, since + n * 60))

    assert may_call_again(tmp_path, now)
    assert [minutes_until_next() for _ in range(6)] == [1, 2, 4, 5, 5, 5]
    assert unaccepted_calls(tmp_path) == 7
    note_accepted_call(tmp_path)
    assert [minutes_until_next(), minutes_until_next()] == [60, 1]
