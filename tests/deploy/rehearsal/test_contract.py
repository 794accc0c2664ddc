"""What people, checks and the bridge may rely on from the rehearsal carrier (DESIGN §9)."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from yarl import URL

from bridge.carriers.adapter import Accepted, UnknownOutcome
from bridge.phone import Phone
from tests.bridge.carriers.receiver import until
from tests.bridge.carriers.rehearsal_stand import NUMBER, TOKEN, RehearsalStand, rehearsal_stand

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

A, B = "+15555550101", "+15555550102"


@pytest.fixture
async def stand() -> AsyncIterator[RehearsalStand]:
    async with rehearsal_stand(first_retry=0.02, longest_retry=0.1, partner=0.3) as made:
        yield made


def words(stand: RehearsalStand) -> list[str]:
    return [json.loads(request.body)["text"] for request in stand.receiver.to("/inbound")]


async def handset(stand: RehearsalStand, number: str = A) -> Any:
    return await stand.get("/api/texts", handset=number)


# --- texts -----------------------------------------------------------------------------------------------------------


async def test_text_in(stand: RehearsalStand) -> None:
    """A text is taken with 202 and an id; the handset and the records show it; the webhook says the same."""
    async with stand.session.post(f"{stand.base}/api/texts", json={"from": A, "to": NUMBER, "text": "hi"}) as answer:
        assert answer.status == 202
        message_id = (await answer.json())["id"]
    (request,) = await stand.receiver.come(1, tail="/inbound")
    await until_status(stand, "delivered")
    (text,) = await handset(stand)
    at = text.pop("at")
    assert text == {"id": message_id, "direction": "in", "text": "hi", "segments": 1, "status": "delivered"}
    assert abs(datetime.fromisoformat(at) - datetime.now(UTC)) < timedelta(minutes=1)
    expected = {"id": message_id, "from": A, "to": NUMBER, "text": "hi", "at": at}
    assert await stand.get("/api/records") == [expected]
    assert json.loads(request.body) == expected | {"type": "text", "media": []}


async def until_status(stand: RehearsalStand, status: str, number: str = A) -> None:
    end = asyncio.get_running_loop().time() + 5
    while [text["status"] for text in await handset(stand, number)][-1:] != [status]:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


async def test_text_out(stand: RehearsalStand) -> None:
    """A text from the line is on the handset at once as sent, soon as delivered, and both are reported in that order."""
    outcome = await stand.carrier.send(Phone(A), "€" * 81)
    assert isinstance(outcome, Accepted)
    (text,) = await handset(stand)
    assert (text["direction"], text["text"], text["segments"], text["id"]) == ("out", "€" * 81, 2, outcome.message_id)
    assert text["status"] == "sent"
    await until_status(stand, "delivered")
    reports = [json.loads(request.body) for request in await stand.receiver.come(2, tail="/status")]
    common = {"type": "report", "id": outcome.message_id, "code": ""}
    assert reports == [common | {"status": "sent"}, common | {"status": "delivered"}]
    (record,) = await stand.get("/api/records")
    assert (record["from"], record["to"]) == (NUMBER, A)


async def test_both_directions_in_order(stand: RehearsalStand) -> None:
    """A handset shows its own texts only, both directions, oldest first; STOP blocks nothing."""
    await stand.text_in(A, "one")
    await stand.text_in(B, "other")
    await stand.text_in(A, "STOP")
    assert isinstance(await stand.carrier.send(Phone(A), "two"), Accepted)
    texts = await handset(stand)
    assert [(t["direction"], t["text"]) for t in texts] == [("in", "one"), ("in", "STOP"), ("out", "two")]
    assert [t["at"] for t in texts] == sorted(t["at"] for t in texts)
    assert await handset(stand, "+15555550199") == []
    async with stand.session.get(URL(f"{stand.base}/api/texts?handset={A}", encoded=True)) as answer:
        assert await answer.json() == texts


async def test_copies_and_phone(stand: RehearsalStand) -> None:
    """Deleting the carrier's copy leaves the phone its text."""
    await stand.text_in(A, "mine")
    (record,) = await stand.get("/api/records")
    await stand.carrier.delete_copy(record["id"])
    assert await stand.get("/api/records") == []
    assert [t["text"] for t in await handset(stand)] == ["mine"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"\xff\xfe\x00",
        json.dumps({"to": NUMBER, "text": "s3cret"}).encode(),
        json.dumps({"from": A, "text": "s3cret"}).encode(),
        json.dumps({"from": A, "to": NUMBER}).encode(),
        json.dumps({"from": A, "to": NUMBER, "text": None}).encode(),
        json.dumps({"from": A, "to": "+15555550199", "text": "s3cret"}).encode(),
        json.dumps({"from": NUMBER, "to": NUMBER, "text": "s3cret"}).encode(),
        json.dumps({"from": "s3cret, too long", "to": NUMBER, "text": "x"}).encode(),
        json.dumps({"from": "\ud800", "to": NUMBER, "text": "x"}).encode(),
        json.dumps({"from": A, "to": NUMBER, "text": "s3cret", "media": {}}).encode(),
        json.dumps({"from": A, "to": NUMBER, "text": "s3cret", "media": [{"type": "image/png"}]}).encode(),
        json.dumps({"from": A, "to": NUMBER, "text": "x" * ((1 << 20) + 1)}).encode(),
    ],
    ids=range(17),
)
async def test_bad_text(stand: RehearsalStand, body: bytes) -> None:
    """A wrong text is refused with 400 and a sentence that names the field and not what was in it; nothing is kept."""
    async with stand.session.post(f"{stand.base}/api/texts", data=body) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error
    assert "s3cret" not in error
    assert await stand.get("/api/records") == []


async def test_senders(stand: RehearsalStand) -> None:
    """Short codes and names may text."""
    for sender in (A, "988", "22395", "BANK"):
        await stand.text_in(sender, "x")
        assert len(await handset(stand, sender)) == 1


async def test_any_unicode(stand: RehearsalStand) -> None:
    """NUL, direction marks, emoji and lone surrogates are shown as they were typed, and reach the webhook as JSON."""
    text = "\x00\u202e🫂\udc00\ud83dx\\\udfff\u2028"
    await stand.text_in(A, text)
    assert (await handset(stand))[0]["text"] == text
    assert (await stand.get("/api/records"))[0]["text"] == text
    (request,) = await stand.receiver.come(1)
    assert json.loads(request.body.decode())["text"] == text


async def test_too_large(stand: RehearsalStand) -> None:
    """A body beyond all measure is refused in JSON, and the longest text is not."""
    async with stand.session.post(f"{stand.base}/api/texts", data=b"x" * (17 << 20)) as answer:
        assert answer.status == 413
        assert await answer.json()
    await stand.text_in(A, "é" * (1 << 20))
    (request,) = await stand.receiver.come(1)
    assert len(request.body) < 3 << 20


# --- webhooks --------------------------------------------------------------------------------------------------------


async def test_order_per_handset(stand: RehearsalStand) -> None:
    """Under refusals at random, each handset's texts are acknowledged in their order, each once."""
    stand.receiver.answers = [503, 204, 404, 500, 204, 302, 400, 204] * 4
    numbers = [f"+1555555{n:04}" for n in range(6)]
    for n in range(5):
        for number in numbers:
            await stand.text_in(number, f"{n}")
    for number in numbers:
        await until_status(stand, "delivered", number)
    came: dict[str, list[str]] = defaultdict(list)
    for request in stand.receiver.to("/inbound"):
        body = json.loads(request.body)
        if came[body["from"]][-1:] != [body["text"]]:
            came[body["from"]].append(body["text"])
    assert came == {number: ["0", "1", "2", "3", "4"] for number in numbers}


async def test_receiver_comes_back(stand: RehearsalStand) -> None:
    """While nobody listens texts are queued; when somebody does again they arrive in order, and other handsets' too."""
    await stand.receiver.stop()
    for number in (A, B):
        for text in ("one", "two", "three"):
            await stand.text_in(number, text)
    await asyncio.sleep(0.1)
    assert {t["status"] for t in await handset(stand)} == {"queued"}
    await stand.receiver.start()
    await stand.receiver.come(6, tail="/inbound")
    for number in (A, B):
        bodies = [json.loads(request.body) for request in stand.receiver.to("/inbound")]
        assert [body["text"] for body in bodies if body["from"] == number] == ["one", "two", "three"]
    await until_status(stand, "delivered")


async def test_later_waits_behind_earlier(stand: RehearsalStand) -> None:
    """A later text does not overtake one that is not acknowledged; another handset's does."""
    stand.receiver.otherwise = 503
    await stand.text_in(A, "one")
    await stand.text_in(A, "two")
    await stand.receiver.come(3, tail="/inbound")
    assert set(words(stand)) == {"one"}
    await stand.text_in(B, "other")
    await until(lambda: "other" in words(stand))
    assert "two" not in words(stand)
    stand.receiver.otherwise = 204
    await until(lambda: "two" in words(stand))


async def test_gives_up() -> None:
    """After the time to try is over a text has failed, its copy can still be listed, and the next one has its turn."""
    async with rehearsal_stand(first_retry=0.02, longest_retry=0.05, give_up=0.2) as stand:
        stand.receiver.otherwise = 503
        await stand.text_in(A, "one")
        await until_status(stand, "failed")
        stand.receiver.otherwise = 204
        await stand.text_in(A, "two")
        await until_status(stand, "delivered")
        assert [t["status"] for t in await handset(stand)] == ["failed", "delivered"]
        since = datetime.now(UTC) - timedelta(minutes=1)
        assert [item.text async for item in stand.carrier.list_since(since)] == ["one", "two"]


async def test_retry_is_signed_anew() -> None:
    """Retries grow apart, and each is signed with its own time, so that the last is as fresh as the first."""
    async with rehearsal_stand(first_retry=0.3, longest_retry=5) as stand:
        stand.receiver.answers = [500, 500]
        times = []
        await stand.text_in(A, "one")
        for count in (1, 2, 3):
            await stand.receiver.come(count)
            times.append(asyncio.get_running_loop().time())
        first, second = times[1] - times[0], times[2] - times[1]
        assert first > 0.25
        assert second > 1.5 * first
        stamps = [int(request.headers["X-Rehearsal-Timestamp"]) for request in stand.receiver.requests]
        assert stamps == sorted(stamps)
        assert all(stand.carrier.verify(request) for request in stand.receiver.requests)


async def test_reports_are_retried(stand: RehearsalStand) -> None:
    """Reports too come until they are acknowledged, `sent` before `delivered`."""
    stand.receiver.answers = [503, 503, 204, 503, 204]
    await stand.carrier.send(Phone(A), "x")
    reports = await stand.receiver.come(5, tail="/status")
    assert [json.loads(r.body)["status"] for r in reports] == ["sent", "sent", "sent", "delivered", "delivered"]


async def test_redirect_is_no_acknowledgement(stand: RehearsalStand) -> None:
    """A redirect is not followed and acknowledges nothing."""
    stand.receiver.answers = [307]
    await stand.text_in(A, "x")
    await stand.receiver.come(2)
    assert {request.raw_path for request in stand.receiver.requests} == {"/carriers/demo/inbound"}


# --- faults ----------------------------------------------------------------------------------------------------------


async def test_duplicate(stand: RehearsalStand) -> None:
    """The webhooks of the next N texts come twice, under one id each, before the text after them."""
    await stand.post("/api/faults", {"inbound": "duplicate", "times": 2})
    for text in ("one", "two", "three"):
        await stand.text_in(A, text)
    requests = await stand.receiver.come(5)
    assert words(stand) == ["one", "one", "two", "two", "three"]
    assert len({json.loads(request.body)["id"] for request in requests}) == 3
    await until_status(stand, "delivered")
    assert len(stand.receiver.requests) == 5


async def test_reorder(stand: RehearsalStand) -> None:
    """The next two of a handset change places; the third stays in its place, and the phone shows them as typed."""
    await stand.post("/api/faults", {"inbound": "reorder"})
    for text in ("one", "two", "three"):
        await stand.text_in(A, text)
    await stand.receiver.come(3)
    assert words(stand) == ["two", "one", "three"]
    assert [t["text"] for t in await handset(stand)] == ["one", "two", "three"]


async def test_reorder_pairs(stand: RehearsalStand) -> None:
    """`times` counts pairs."""
    await stand.post("/api/faults", {"inbound": "reorder", "times": 2})
    for text in "12345":
        await stand.text_in(A, text)
    await stand.receiver.come(5)
    assert "".join(words(stand)) == "21435"


async def test_reorder_late_partner(stand: RehearsalStand) -> None:
    """A partner that comes while the first is held back overtakes it."""
    await stand.post("/api/faults", {"inbound": "reorder"})
    await stand.text_in(A, "one")
    await asyncio.sleep(0.05)
    assert words(stand) == []
    await stand.text_in(A, "two")
    await stand.receiver.come(2)
    assert words(stand) == ["two", "one"]


async def test_reorder_alone(stand: RehearsalStand) -> None:
    """Without a second text the first is sent all the same, and one pair of the fault is used up."""
    await stand.post("/api/faults", {"inbound": "reorder", "times": 2})
    await stand.text_in(A, "one")
    await stand.receiver.come(1)
    for text in ("two", "three"):
        await stand.text_in(A, text)
    await stand.receiver.come(3)
    assert words(stand) == ["one", "three", "two"]


async def test_times_and_ok(stand: RehearsalStand) -> None:
    """A send fault holds for `times` sends and no more; `ok` clears what is left, of either kind."""
    await stand.post("/api/faults", {"send": "500", "times": 2})
    outcomes = [await stand.carrier.send(Phone(A), text) for text in ("one", "two", "three")]
    assert [type(outcome) for outcome in outcomes] == [UnknownOutcome, UnknownOutcome, Accepted]
    await stand.post("/api/faults", {"send": "500", "inbound": "duplicate", "times": 5})
    await stand.post("/api/faults", {"send": "ok", "inbound": "ok"})
    assert isinstance(await stand.carrier.send(Phone(A), "four"), Accepted)
    await stand.text_in(A, "five")
    await until_status(stand, "delivered")
    assert words(stand) == ["five"]
    assert await stand.arrived(A) == ["three", "four"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"times": 1},
        {"send": "no such"},
        {"send": "reject:"},
        {"send": "reject:a b"},
        {"send": None},
        {"inbound": "timeout"},
        {"inbound": ["ok"]},
        {"send": "500", "times": 0},
        {"send": "500", "times": True},
        {"send": "500", "times": "2"},
        {"send": "500", "other": 1},
    ],
)
async def test_bad_fault(stand: RehearsalStand, body: dict[str, Any]) -> None:
    """A fault that is none is refused, and nothing is set."""
    assert "error" in await stand.post("/api/faults", body, status=(400,))
    assert isinstance(await stand.carrier.send(Phone(A), "x"), Accepted)


async def test_hanging_send_ends_with_the_client(stand: RehearsalStand) -> None:
    """A send that hangs gets no answer at all, and does not hold others up."""
    await stand.post("/api/faults", {"send": "timeout"})
    hanging = asyncio.create_task(stand.carrier.send(Phone(A), "never"))
    await asyncio.sleep(0.05)
    assert isinstance(await stand.carrier.send(Phone(A), "meanwhile"), Accepted)
    assert await hanging == UnknownOutcome()
    assert await stand.arrived(A) == ["meanwhile"]


async def test_hanging_send_is_broken_off() -> None:
    """A client that waits for ever is cut off without an answer in the end."""
    async with rehearsal_stand(hang=0.05) as stand:
        await stand.post("/api/faults", {"send": "timeout-delivered"})
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await stand.session.post(
                f"{stand.base}/v1/messages", json={"to": A, "text": "x"}, headers={"Authorization": f"Bearer {TOKEN}"}
            )
        assert await stand.arrived(A) == ["x"]


# --- who may, and what is told ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, "", "Bearer ", f"bearer {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "Bearer é"])
async def test_token(stand: RehearsalStand, given: str | None) -> None:
    """Without the very token nobody sends, lists, asks or deletes."""
    await stand.text_in(A, "kept")
    (record,) = await stand.get("/api/records")
    headers = {} if given is None else {"Authorization": given}
    for method, path in (
        ("POST", "/v1/messages"),
        ("GET", "/v1/messages"),
        ("GET", f"/v1/messages/{record['id']}"),
        ("DELETE", f"/v1/messages/{record['id']}"),
    ):
        body = {"to": A, "text": "x"}
        async with stand.session.request(method, stand.base + path, json=body, headers=headers) as answer:
            assert answer.status == 401
    assert await stand.arrived(A) == []
    assert len(await stand.copies()) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "", {"to": "22395", "text": "x"}),
        ("POST", "", {"to": A, "text": ""}),
        ("POST", "", {"to": A}),
        ("POST", "", []),
        ("GET", "?direction=inbound", None),
        ("GET", "?direction=inbound&since=2026-01-01T00:00:00", None),
        ("GET", "?direction=inbound&since=yesterday", None),
        ("GET", "?direction=outbound&since=2026-01-01T00:00:00Z", None),
        ("GET", "?direction=inbound&since=2026-01-01T00:00:00Z&after=x", None),
        ("GET", "?direction=inbound&since=2026-01-01T00:00:00Z&limit=0", None),
        ("GET", "?direction=inbound&since=2026-01-01T00:00:00Z&limit=501", None),
    ],
)
async def test_bad_vendor_request(stand: RehearsalStand, method: str, path: str, body: object) -> None:
    """Wrong requests of the line are refused with 400 and have no effect."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = URL(f"{stand.base}/v1/messages{path}", encoded=True)
    async with stand.session.request(method, url, json=body, headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]
    assert await stand.copies() == set()


async def test_page(stand: RehearsalStand) -> None:
    """The page comes with the line's number, asks no other host for anything, and the browser is told so."""
    async with stand.session.get(stand.base + "/") as answer:
        html, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert NUMBER in html
    assert "{{" not in html
    assert "http:" not in html
    assert "https:" not in html
    assert "innerHTML" not in html
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2


async def test_other_sites(stand: RehearsalStand) -> None:
    """Another web page in the same browser cannot text from these handsets."""
    body = {"from": A, "to": NUMBER, "text": "x"}
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with stand.session.post(f"{stand.base}/api/texts", json=body, headers=headers) as answer:
        assert answer.status == 403
    assert await stand.copies() == set()


async def test_unknown_path(stand: RehearsalStand) -> None:
    """An unknown path is a 404 in JSON."""
    async with stand.session.get(stand.base + "/other") as answer:
        assert answer.status == 404
        assert await answer.json()
