"""How the rehearsal carrier delivers webhooks (design.md, "Contracts with the outside")."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from deploy.rehearsal.webhook_sender import WebhookSender
from tests.bridge.carriers.receiver import until
from tests.bridge.carriers.rehearsal_harness import NUMBER, RehearsalHarness, rehearsal_harness
from tests.bridge.carriers.steps import listed_texts
from tests.deploy.rehearsal.handsets import A, B, handset, until_status
from tests.fakes.fake_carrier import send_words


async def test_order_per_handset(stand: RehearsalHarness) -> None:
    """Under refusals at random, each handset's texts are acknowledged in their order, each once."""
    stand.receiver.answers = [503, 204, 404, 500, 204, 302, 400, 204] * 4
    numbers = [f"+1555555{n:04}" for n in range(6)]
    for n in range(5):
        for number in numbers:
            await stand.text_from_handset(number, f"{n}")
    for number in numbers:
        await until_status(stand, "delivered", number)
    came: dict[str, list[str]] = defaultdict(list)
    for request in stand.receiver.to("/inbound"):
        body = json.loads(request.body)
        if came[body["from"]][-1:] != [body["text"]]:
            came[body["from"]].append(body["text"])
    assert came == {number: ["0", "1", "2", "3", "4"] for number in numbers}


async def test_receiver_comes_back(stand: RehearsalHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody listens texts are queued; when a person does again they arrive in order, and other handsets' too."""
    attempt, failed = WebhookSender._attempt, list[bytes]()

    async def counted(sender: WebhookSender, url: str, body: bytes) -> bool:
        is_delivered = await attempt(sender, url, body)
        failed.extend([] if is_delivered else [body])
        return is_delivered

    monkeypatch.setattr(WebhookSender, "_attempt", counted)
    await stand.receiver.stop()
    for number in (A, B):
        for text in ("one", "two", "three"):
            await stand.text_from_handset(number, text)
    await until(lambda: [failed.count(body) >= 2 for body in set(failed)] == [True, True])
    assert {t["status"] for t in await handset(stand)} == {"queued"}
    await stand.receiver.start()
    await stand.receiver.come(6, tail="/inbound")
    for number in (A, B):
        bodies = [json.loads(request.body) for request in stand.receiver.to("/inbound")]
        assert [body["text"] for body in bodies if body["from"] == number] == ["one", "two", "three"]
    await until_status(stand, "delivered")


async def test_gives_up() -> None:
    """After the time to try is over a text has failed, its copy can still be listed, and the next one has its turn."""
    async with rehearsal_harness(first_retry=0.02, longest_retry=0.05, give_up=0.2) as stand:
        stand.receiver.otherwise = 503
        await stand.text_from_handset(A, "one")
        await until_status(stand, "failed")
        stand.receiver.otherwise = 204
        await stand.text_from_handset(A, "two")
        await until_status(stand, "delivered")
        assert [t["status"] for t in await handset(stand)] == ["failed", "delivered"]
        since = datetime.now(UTC) - timedelta(minutes=1)
        assert [item.text for item in await listed_texts(stand.carrier, since)] == ["one", "two"]


async def test_reports_are_retried(stand: RehearsalHarness) -> None:
    """Reports too come until they are acknowledged, `sent` before `delivered`."""
    stand.receiver.answers = [503, 503, 204, 503, 204]
    await send_words(stand.carrier, A, "x", number=NUMBER)
    reports = await stand.receiver.come(5, tail="/status")
    assert [json.loads(r.body)["status"] for r in reports] == ["sent", "sent", "sent", "delivered", "delivered"]
