"""A bridge that has lost its lead, as the process opens it: nothing leaves it any more, by whatever way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.model.actions import DESK, PageOnCall
from bridge.app.bridge import Bridge
from bridge.carriers.base import BaseCarrier
from bridge.carriers.http_request import TIMEOUT
from bridge.lease import lead as lead_module
from bridge.outbound.dispatcher import OutboxTask
from bridge.storage.errors import LeadLost
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.tables.lease_table import place_of_lease
from tests.bridge.app.shared_line import SharedLine, shared_line
from tests.e2e.polling import wait_until
from tests.fakes.fake_carrier import send_words
from tests.fakes.mail_server import MailServer
from tests.fakes.postgres_server import PostgresServer

ANSWER = b"HTTP/1.1 503 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
NUMBER = "+15555550100"
CALL = OutboxTask(number=1, owner=DESK, txn="page", created=0, action=PageOnCall(reason="escalated", test="words"))


class Listener:
    """A server that keeps every byte it is sent, and refuses every request."""

    def __init__(self) -> None:
        self.received, self.connections, self.port = b"", 0, 0

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        """Listen, until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while data := await reader.read(65536):
            self.received += data
            writer.write(ANSWER)
        writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener().listening() as server:
        yield server


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
async def line(
    tmp_path: Path,
    postgres_server: PostgresServer,
    listener: Listener,
    mail: MailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> SharedLine:
    shared = await shared_line(tmp_path, postgres_server, monkeypatch)
    shared.line["carrier"]["api_base"] = listener.url
    shared.line["on_call"] = {
        "email": {
            "host": "127.0.0.1",
            "port": mail.port,
            "starttls": False,
            "sender": "line@agency.example",
            "to": ["one@agency.example"],
        }
    }
    return shared


def ways_out(bridge: Bridge, listener: Listener) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return what leaves a bridge: to the homeserver and to webhooks, to the carrier, by e-mail."""
    resources = bridge._resources
    return {
        "http": lambda: resources.http.post(listener.url, data=b"words"),
        "carrier": lambda: send_words(resources.carrier, "+15555550123", "words", number=NUMBER),
        "mail": lambda: bridge.pager.perform(CALL),
    }


async def lose(bridge: Bridge) -> None:
    """Have another take the lease, and the bridge find it."""
    lead, server = bridge._resources.lead, bridge._resources.config.database_url
    assert lead is not None
    assert server is not None
    connection = await connect(place_of_lease(PostgresPlace(server, "main")))
    await connection.execute("UPDATE lease SET epoch = epoch + 1, holder = 'another'")
    await connection.close()

    async def lost() -> bool | None:
        return lead.is_lost or None

    await wait_until("it is lost", lost, every=0.02)


@pytest.mark.parametrize("way", ["http", "carrier", "mail"])
async def test_nothing_leaves_a_bridge_that_lost_the_lead(
    line: SharedLine, listener: Listener, mail: MailServer, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Each client that a bridge opens asks its own lead: a request raises, and of it no byte arrives."""
    monkeypatch.setattr(lead_module, "RENEW_SECONDS", 0.02)
    async with AsyncExitStack() as stack:
        bridge = await line.lead(line.config(), stack)
        leave = ways_out(bridge, listener)[way]
        await leave()
        assert listener.received if way != "mail" else mail.taken, "it leaves while it leads"
        await lose(bridge)
        listener.received, before = b"", len(mail.commands)
        with pytest.raises(LeadLost):
            await leave()
        with pytest.raises(LeadLost):
            await bridge._resources.services.database.commit(lambda transaction: transaction.execute("SELECT 1"))
    assert (listener.received, mail.commands[before:]) == (b"", [])
    assert (listener.connections, mail.begun) == ((0, 2) if way == "mail" else (2, 0)), "they were there to be reached"
    assert line.ends == ["the lease is another's"]


async def test_a_new_leader_waits_longer_than_a_request_to_a_carrier_lasts(line: SharedLine) -> None:
    """What a frozen leader had begun has ended by then: the bound of the one is above the bound of the other."""
    async with AsyncExitStack() as stack:
        bridge = await line.lead(line.config(), stack)
        carrier = bridge._resources.carrier
        assert isinstance(carrier, BaseCarrier)
        assert TIMEOUT.total < lead_module.REQUEST_SECONDS
        assert {(session.timeout.total, session.timeout.connect) for session in carrier._http.sessions} == {
            (TIMEOUT.total, TIMEOUT.connect)
        }


async def test_a_new_leader_sends_no_text_before_that(line: SharedLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bridge itself waits for it, and takes no text from the outbox meanwhile."""
    async with AsyncExitStack() as stack:
        bridge = await line.lead(line.config(), stack)
        lead, may_send, is_waiting, transports = bridge._resources.lead, asyncio.Event(), asyncio.Event(), list[str]()

        async def wait() -> None:
            is_waiting.set()
            await may_send.wait()

        async def run(transport: str, _perform: object) -> None:
            transports.append(transport)

        monkeypatch.setattr(lead, "wait_for_former_requests", wait)
        monkeypatch.setattr(bridge.outbox, "run", run)
        sending = asyncio.create_task(bridge._send_texts())
        await asyncio.wait((sending, asyncio.create_task(is_waiting.wait())), return_when=asyncio.FIRST_COMPLETED)
        assert (is_waiting.is_set(), transports) == (True, [])
        may_send.set()
        await sending
        assert transports == ["carrier"]
