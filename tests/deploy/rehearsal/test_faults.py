"""The faults that the rehearsal carrier can be told to have (design.md, "Contracts with the outside")."""

from __future__ import annotations

import asyncio
import json

from bridge.carriers.adapter import Accepted, UnknownOutcome
from bridge.carriers.http_request import Timeout
from tests.bridge.carriers.rehearsal_harness import NUMBER, RehearsalHarness, rehearsal_harness
from tests.deploy.rehearsal.handsets import A, handset, until_status, words
from tests.fakes.fake_carrier import send_words


async def test_duplicate(stand: RehearsalHarness) -> None:
    """The webhooks of the next N texts come twice, under one id each, before the text after them."""
    await stand.post("/api/faults", {"inbound": "duplicate", "times": 2})
    for text in ("one", "two", "three"):
        await stand.text_from_handset(A, text)
    requests = await stand.receiver.come(5)
    assert words(stand) == ["one", "one", "two", "two", "three"]
    assert len({json.loads(request.body)["id"] for request in requests}) == 3
    await until_status(stand, "delivered")
    assert len(stand.receiver.requests) == 5


async def test_reorder(stand: RehearsalHarness) -> None:
    """The next two of a handset change places; the third stays in its place, and the phone shows them as typed."""
    await stand.post("/api/faults", {"inbound": "reorder"})
    for text in ("one", "two", "three"):
        await stand.text_from_handset(A, text)
    await stand.receiver.come(3)
    assert words(stand) == ["two", "one", "three"]
    assert [t["text"] for t in await handset(stand)] == ["one", "two", "three"]


async def test_times_and_ok(stand: RehearsalHarness) -> None:
    """A send fault holds for `times` sends and no more; `ok` clears what is left, of either kind."""
    await stand.post("/api/faults", {"send": "500", "times": 2})
    outcomes = [await send_words(stand.carrier, A, text, number=NUMBER) for text in ("one", "two", "three")]
    assert [type(outcome) for outcome in outcomes] == [UnknownOutcome, UnknownOutcome, Accepted]
    await stand.post("/api/faults", {"send": "500", "inbound": "duplicate", "times": 5})
    await stand.post("/api/faults", {"send": "ok", "inbound": "ok"})
    assert isinstance(await send_words(stand.carrier, A, "four", number=NUMBER), Accepted)
    await stand.text_from_handset(A, "five")
    await until_status(stand, "delivered")
    assert words(stand) == ["five"]
    assert await stand.texts_at_handset(A) == ["three", "four"]


async def test_hanging_send_ends_with_the_client() -> None:
    """A send that hangs gets no answer at all, and does not hold others up."""
    async with rehearsal_harness(hang=3600.0) as stand:
        impatient = stand.elsewhere(stand.base, timeout=Timeout(total=0.2))
        await stand.post("/api/faults", {"send": "timeout"})
        assert await send_words(impatient, A, "never", number=NUMBER) == UnknownOutcome()
        await impatient.close()
        assert await stand.texts_at_handset(A) == []
        await stand.post("/api/faults", {"send": "timeout-delivered"})
        hanging = asyncio.create_task(send_words(stand.carrier, A, "it hangs", number=NUMBER))
        while not await stand.texts_at_handset(A):  # noqa: ASYNC110 - another process answers
            await asyncio.sleep(0.01)
        assert isinstance(await send_words(stand.carrier, A, "meanwhile", number=NUMBER), Accepted)
        assert await stand.texts_at_handset(A) == ["it hangs", "meanwhile"]
        assert not hanging.done()
        hanging.cancel()
