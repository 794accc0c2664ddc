# ruff: noqa: D401 - a promise is told in the indicative
"""What is at the vendor: copies, their status, and the listing after we were away.

Rule of this module: a behaviour speaks the adapter's contract and the words of `Stand` only.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bridge.carriers.adapter import CannotDelete, Deleted, DeliveryReport, NotConfirmed, NotYet
from tests.bridge.carriers.receiver import forgetful, http, until, wire
from tests.bridge.carriers.stand import Stand, Trait
from tests.bridge.carriers.steps import HANDSET, one_text, other, read_text, sent


async def delete_copies(stand: Stand) -> None:
    """Copies of both directions are deleted, confirmed where one can look; what is gone, or never was, is gone (404)."""
    done = Deleted() if Trait.SHOWS_COPIES in stand.traits else NotConfirmed()
    inbound = read_text(stand, await one_text(stand)).message_id
    outbound, kept = await sent(stand), await sent(stand)
    assert {inbound, outbound, kept} == await stand.copies()
    for message_id, expected in ((inbound, done), (outbound, done), (inbound, Deleted()), ("never-was", Deleted())):
        assert await stand.carrier.delete_copy(message_id) == expected
    assert await stand.copies() == {kept}


async def delete_later(stand: Stand) -> None:
    """A vendor that is busy, not ready or not well (409, 429, 5xx) has deleted nothing: it is asked again later."""
    for status in (409, 429, 500, 503):
        async with wire(http(status, headers="Retry-After: 7\r\n")) as line, other(stand, line.url) as carrier:
            outcome = await carrier.delete_copy("1")
            assert isinstance(outcome, NotYet)
            assert outcome.after > 0
    async with wire(http(404)) as line, other(stand, line.url) as carrier:
        assert await carrier.delete_copy("1") == Deleted()


async def delete_is_looked_at(stand: Stand) -> None:
    """The vendor's yes is not enough: gone is what a look does not find; a look without an answer confirms nothing."""
    for status, expected, exists in ((404, Deleted, False), (200, NotYet, True), (500, NotConfirmed, None)):
        async with forgetful(status) as url, other(stand, url) as carrier:
            assert isinstance(await carrier.delete_copy("1"), expected)
            assert await carrier.copy_exists("1") is exists
    message_id = await sent(stand)
    assert await stand.carrier.copy_exists(message_id) is True
    assert await stand.carrier.delete_copy(message_id) == Deleted()
    assert await stand.carrier.copy_exists(message_id) is False


async def delete_only_that(stand: Stand) -> None:
    """An id is data, whatever is in it: it never reaches for another path."""
    message_id = await sent(stand)
    for odd in ("", ".", "..", f"../messages/{message_id}", f"x/../{message_id}", "a b?c#d", "é\udcff"):
        await stand.carrier.delete_copy(odd)
        await stand.carrier.status(odd)
    assert await stand.copies() == {message_id}
    shapes = set()
    for one in ("1", "a/b", "a?b", "a#b", "../x"):
        async with wire(http(404)) as line, other(stand, line.url) as carrier:
            await carrier.delete_copy(one)
            await carrier.status(one)
        shapes.add(tuple((target.count("/"), target.count("?"), target.count("#")) for target in line.targets))
    assert len(shapes) == 1
    assert shapes != {()}


async def keeps_are_told(stand: Stand) -> None:
    """A vendor that deletes nothing is not asked to; what it keeps, and how long, is said in words for a person."""
    outcome = await stand.carrier.delete_copy(await sent(stand))
    assert isinstance(outcome, CannotDelete)
    assert len(outcome.why) > 10
    assert await stand.carrier.copy_exists("1") is None


async def status_told(stand: Stand) -> None:
    """The status of a text comes to `delivered`; of an unknown one there is none."""
    message_id = await sent(stand)
    await stand.receiver.come(2)
    assert await stand.carrier.status(message_id) == DeliveryReport(message_id=message_id, status="delivered")
    assert await stand.carrier.status("never-was") is None


async def lists_from_watermark(stand: Stand) -> None:
    """From a text's own time on all are listed, oldest first: those acknowledged and those never."""
    start = datetime.now(UTC) - timedelta(seconds=1)
    first = read_text(stand, await one_text(stand, "acknowledged"))
    await sent(stand, "not inbound")
    await stand.receiver.come(3)
    await stand.receiver.stop()
    await stand.text_in(HANDSET, "while away \ud83d")
    await stand.text_in("22395", "from a code")
    listed = [item async for item in stand.carrier.list_since(start)]
    assert [item.text for item in listed] == ["acknowledged", "while away \ufffd", "from a code"]
    # Some vendors tell the time only where they list.
    assert replace(listed[0], at=first.at) == first
    assert all(item.at is not None for item in listed)
    assert len({item.message_id for item in listed}) == 3
    second = listed[1].at
    assert second is not None
    assert [item async for item in stand.carrier.list_since(second)] == listed[1:]
    assert [item async for item in stand.carrier.list_since(second + timedelta(hours=1))] == []
    elsewhere = second.astimezone(tz=None)
    assert [item async for item in stand.carrier.list_since(elsewhere)] == listed[1:]


async def lists_pages(stand: Stand) -> None:
    """More texts than one page holds come all, once, in order; deleted ones do not."""
    start = datetime.now(UTC) - timedelta(seconds=1)
    for n in range(230):
        await stand.text_in(f"+15555551{n:03}", str(n))
    listed = [item async for item in stand.carrier.list_since(start)]
    assert [item.text for item in listed] == [str(n) for n in range(230)]
    await stand.carrier.delete_copy(listed[100].message_id)
    texts = [item.text async for item in stand.carrier.list_since(start)]
    assert texts == [str(n) for n in range(230) if n != 100]
    await until(lambda: len(stand.receiver.requests) == 230)
