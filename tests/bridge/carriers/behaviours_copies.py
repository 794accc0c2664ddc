# ruff: noqa: D401 - a promise is told in the indicative
"""What is at the vendor: copies, their status, and the listing after we were away.

Rule of this module: a behaviour speaks the adapter's contract and the words of `Harness` only.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bridge.carriers.adapter import CannotDelete, Deleted, DeleteLater, DeletionUnconfirmed, DeliveryReport
from tests.bridge.carriers.harness import Harness, Trait
from tests.bridge.carriers.receiver import deleting_vendor, http_response, scripted_server, until
from tests.bridge.carriers.steps import HANDSET, listed_texts, other_adapter, parse_text, receive_text, send_text


async def delete_copies(harness: Harness) -> None:
    """Copies of both directions are deleted, confirmed where one can look; what is gone, or never was, is gone (404)."""
    done = Deleted() if Trait.SHOWS_COPIES in harness.traits else DeletionUnconfirmed()
    inbound = parse_text(harness, await receive_text(harness)).message_id
    outbound, other = await send_text(harness), await send_text(harness)
    assert {inbound, outbound, other} == await harness.copies()
    for message_id, expected in ((inbound, done), (outbound, done), (inbound, Deleted()), ("never-was", Deleted())):
        assert await harness.carrier.delete_copy(message_id) == expected
    assert await harness.copies() == {other}


async def delete_later(harness: Harness) -> None:
    """A vendor that is busy, not ready or not well (409, 429, 5xx) has deleted nothing: it is asked again later."""
    for status in (409, 429, 500, 503):
        async with (
            scripted_server(http_response(status, headers="Retry-After: 7\r\n")) as line,
            other_adapter(harness, line.url) as carrier,
        ):
            outcome = await carrier.delete_copy("1")
            assert isinstance(outcome, DeleteLater)
            assert outcome.retry_after > 0
    async with scripted_server(http_response(404)) as line, other_adapter(harness, line.url) as carrier:
        assert await carrier.delete_copy("1") == Deleted()


async def delete_is_looked_at(harness: Harness) -> None:
    """The vendor's yes is not enough: gone is what a look does not find; a look without an answer confirms nothing."""
    for status, expected, exists in ((404, Deleted, False), (200, DeleteLater, True), (500, DeletionUnconfirmed, None)):
        async with deleting_vendor(status) as url, other_adapter(harness, url) as carrier:
            assert isinstance(await carrier.delete_copy("1"), expected)
            assert await carrier.copy_exists("1") is exists
    message_id = await send_text(harness)
    assert await harness.carrier.copy_exists(message_id) is True
    assert await harness.carrier.delete_copy(message_id) == Deleted()
    assert await harness.carrier.copy_exists(message_id) is False


async def delete_only_that(harness: Harness) -> None:
    """An id is data, whatever is in it: it never reaches for another path."""
    message_id = await send_text(harness)
    for odd in ("", ".", "..", f"../messages/{message_id}", f"x/../{message_id}", "a b?c#d", "é\udcff"):
        await harness.carrier.delete_copy(odd)
        await harness.carrier.status(odd)
    assert await harness.copies() == {message_id}
    shapes = set()
    for one in ("1", "a/b", "a?b", "a#b", "../x"):
        async with scripted_server(http_response(404)) as line, other_adapter(harness, line.url) as carrier:
            await carrier.delete_copy(one)
            await carrier.status(one)
        shapes.add(tuple((target.count("/"), target.count("?"), target.count("#")) for target in line.targets))
    assert len(shapes) == 1
    assert shapes != {()}


async def keeps_are_told(harness: Harness) -> None:
    """A vendor that deletes nothing is not asked to; what it keeps, and how long, is said in words for a person."""
    outcome = await harness.carrier.delete_copy(await send_text(harness))
    assert isinstance(outcome, CannotDelete)
    assert len(outcome.reason) > 10
    assert await harness.carrier.copy_exists("1") is None


async def status_told(harness: Harness) -> None:
    """The status of a text comes to `delivered`; of an unknown one there is none."""
    message_id = await send_text(harness)
    await harness.receiver.come(2)
    assert await harness.carrier.status(message_id) == DeliveryReport(message_id=message_id, status="delivered")
    assert await harness.carrier.status("never-was") is None


async def lists_from_watermark(harness: Harness) -> None:
    """From a text's own time on all are listed, oldest first: those acknowledged and those never."""
    start = datetime.now(UTC) - timedelta(seconds=1)
    first = parse_text(harness, await receive_text(harness, "acknowledged"))
    await send_text(harness, "not inbound")
    await harness.receiver.come(3)
    await harness.receiver.stop()
    await harness.text_from_handset(HANDSET, "while away \ud83d")
    await harness.text_from_handset("22395", "from a code")
    listed = await listed_texts(harness.carrier, start)
    assert [item.text for item in listed] == ["acknowledged", "while away \ufffd", "from a code"]
    # Some vendors tell the time only where they list.
    assert replace(listed[0], at=first.at) == first
    assert all(item.at is not None for item in listed)
    assert len({item.message_id for item in listed}) == 3
    second = listed[1].at
    assert second is not None
    assert await listed_texts(harness.carrier, second) == listed[1:]
    assert await listed_texts(harness.carrier, second + timedelta(hours=1)) == []
    elsewhere = second.astimezone(tz=None)
    assert await listed_texts(harness.carrier, elsewhere) == listed[1:]


async def lists_pages(harness: Harness) -> None:
    """More texts than one page holds come all, once, in order; deleted ones do not."""
    start = datetime.now(UTC) - timedelta(seconds=1)
    for n in range(230):
        await harness.text_from_handset(f"+15555551{n:03}", str(n))
    listed = await listed_texts(harness.carrier, start)
    assert [item.text for item in listed] == [str(n) for n in range(230)]
    await harness.carrier.delete_copy(listed[100].message_id)
    texts = [item.text for item in await listed_texts(harness.carrier, start)]
    assert texts == [str(n) for n in range(230) if n != 100]
    await until(lambda: len(harness.receiver.requests) == 230)
