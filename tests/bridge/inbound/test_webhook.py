"""The way in from carriers: what is refused, what is kept, and that it is kept once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from bot.model.actions import DESK
from bot.model.events import Event
from bot.model.line_incidents import GapKind, TextsMissing
from bridge.carriers.adapter import AdapterContext, InboundText
from bridge.carriers.base import MAX_WEBHOOK_BYTES
from bridge.carriers.vendors import rehearsal
from bridge.carriers.vendors.rehearsal import RehearsalCarrier
from bridge.inbound.carrier_check_calls import PROBE_BODIES
from bridge.inbound.hourly_alerts import DAY, MIN_INTERVAL, REFUSALS_TO_ALERT
from bridge.storage import serialization
from bridge.storage.errors import Unavailable
from bridge.tables import inbox
from deploy.rehearsal.server import run_carrier
from deploy.rehearsal.settings import Settings, Timing
from tests.e2e.carrier_api import CarrierApi
from tests.e2e.polling import STEP_TIMEOUT, wait_until
from tests.fakes.bridge_harness import HANDSET, LINE, NUMBER, BridgeHarness, ManualClock
from tests.fakes.fake_disk import FakeDisk
from tests.fakes.secret_files import secret_file
from tests.free_ports import free_ports

PUBLIC = "https://line.example"
KEY = "signing key"
REPORT = json.dumps({"type": "report", "id": "id9", "status": "delivered", "code": ""}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookClient:
    """The webhook on a real socket, and the key to sign for it."""

    harness: BridgeHarness
    url: str

    async def post(self, body: bytes, *, key: str = KEY, way: str = "inbound") -> int:
        """POST a signed body; returns the status."""
        timestamp, path = str(int(time.time())), f"/carriers/{LINE}/{way}"
        message = b"\n".join((timestamp.encode(), f"{PUBLIC}{path}".encode(), body))
        signature = hmac.new(key.encode(), message, hashlib.sha256).hexdigest()
        headers = {"X-Rehearsal-Timestamp": timestamp, "X-Rehearsal-Signature": signature}
        async with aiohttp.ClientSession() as http, http.post(self.url + path, data=body, headers=headers) as answer:
            await answer.read()
        return answer.status

    async def told(self) -> list[Event]:
        """Return what stands in the desk's inbox, oldest first."""
        vault = self.harness.vault
        rows = await self.harness.database.fetch("SELECT kind, body FROM inbox WHERE owner = $1 ORDER BY seq", DESK)
        return [serialization.decode(row["kind"], await vault.open(DESK, inbox.CONTEXT, row["body"])) for row in rows]


def text(words: str, *, message_id: str = "id1", sender: str = HANDSET) -> bytes:
    """Write a text as the rehearsal carrier does."""
    at = datetime.now(UTC).isoformat()
    fields = {"type": "text", "id": message_id, "from": sender, "to": NUMBER, "text": words, "media": [], "at": at}
    return json.dumps(fields).encode()


def adapter(public_base_url: str = PUBLIC) -> RehearsalCarrier:
    """Make the real adapter."""
    settings = rehearsal.Settings(
        kind="rehearsal", api_base="http://127.0.0.1:9", token_file=secret_file("t"), signing_key_file=secret_file(KEY)
    )
    line = AdapterContext(public_base_url=public_base_url, slug=LINE, numbers=(NUMBER,), validity=300, clock=time.time)
    return RehearsalCarrier(settings, line)


@pytest.fixture
async def webhook(tmp_path: Path) -> AsyncIterator[WebhookClient]:
    """Serve a webhook whose texts stay in the inbox: no engine runs."""
    carrier = adapter()
    harness = BridgeHarness(tmp_path, inbound_carrier=carrier)
    await harness.open()
    await harness.engine.load()
    yield WebhookClient(harness=harness, url=await harness.listen())
    await harness.close()
    await carrier.close()


async def test_a_text_is_kept_before_it_is_acknowledged(webhook: WebhookClient) -> None:
    """A signed text is answered 200, and is then in the inbox of a new thread, sealed."""
    assert await webhook.post(text("hello there")) == 200
    (row,) = await webhook.harness.database.fetch("SELECT owner, kind, body FROM inbox")
    assert row["owner"] == await webhook.harness.thread_id(HANDSET)
    assert row["kind"] == "TextArrived"
    assert b"hello there" not in row["body"]
    assert b"hello there" in await webhook.harness.vault.open(row["owner"], "inbox", row["body"])


async def test_nobody_is_answered_before_it_is_on_the_disk(
    webhook: WebhookClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk has not kept a text its carrier waits, the second time as well; a disk that fails is a 503."""
    disk = FakeDisk(tmp_path / "main.db", tmp_path / "kept")
    disk.install(monkeypatch)

    came, accept_text = 0, webhook.harness.webhook.accept_text

    async def counted(inbound: InboundText) -> None:
        nonlocal came
        came += 1
        await accept_text(inbound)

    async def written() -> bool | None:
        return (came == 2 and await webhook.harness.count("inbox") == 1) or None

    monkeypatch.setattr(webhook.harness.webhook, "accept_text", counted)
    with disk.stalled():
        texts = [asyncio.create_task(webhook.post(text("hello there"))) for _ in range(2)]
        await wait_until("both came and the text is written", written)
        # What waits for no disk is answered meanwhile: so would these be.
        assert await webhook.post(text("hello there"), key="a stranger's") == adapter().refusal_status
        assert not any(each.done() for each in texts)
    assert await asyncio.gather(*texts) == [200, 200]
    disk.fails = True
    assert await webhook.post(text("one more", message_id="id2")) == 503


@pytest.mark.sqlite_only
async def test_no_number_stands_in_clear_in_any_file(webhook: WebhookClient, tmp_path: Path) -> None:
    """Neither number nor words are in any byte of the files, while the thread lives."""
    assert await webhook.post(text("hello there")) == 200
    written = b"".join((tmp_path / name).read_bytes() for name in ("main.db", "main.db-wal", "keys.db"))
    assert HANDSET[2:].encode() not in written
    assert b"hello there" not in written


@pytest.mark.parametrize("sender", ["22395", "BANK", "+12065550123"], ids=["short code", "name", "number"])
async def test_any_sender_gets_a_thread(webhook: WebhookClient, sender: str) -> None:
    """Short codes and names are shown; only a number can be answered."""
    assert await webhook.post(text("words", sender=sender)) == 200
    thread = await webhook.harness.thread(await webhook.harness.thread_id(sender))
    assert thread.answerable is sender.startswith("+")


async def test_a_wrong_signature_is_refused(webhook: WebhookClient) -> None:
    """Without the right signature nothing gets in, whatever the body is."""
    for body in (text("words"), b"", b"{"):
        assert await webhook.post(body, key="another key") == 403
    assert (
        await webhook.harness.count("inbox")
        == await webhook.harness.count("thread")
        == await webhook.harness.count("seen")
        == 0
    )


async def test_the_desk_hears_of_what_is_refused_again_and_again(webhook: WebhookClient) -> None:
    """Texts that are refused one after the other are told once an hour: a key or an address may be wrong at the carrier."""
    clock = webhook.harness.clock
    for n in range(REFUSALS_TO_ALERT - 1):
        assert await webhook.post(text("words", message_id=f"m{n}"), key="another key") == 403
    assert await webhook.told() == []
    for _ in range(20):
        assert await webhook.post(text("words"), key="another key") == 403
    assert await webhook.told() == [TextsMissing(kind=GapKind.REFUSED)]
    clock.at += MIN_INTERVAL + 1
    for _ in range(20):
        assert await webhook.post(text("words"), key="another key") == 403
    assert await webhook.told() == [TextsMissing(kind=GapKind.REFUSED)] * 2
    assert await webhook.harness.count("thread") == await webhook.harness.count("seen") == 0


async def test_a_stranger_who_tries_is_not_told(webhook: WebhookClient) -> None:
    """Nobody hears of requests that bring nothing, or come once in a while; nor of a check of our own."""
    for _ in range(5):
        assert await webhook.post(b"", key="another key") == 403
        for check in PROBE_BODIES:
            assert await webhook.post(check, key="another key", way="status") == 403
            assert await webhook.post(check, way="status") == 400
    for _ in range(5):
        assert await webhook.post(text("words"), key="another key") == 403
        assert await webhook.post(REPORT, key="another key", way="status") == 403
        assert await webhook.post(b"x" * (MAX_WEBHOOK_BYTES + 1)) == 413
        webhook.harness.clock.at += DAY / 2
    assert await webhook.told() == []


@pytest.mark.parametrize(
    ("body", "key", "status"),
    [(REPORT, "another key", 403), (b"{", KEY, 400), (b"x" * (MAX_WEBHOOK_BYTES + 1), KEY, 413)],
    ids=["not signed", "unreadable", "too large"],
)
async def test_the_desk_hears_of_reports_that_do_not_come_in(
    webhook: WebhookClient, body: bytes, key: str, status: int
) -> None:
    """Reports that are refused or unreadable one after the other are told once an hour: none may come in at all."""
    for _ in range(REFUSALS_TO_ALERT - 1):
        assert await webhook.post(body, key=key, way="status") == status
    assert await webhook.told() == []
    for _ in range(5):
        assert await webhook.post(body, key=key, way="status") == status
    assert await webhook.told() == [TextsMissing(kind=GapKind.REPORTS)]
    webhook.harness.clock.at += MIN_INTERVAL + 1
    assert await webhook.post(body, key=key, way="status") == status
    assert await webhook.told() == [TextsMissing(kind=GapKind.REPORTS)] * 2


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"type": "text"}', text("x", message_id="no good")])
async def test_a_malformed_body_is_refused(webhook: WebhookClient, body: bytes) -> None:
    """A signed request that is not what the carrier documents is answered 400; the desk hears that one may be missing."""
    assert await webhook.post(body) == 400
    assert await webhook.post(body, way="status") == 400
    assert await webhook.harness.count("thread") == 0
    assert await webhook.told() == [TextsMissing(kind=GapKind.UNREADABLE)]


async def test_an_oversize_body_is_refused(webhook: WebhookClient) -> None:
    """More bytes than any text has are answered 413, and the next request is served."""
    assert await webhook.post(b"x" * (MAX_WEBHOOK_BYTES + 1)) == 413
    assert await webhook.post(text("words")) == 200
    assert await webhook.harness.count("inbox") == 1


async def test_a_duplicate_changes_nothing(webhook: WebhookClient) -> None:
    """The same text again, at once or later, is acknowledged and kept once."""
    assert await asyncio.gather(*(webhook.post(text("words")) for _ in range(5))) == [200] * 5
    assert await webhook.post(text("words")) == 200
    assert await webhook.harness.count("inbox") == await webhook.harness.count("thread") == 1
    assert len(await webhook.harness.vault.owners()) == 3  # the desk, the copies, and the thread


async def test_first_texts_at_once_make_one_thread(webhook: WebhookClient) -> None:
    """Several first texts of one handset at the same moment make one thread with one key, and all are kept."""
    bodies = [text(f"words {n}", message_id=f"id{n}") for n in range(8)]
    assert await asyncio.gather(*map(webhook.post, bodies)) == [200] * 8
    assert await webhook.harness.count("thread") == 1
    assert await webhook.harness.count("inbox") == 8
    assert len(await webhook.harness.vault.owners()) == 3


async def test_a_duplicate_is_known_after_a_restart(webhook: WebhookClient, tmp_path: Path) -> None:
    """What was acknowledged before a restart is not taken again after it."""
    assert await webhook.post(text("words")) == 200
    await webhook.harness.close()
    carrier = adapter()
    again = BridgeHarness(tmp_path, inbound_carrier=carrier)
    await again.open()
    later = WebhookClient(harness=again, url=await again.listen())
    assert await later.post(text("words")) == 200
    assert await later.post(text("more words", message_id="id2")) == 200
    assert await again.count("thread") == 1
    assert await again.count("inbox") == 2
    await again.close()
    await carrier.close()


async def test_a_full_disk_is_a_503_and_the_retry_succeeds(webhook: WebhookClient) -> None:
    """While nothing can be written texts and reports are answered 503 and leave nothing; later they are taken."""
    webhook.harness.database.full = True
    assert await webhook.post(text("words")) == 503
    assert await webhook.post(REPORT, way="status") == 503
    assert (
        await webhook.harness.count("thread")
        == await webhook.harness.count("inbox")
        == await webhook.harness.count("seen")
        == 0
    )
    webhook.harness.database.full = False
    assert await webhook.post(text("words")) == 200
    assert await webhook.post(REPORT, way="status") == 200
    assert await webhook.harness.count("thread") == await webhook.harness.count("inbox") == 1


async def test_a_full_disk_under_the_keys_is_a_503_too(webhook: WebhookClient) -> None:
    """SQLite itself has no page left for keys.db: a new texter is refused and nothing of them stays; known ones go on."""
    assert await webhook.post(text("words")) == 200
    keys = webhook.harness.vault._keys
    await keys._run(lambda: keys._db().execute("PRAGMA max_page_count = 1"))

    async def fill() -> None:
        for number in range(1000):
            await webhook.harness.vault.create(f"filler {number}")

    with pytest.raises(Unavailable, match="FULL"):
        await fill()
    stranger = text("a stranger's words", message_id="id2", sender="+12065550177")
    assert await webhook.post(stranger) == 503
    assert await webhook.post(text("more words", message_id="id3")) == 200
    assert await webhook.harness.count("thread") == 1
    assert await webhook.harness.count("seen") == 2
    await keys._run(lambda: keys._db().execute("PRAGMA max_page_count = 100000"))
    assert await webhook.post(stranger) == 200
    assert await webhook.harness.count("thread") == 2
    assert await webhook.harness.count("inbox") == 3


async def test_a_thread_whose_key_is_gone_is_a_503(webhook: WebhookClient) -> None:
    """A row that stands without its key, as after an older keys.db was put back: a refusal at once, and no endless try."""
    assert await webhook.post(text("words")) == 200
    await webhook.harness.vault.destroy(await webhook.harness.thread_id(HANDSET))
    async with asyncio.timeout(STEP_TIMEOUT):
        assert await webhook.post(text("more", message_id="id2")) == 503
        assert await webhook.post(text("another's", message_id="id3", sender="+12065550177")) == 200


async def test_the_carrier_brings_a_text_through_a_full_disk(tmp_path: Path) -> None:
    """The real carrier retries, so a text that met a full disk is shown once and in order, and answered once."""
    async with AsyncExitStack() as stack:
        port = free_ports(1)
        base = f"http://127.0.0.1:{port}"
        carrier = adapter(public_base_url=base)
        stack.push_async_callback(carrier.close)
        # The carrier tells real times, and what is told of long after is not answered.
        harness = BridgeHarness(tmp_path, inbound_carrier=carrier, clock=ManualClock(time.time()))
        await harness.open()
        stack.push_async_callback(harness.close)
        await harness.run()
        await harness.listen(port=port)
        served = await stack.enter_async_context(
            run_carrier(
                Settings(
                    host="127.0.0.1",
                    port=0,
                    number=NUMBER,
                    token="t",
                    signing_key=KEY,
                    webhook_base=f"{base}/carriers/{LINE}",
                    timing=Timing(longest_retry=0.3),
                )
            )
        )
        api = CarrierApi(f"http://127.0.0.1:{served}", NUMBER)
        harness.database.full = True
        await api.text(HANDSET, "one")
        await api.text(HANDSET, "two")
        await wait_until("the carrier was refused", lambda: _refused(harness), every=0.02)
        harness.database.full = False
        await api.wait_for_acknowledgements(HANDSET, 2)
        await harness.wait_until_drained()
        assert harness.messages_shown(await harness.thread_id(HANDSET)) == ["one", "two"]
        assert len(harness.carrier.sent) == 1


async def _refused(harness: BridgeHarness) -> bool | None:
    return harness.database.rejected_commits > 1 or None
