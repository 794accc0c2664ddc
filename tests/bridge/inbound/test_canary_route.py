"""The canary's route: closed to everybody else, apart from every carrier, and its thread counted nowhere."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import aiohttp
import pytest
from aiohttp import web

from bot.model.actions import DESK, Invite, SendMessage
from bot.model.events import MemberJoined, MessageSent, PowerLevelsChanged
from bot.model.line_incidents import CanaryStep
from bridge.carriers.adapter import InboundText
from bridge.inbound.canary_route import CanaryExchange, CanaryRoute
from bridge.inbound.screening import NewThreadRateLimit
from bridge.inbound.webhook import Webhook
from bridge.outbound.sms_sender import SmsSender
from bridge.runtime.canary_keys import CANARY_NUMBER, CANARY_PHONE
from policies.keywords import is_stop
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import LINE, NUMBER, BridgeHarness
from tests.fakes.served import served

CANARY, ADA = "@canary:quietline.localhost", "@ada:quietline.localhost"
TOKEN = secrets.token_hex(16)
PATH, UNKNOWN = f"/carriers/{LINE}/canary", f"/carriers/{LINE}/no-such-path"


@dataclass(kw_only=True)
class CanaryClient:
    """A bridge that serves the route on a socket; `reports` are what it heard."""

    harness: BridgeHarness
    exchange: CanaryExchange
    url: str = ""
    reports: list[tuple[CanaryStep | None, float]] = field(default_factory=list)

    async def ask(
        self, method: str, *, path: str = PATH, token: str = TOKEN, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask once; returns status, headers without the date, body."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, self.url + path, headers=headers, data=body) as answer,
        ):
            answer_headers = {name: value for name, value in answer.headers.items() if name != "Date"}
            return answer.status, answer_headers, await answer.read()

    async def text(self, words: str, *, message_id: str = "1") -> int:
        """Send a text by the route; returns the status."""
        status, _, _ = await self.ask("POST", body=json.dumps({"id": message_id, "text": words}).encode())
        return status

    async def owner(self) -> str:
        """Return the id of the canary's thread, or an empty string."""
        phone_hash = self.harness.vault.phone_hash(f"{LINE} canary", CANARY_PHONE)
        return str(await self.harness.database.fetchval("SELECT id FROM thread WHERE phone_hash = $1", phone_hash) or "")

    async def report(self, step: CanaryStep | None, seconds: float) -> None:
        """Take a report."""
        self.reports.append((step, seconds))


@pytest.fixture
async def client(harness: BridgeHarness) -> AsyncIterator[CanaryClient]:
    exchange = CanaryExchange()
    harness.sms_sender = SmsSender(
        harness.services,
        pack=harness.pack,
        carrier=harness.carrier,
        numbers=(NUMBER,),
        carrier_copies=harness.carrier_copies,
        canary=exchange.send,
    )
    canary_client = CanaryClient(harness=harness, exchange=exchange)

    async def accept(text: InboundText) -> None:
        await harness.webhook.accept_canary(text, CANARY)

    route = CanaryRoute(
        token=TOKEN,
        line=LINE,
        database=harness.database,
        exchange=exchange,
        accept_text=accept,
        report=canary_client.report,
    )
    application = web.Application()
    application.add_routes([*harness.webhook.routes(), *route.routes()])
    async with served(application) as canary_client.url:
        yield canary_client


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN.upper() + "x"], ids=["none", "short", "part", "long"])
async def test_a_stranger_gets_the_answer_of_an_unknown_path(client: CanaryClient, method: str, token: str) -> None:
    """Without the secret, by any method, with any body: status, headers and body of a path that does not exist."""
    body = json.dumps({"id": "1", "text": "let me in"}).encode() if method in {"POST", "PUT"} else b""
    answer = await client.ask(method, token=token, body=body)
    assert answer == await client.ask(method, path=UNKNOWN, token=token, body=body)
    assert answer[0] == 404
    assert await client.harness.count("thread") == await client.harness.count("inbox") == 0
    assert client.reports == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"id": 1, "text": "x"}',
        b'{"id": "1"}',
        b'{"report": "no such step", "seconds": 1}',
        b'{"report": ""}',
        b'{"report": "", "seconds": []}',
        b'{"id": "1", "text": "' + b"x" * 2000 + b'"}',
    ],
)
async def test_what_the_canary_never_says_is_refused(client: CanaryClient, body: bytes) -> None:
    """A body that is neither a text nor a report changes nothing."""
    status, _, _ = await client.ask("POST", body=body)
    assert status == 400
    assert await client.harness.count("thread") == 0
    assert client.reports == []


async def test_reports_are_heard(client: CanaryClient) -> None:
    """A report says how far a trip came; the empty step is one that was well."""
    for report in ({"report": "", "seconds": 1.5}, {"report": "keys", "seconds": 60}):
        assert (await client.ask("POST", body=json.dumps(report).encode()))[0] == 200
    assert client.reports == [(None, 1.5), (CanaryStep.KEYS, 60.0)]


async def test_a_trip_goes_by_no_carrier_and_leaves_nothing(client: CanaryClient) -> None:
    """Text, room, answer and end: no carrier is asked, nobody is told, and no row is left but what is being erased."""
    harness = client.harness
    await harness.run()
    assert await client.text("hello") == 200
    await harness.wait_until_drained()
    owner = await client.owner()
    assert [type(action) for of, action in harness.shown if of == owner] == [SendMessage, Invite]
    assert Invite(user=CANARY) in [action for _, action in harness.shown]
    said = MessageSent(place="thread", sender=CANARY, event_id="$1", body="and back", at=harness.clock.now())
    await harness.deliver(owner, said)

    async def ended() -> bool | None:
        return not await client.owner() or None

    await wait_until("the thread has ended", ended)
    status, _, body = await client.ask("GET")
    fields = json.loads(body)
    assert (status, fields["answers"]) == (200, ["and back"])
    assert fields["erasing"] == 1, "its key; a room is none of this harness"
    assert json.loads((await client.ask("GET"))[2])["answers"] == [], "an answer is fetched once"
    assert harness.carrier.sent == []
    assert [of for of, _ in harness.shown if of == DESK] == []
    assert harness.engine.desk.threads == ()
    for table in ("thread", "inbox", "outbox", "timer", "sent_text", "carrier_copy", "audit", "tally", "suppression"):
        assert await harness.count(table) == 0, table


async def test_only_a_text_by_the_route_is_the_canarys(client: CanaryClient) -> None:
    """A carrier's text from the same number is a texter's: shown to people, in a thread of its own; nothing goes back."""
    harness = client.harness
    await harness.run()
    await harness.deliver(DESK, MemberJoined(place=DESK, user=ADA), PowerLevelsChanged(users=()))
    assert await client.text("by the route") == 200
    stranger = await harness.receive_text("from a carrier", message_id="2", sender=CANARY_NUMBER)
    await harness.wait_until_drained()
    assert stranger != await client.owner()
    assert (await harness.thread(stranger)).canary == ""
    assert [entry.thread for entry in harness.engine.desk.threads] == [stranger]
    assert harness.carrier.sent == [], "the number is nobody's, and a carrier is not asked to text it"
    assert client.exchange.take() == []


async def test_it_makes_no_flood(client: CanaryClient) -> None:
    """Texts of the canary do not count towards the limit of new threads: the next person's card does not wait."""
    harness = client.harness
    limit = NewThreadRateLimit(per_number_per_hour=1, per_minute=1)
    harness.screening._rate_limit = limit
    await harness.run()
    await client.text("one")
    await harness.wait_until_drained()
    owner = await harness.receive_text("a person", message_id="2")
    await harness.wait_until_drained()
    assert [entry.has_card for entry in harness.engine.desk.threads if entry.thread == owner] == [True]


async def test_a_handset_at_the_rehearsal_carrier_is_the_canarys(harness: BridgeHarness) -> None:
    """Where the canary has a handset at the carrier, its text is known by its number, and the carrier brings the answer."""
    harness.webhook = Webhook(
        harness.services,
        carrier=harness.carrier,
        line=LINE,
        carrier_copies=harness.carrier_copies,
        hourly_alerts=harness.hourly_alerts,
        numbers=(NUMBER,),
        is_stop=partial(is_stop, harness.pack),
        canary=CANARY,
    )
    await harness.run()
    await harness.webhook.accept_text(InboundText(message_id="1", sender=CANARY_PHONE, text="hello"))
    other = await harness.receive_text("a person", message_id="2")
    await harness.wait_until_drained()
    assert [entry.thread for entry in harness.engine.desk.threads] == [other]
