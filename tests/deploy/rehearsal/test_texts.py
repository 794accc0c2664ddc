"""Texts in and out, handsets and records of the rehearsal carrier (design.md, "Contracts with the outside")."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from yarl import URL

from bridge.carriers.adapter import Accepted
from bridge.outbound.drill_texts import HandsetCarrier
from deploy.rehearsal.server import PICTURE_URL
from tests.bridge.carriers.rehearsal_harness import NUMBER, RehearsalHarness
from tests.deploy.rehearsal.handsets import A, B, handset, until_status
from tests.fakes.fake_carrier import send_words


async def test_text_in(stand: RehearsalHarness) -> None:
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


@pytest.mark.parametrize("pace", [{"delivery": 2.0}])
async def test_text_out(stand: RehearsalHarness) -> None:
    """A text from the line is on the handset at once as sent, soon as delivered, and both are reported in that order."""
    outcome = await send_words(stand.carrier, A, "€" * 81, number=NUMBER)
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


async def test_both_directions_in_order(stand: RehearsalHarness) -> None:
    """A handset shows its own texts only, both directions, oldest first; STOP blocks nothing."""
    await stand.text_from_handset(A, "one")
    await stand.text_from_handset(B, "other")
    await stand.text_from_handset(A, "STOP")
    assert isinstance(await send_words(stand.carrier, A, "two", number=NUMBER), Accepted)
    texts = await handset(stand)
    assert [(t["direction"], t["text"]) for t in texts] == [("in", "one"), ("in", "STOP"), ("out", "two")]
    assert [t["at"] for t in texts] == sorted(t["at"] for t in texts)
    assert await handset(stand, "+15555550199") == []
    async with stand.session.get(URL(f"{stand.base}/api/texts?handset={A}", encoded=True)) as answer:
        assert await answer.json() == texts


async def test_copies_and_phone(stand: RehearsalHarness) -> None:
    """Deleting the carrier's copy leaves the phone its text."""
    await stand.text_from_handset(A, "mine")
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
        json.dumps({"from": A, "to": NUMBER, "text": "🫂" * (1 << 20)}).encode(),
        json.dumps({"from": A, "to": NUMBER, "text": "\0" * (1 << 20)}).encode(),
        json.dumps({"from": A, "to": NUMBER, "text": "x", "media": [{"type": "a/b", "url": "s3cret" * 400}]}).encode(),
    ],
    ids=range(20),
)
async def test_bad_text(stand: RehearsalHarness, body: bytes) -> None:
    """A wrong text is refused with 400 and a sentence that names the field and not what was in it; nothing is kept."""
    async with stand.session.post(f"{stand.base}/api/texts", data=body) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error
    assert "s3cret" not in error
    assert await stand.get("/api/records") == []


async def test_pictures_and_handsets(stand: RehearsalHarness) -> None:
    """A handset shows that a picture came with a text; the list of handsets says which of them are a drill's."""
    await stand.post("/api/texts", {"from": A, "to": NUMBER, "text": "", "picture": True})
    (text,) = await handset(stand)
    (request,) = await stand.receiver.come(1, tail="/inbound")
    assert text["media"] == json.loads(request.body)["media"] == [{"type": "image/jpeg", "url": PICTURE_URL}]
    assert isinstance(stand.carrier, HandsetCarrier)
    assert await stand.carrier.text_from_handset(tag="0badcafe0bad", ref="one", text="hi", picture=False)
    assert await stand.get("/api/handsets") == [
        {"number": A, "drill": False},
        {"number": "+15555552000", "drill": True},
    ]
