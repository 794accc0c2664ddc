"""Requests of every adapter against what its vendor publishes."""

from __future__ import annotations

import json
import time
import typing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from bridge.carriers.adapter import AdapterContext
from bridge.carriers.vendors import smsgate as smsgate_adapter
from bridge.carriers.vendors.cxml import parse_listing
from bridge.carriers.vendors.smsgate import SmsGateCarrier
from tests.bridge.carriers.harness import AdapterRow, Harness
from tests.bridge.carriers.published_documents import MadeRequest, faults, published
from tests.bridge.carriers.rows import ROWS
from tests.bridge.carriers.steps import HANDSET, listing
from tests.bridge.carriers.telnyx_harness import API_KEY, REPORT, TEXT, telnyx_harness
from tests.every_row import every_row
from tests.fakes import smsgate
from tests.fakes.fake_carrier import send_words
from tests.fakes.secret_files import secret_file
from tests.fakes.served import answering, served

DOCUMENTED = [row for row in ROWS if published(row.name)["requests"]]
TEXTS = ("word", "a long text, " * 40, "¿estás ahí? 🙂", "&=+%\n")
MESSAGE_ID = "SM0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def recorder() -> AsyncIterator[tuple[str, list[MadeRequest]]]:
    """Serve anything with a yes, and write down how it was asked for."""
    requests: list[MadeRequest] = []

    async def answer(request: web.Request) -> web.Response:
        made_request = MadeRequest(
            method=request.method,
            target=request.raw_path,
            content_type=request.headers.get("Content-Type", ""),
            body=await request.read(),
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        requests.append(made_request)
        if request.method == "DELETE":
            return web.Response(status=204)
        return web.json_response({"sid": MESSAGE_ID}, status=202 if request.method == "POST" else 200)

    async with served(answering(answer)) as url:
        yield url, requests


async def requests_of(harness: Harness, prefix: str) -> list[MadeRequest]:
    """Have an adapter make every request that it makes."""
    async with recorder() as (base, requests):
        carrier = harness.elsewhere(f"{base}{prefix}")
        for text in TEXTS:
            await send_words(carrier, HANDSET, text, number=harness.number)
        await carrier.status(MESSAGE_ID)
        await carrier.copy_exists(MESSAGE_ID)
        await carrier.delete_copy(MESSAGE_ID)
        await listing(carrier, datetime(2026, 1, 1, tzinfo=UTC))
        await carrier.close()
    return requests


@every_row("row", DOCUMENTED)
async def test_requests_are_as_published(row: AdapterRow) -> None:
    """Method, path, type, every field and its bounds are in the vendor's document, and nothing else is asked."""
    document = published(row.name)
    async with row.harness() as harness:
        requests = await requests_of(harness, document["prefix"])
    assert len([request for request in requests if request.method == "POST"]) >= len(TEXTS)
    assert [(request.method, problems) for request in requests if (problems := faults(request, document))] == []


async def test_what_smsgate_has_beyond_the_others() -> None:
    """Encrypted texts and the question for what was missed are as published too."""
    async with recorder() as (base, requests):
        settings = smsgate_adapter.Settings(
            kind="smsgate",
            api_base=f"{base}/3rdparty/v1",
            username=smsgate.LOGIN[0],
            password_file=secret_file(smsgate.LOGIN[1]),
            device_id=smsgate.DEVICE,
            signing_key_file=secret_file(smsgate.SIGNING_KEY),
            passphrase_file=secret_file(smsgate.PASSPHRASE),
            refresh_inbox=True,
            region="US",
            sim_number=1,
        )
        line = AdapterContext(public_base_url=base, slug="demo", numbers=(), validity=300, clock=time.time)
        carrier = SmsGateCarrier(settings, line)
        await send_words(carrier, HANDSET, "word", number="+15555550100")
        assert await listing(carrier, datetime(2026, 1, 1, tzinfo=UTC)) == ([], True)
        await carrier.close()
    assert [faults(request, published("smsgate")) for request in requests] == [[], []]
    assert json.loads(requests[0].body)["isEncrypted"] is True


async def test_telnyx_asks_as_its_sdk_does() -> None:
    """The SDK, given what a send of ours says, makes the same request: target, every field of the body, and the headers."""
    from telnyx import AsyncTelnyx
    from telnyx.types import MessageSendParams

    hints = typing.get_type_hints(MessageSendParams, include_extras=True)
    names = {_alias(hint) or name: name for name, hint in hints.items()}
    (row,) = (row for row in ROWS if row.name == "telnyx")
    async with row.harness() as harness:
        requests = await requests_of(harness, "")
    sends = [request for request in requests if request.method == "POST"]
    assert len(sends) == len(TEXTS)
    for ours in sends:
        arguments = {names[name]: value for name, value in json.loads(ours.body).items()}
        async with recorder() as (base, sdk_requests), AsyncTelnyx(api_key=API_KEY, base_url=base, max_retries=0) as sdk:
            await sdk.messages.send(**arguments, idempotency_key=ours.headers["idempotency-key"])
        (theirs,) = sdk_requests
        assert (ours.method, ours.target) == (theirs.method, theirs.target)
        assert ours.content_type.partition(";")[0] == theirs.content_type
        assert json.loads(ours.body) == json.loads(theirs.body)
        assert ours.headers.keys() <= theirs.headers.keys()
        for name in ("authorization", "idempotency-key"):
            assert ours.headers[name] == theirs.headers[name]
    assert len({request.headers["idempotency-key"] for request in sends}) == len(sends)


async def test_telnyx_events_are_those_of_its_models() -> None:
    """Every example, what the tests take for an event and what the fake says: no name at any depth is strange to the SDK.

    Each value is of the form that its models have for it.
    """
    from telnyx.types.messaging_inbound_message import MessagingInboundMessage
    from telnyx.types.outbound_message import OutboundMessage

    async with telnyx_harness() as harness:
        await harness.text_from_handset(HANDSET, "hello", media=(("image/png", "https://example.org/1"),))
        await send_words(harness.carrier, HANDSET, "hello", number=harness.number)
        said = list(harness.vendor.messages.values())
    assert {each["direction"] for each in said} == {"inbound", "outbound"}
    events = [example["body"]["data"] for example in published("telnyx")["webhooks"]]
    events += [{"event_type": "message.received", "payload": each} for each in (TEXT, said[0])]
    events += [{"event_type": "message.finalized", "payload": each} for each in (REPORT, said[1])]
    for event in events:
        model = MessagingInboundMessage if event["event_type"] == "message.received" else OutboundMessage
        assert _strange(model.model_validate_json(json.dumps(event), strict=True)) == []


def _strange(value: Any) -> list[str]:
    """Return the names in a model of the SDK that it does not have, at any depth."""
    if isinstance(value, list):
        return [name for each in value for name in _strange(each)]
    if not isinstance(value, BaseModel):
        return []
    inner = [name for field in type(value).model_fields for name in _strange(getattr(value, field))]
    return [*(value.model_extra or {}), *inner]


def _alias(hint: Any) -> str | None:
    aliases = [
        getattr(note, "alias", None)
        for part in (hint, *typing.get_args(hint))
        for note in getattr(part, "__metadata__", ())
    ]
    return next((name for name in aliases if name), None)


def test_twilios_own_listing_is_read() -> None:
    """The example of a whole page in Twilio's document is read without a fault; texts of ours in it are none to us."""
    items = published("twilio")["listing"]["messages"]
    texts, whole = parse_listing(items, datetime(2008, 1, 2, tzinfo=UTC))
    assert whole
    assert len(texts) == len([item for item in items if item["direction"] == "inbound"])
