"""What behaviours of adapters have in common: the texts they use, and the steps they take.

Rule of this module: a step asserts what has to be so for the behaviour to mean anything.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import settings

from bridge.carriers.adapter import (
    Accepted,
    CannotDelete,
    Carrier,
    DeleteLater,
    InboundText,
    Listed,
    WebhookRequest,
)
from tests.bot.hypothesis_settings import EXPLORES
from tests.bridge.carriers.harness import Harness, Trait
from tests.fakes.fake_carrier import send_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HANDSET = "+15555550101"
ODD_TEXTS = (
    "",
    " spaces, and a line \r\n at the ends\t",
    "\u200fמרחב\u200e \u202eabc\u202c",
    "🫶🏽" * 30,
    "é€[]{}\\" * 40,
)

PATHS = (
    "/carriers/demo/inbound",
    "/carriers/demo/status?a=%20b&c&a=",
    "/carriers/demo/inbound?x=%2F%C3%A4",
    "/carriers/d%65mo/inbound",
)
"""Paths as they may stand on the wire: with escapes, with a query, with blank and repeated fields in it."""
PROXIES: tuple[dict[str, str], ...] = (
    {},
    {"Host": "10.1.2.3", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "elsewhere.example:8080"},
    {"Host": "inside", "Forwarded": "for=10.0.0.1;proto=http;host=elsewhere.example", "X-Original-URL": "/other"},
)
"""What proxies add on the way: nothing of it may count."""

QUICK = settings(max_examples=2000 if EXPLORES else 100, deadline=None, database=None)


async def receive_text(harness: Harness, text: str = "hello", *, sender: str = HANDSET) -> WebhookRequest:
    """Text the line and return the webhook that comes of it."""
    before = len(harness.receiver.requests)
    await harness.text_from_handset(sender, text)
    return (await harness.receiver.come(before + 1))[before]


def parse_text(harness: Harness, request: WebhookRequest) -> InboundText:
    assert harness.carrier.verify(request)
    (item,) = harness.carrier.parse(request)
    assert isinstance(item, InboundText)
    return item


async def send_text(harness: Harness, text: str = "here") -> str:
    outcome = await send_words(harness.carrier, HANDSET, text, number=harness.number)
    assert isinstance(outcome, Accepted)
    return outcome.message_id


def not_deleted_outcome(harness: Harness) -> type[DeleteLater | CannotDelete]:
    """Return what `delete_copy` says where nothing was deleted: later, or, if the vendor never does, that it cannot."""
    return DeleteLater if Trait.DELETES in harness.traits else CannotDelete


async def list_all(carrier: Carrier, since: datetime) -> tuple[list[Listed], bool]:
    """List; return what was given, and whether the listing came to its end."""
    items: list[Listed] = []
    try:
        async for item in carrier.list_since(since):
            items.append(item)  # noqa: PERF401 - what came before it broke off counts
    except ConnectionError:
        return items, False
    return items, True


async def listing(carrier: Carrier, since: datetime) -> tuple[list[InboundText], bool]:
    """List; return the texts that were given, and whether the listing came to its end."""
    items, whole = await list_all(carrier, since)
    return [item for item in items if isinstance(item, InboundText)], whole


async def listed_texts(carrier: Carrier, since: datetime) -> list[InboundText]:
    """List to the end; return the texts."""
    texts, whole = await listing(carrier, since)
    assert whole
    return texts


async def listing_fails(carrier: Carrier) -> None:
    """List, and see it say that it did not come to its end."""
    _, whole = await listing(carrier, datetime.now(UTC))
    assert not (carrier.can_list and whole), "a listing that ends early without a word loses texts"


@asynccontextmanager
async def other_adapter(harness: Harness, api_base: str) -> AsyncIterator[Carrier]:
    carrier = harness.elsewhere(api_base)
    try:
        yield carrier
    finally:
        await carrier.close()
