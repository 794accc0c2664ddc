"""The way in from carriers: what is refused, what is kept, and that it is kept once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import sqlite3
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
from bot.model.line_incidents import Gap, TextsMissing
from bridge.carriers.base import LARGEST
from bridge.carriers.vendors.rehearsal import RehearsalCarrier
from bridge.inbound.hourly_alerts import DAY, QUIET, REPEATED
from bridge.inbound.webhook import CHECKS
from bridge.storage import serialization
from bridge.tables import inbox
from deploy.rehearsal.running import running
from deploy.rehearsal.settings import Pace, Settings
from tests.e2e.carrier import CarrierApi
from tests.e2e.waiting import until
from tests.fakes.nerves import HANDSET, LINE, NUMBER, Nerves, SetClock
from tests.fakes.platter import Platter

PUBLIC = "https://line.example"
KEY = "signing key"
REPORT = json.dumps({"type": "report", "id": "id9", "status": "delivered", "code": ""}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The webhook on a real socket, and the key to sign for it."""

    nerves: Nerves
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
        vault = self.nerves.vault
        rows = await self.nerves.store.fetch("SELECT kind, body FROM inbox WHERE owner = $1 ORDER BY seq", DESK)
        return [serialization.decode(row["kind"], await vault.open(DESK, inbox.CONTEXT, row["body"])) for row in rows]


def text(words: str, *, message_id: str = "id1", sender: str = HANDSET) -> bytes:
    """Write a text as the rehearsal carrier does."""
    at = datetime.now(UTC).isoformat()
    told = {"type": "text", "id": message_id, "from": sender, "to": NUMBER, "text": words, "media": [], "at": at}
    return json.dumps(told).encode()


def adapter(api_base: str = "http://127.0.0.1:9", public_base_url: str = PUBLIC) -> RehearsalCarrier:
    """Make the real adapter."""
    return RehearsalCarrier(
        public_base_url=public_base_url, slug=LINE, api_base=api_base, token="t", signing_key=KEY, clock=time.time
    )


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """Serve a webhook whose texts stay in the inbox: no engine runs."""
    carrier = adapter()
    nerves = Nerves(tmp_path, door=carrier)
    await nerves.open()
    await nerves.engine.load()
    yield Door(nerves=nerves, url=await nerves.listen())
    await nerves.end()
    await carrier.close()


async def test_a_text_is_kept_before_it_is_acknowledged(door: Door) -> None:
    """A signed text is answered 200, and is then in the inbox of a new thread, sealed."""
    assert await door.post(text("hello there")) == 200
    (row,) = await door.nerves.store.fetch("SELECT owner, kind, body FROM inbox")
    assert row["owner"] == await door.nerves.thread_of(HANDSET)
    assert row["kind"] == "TextArrived"
    assert b"hello there" not in row["body"]
    assert b"hello there" in await door.nerves.vault.open(row["owner"], "inbox", row["body"])


async def test_nobody_is_answered_before_it_is_on_the_disk(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk has not kept a text its carrier waits, the second time as well; a disk that fails is a 503."""
    platter = Platter(tmp_path / "main.db", tmp_path / "kept")
    platter.stand_in(monkeypatch)

    async def written() -> bool | None:
        return await door.nerves.count("inbox") == 1 or None

    with platter.held():
        texts = [asyncio.create_task(door.post(text("hello there"))) for _ in range(2)]
        await until("the text is written", written)
        await asyncio.sleep(0.1)
        assert not any(each.done() for each in texts)
    assert await asyncio.gather(*texts) == [200, 200]
    platter.fails = True
    assert await door.post(text("one more")) == 503


async def test_no_number_stands_in_clear_in_any_file(door: Door, tmp_path: Path) -> None:
    """Neither number nor words are in any byte of the files, while the thread lives."""
    assert await door.post(text("hello there")) == 200
    written = b"".join((tmp_path / name).read_bytes() for name in ("main.db", "main.db-wal", "keys.db"))
    assert HANDSET[2:].encode() not in written
    assert b"hello there" not in written


@pytest.mark.parametrize("sender", ["22395", "BANK", "+12065550123"], ids=["short code", "name", "number"])
async def test_any_sender_gets_a_thread(door: Door, sender: str) -> None:
    """Short codes and names are shown; only a number can be answered."""
    assert await door.post(text("words", sender=sender)) == 200
    thread = await door.nerves.thread(await door.nerves.thread_of(sender))
    assert thread.answerable is sender.startswith("+")


async def test_a_wrong_signature_is_refused(door: Door) -> None:
    """Without the right signature nothing gets in, whatever the body is."""
    for body in (text("words"), b"", b"{"):
        assert await door.post(body, key="another key") == 403
    assert await door.nerves.count("inbox") == await door.nerves.count("thread") == await door.nerves.count("seen") == 0


async def test_the_desk_hears_of_what_is_refused_again_and_again(door: Door) -> None:
    """Texts that are refused one after the other are told once an hour: a key or an address may be wrong at the carrier."""
    clock = door.nerves.clock
    for n in range(REPEATED - 1):
        assert await door.post(text("words", message_id=f"m{n}"), key="another key") == 403
    assert await door.told() == []
    for _ in range(20):
        assert await door.post(text("words"), key="another key") == 403
    assert await door.told() == [TextsMissing(kind=Gap.REFUSED)]
    clock.at += QUIET + 1
    for _ in range(20):
        assert await door.post(text("words"), key="another key") == 403
    assert await door.told() == [TextsMissing(kind=Gap.REFUSED)] * 2
    assert await door.nerves.count("thread") == await door.nerves.count("seen") == 0


async def test_a_stranger_who_tries_is_not_told(door: Door) -> None:
    """Nobody hears of requests that bring nothing, or come once in a while; nor of a check of our own."""
    for _ in range(5):
        assert await door.post(b"", key="another key") == 403
        for check in CHECKS:
            assert await door.post(check, key="another key", way="status") == 403
            assert await door.post(check, way="status") == 400
    for _ in range(5):
        assert await door.post(text("words"), key="another key") == 403
        assert await door.post(REPORT, key="another key", way="status") == 403
        assert await door.post(b"x" * (LARGEST + 1)) == 413
        door.nerves.clock.at += DAY / 2
    assert await door.told() == []


@pytest.mark.parametrize(
    ("body", "key", "status"),
    [(REPORT, "another key", 403), (b"{", KEY, 400), (b"x" * (LARGEST + 1), KEY, 413)],
    ids=["not signed", "unreadable", "too large"],
)
async def test_the_desk_hears_of_reports_that_do_not_come_in(door: Door, body: bytes, key: str, status: int) -> None:
    """Reports that are refused or unreadable one after the other are told once an hour: none may come in at all."""
    for _ in range(REPEATED - 1):
        assert await door.post(body, key=key, way="status") == status
    assert await door.told() == []
    for _ in range(5):
        assert await door.post(body, key=key, way="status") == status
    assert await door.told() == [TextsMissing(kind=Gap.REPORTS)]
    door.nerves.clock.at += QUIET + 1
    assert await door.post(body, key=key, way="status") == status
    assert await door.told() == [TextsMissing(kind=Gap.REPORTS)] * 2


async def test_the_desk_hears_of_what_is_too_large_again_and_again(door: Door) -> None:
    """A picture that is larger than what is taken comes again and again: the desk hears of it, once an hour."""
    for told in ([], [], [TextsMissing(kind=Gap.LARGE)], [TextsMissing(kind=Gap.LARGE)]):
        assert await door.post(b"x" * (LARGEST + 1)) == 413
        assert await door.told() == told


async def test_a_full_disk_says_nothing_of_strangers(door: Door) -> None:
    """A word at the desk that cannot be kept costs nobody their answer; what could not be read then comes again."""
    door.nerves.store.full = True
    for _ in range(REPEATED):
        assert await door.post(text("words"), key="another key") == 403
        assert await door.post(REPORT, key="another key", way="status") == 403
        assert await door.post(b"x" * (LARGEST + 1)) == 413
    assert await door.post(b"{") == 503
    door.nerves.store.full = False
    assert await door.post(b"{") == 400
    assert await door.told() == [TextsMissing(kind=Gap.UNREADABLE)]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"type": "text"}', text("x", message_id="no good")])
async def test_a_malformed_body_is_refused(door: Door, body: bytes) -> None:
    """A signed request that is not what the carrier documents is answered 400; the desk hears that one may be missing."""
    assert await door.post(body) == 400
    assert await door.post(body, way="status") == 400
    assert await door.nerves.count("thread") == 0
    assert await door.told() == [TextsMissing(kind=Gap.UNREADABLE)]


async def test_an_oversize_body_is_refused(door: Door) -> None:
    """More bytes than any text has are answered 413, and the next request is served."""
    assert await door.post(b"x" * (LARGEST + 1)) == 413
    assert await door.post(text("words")) == 200
    assert await door.nerves.count("inbox") == 1


async def test_a_duplicate_changes_nothing(door: Door) -> None:
    """The same text again, at once or later, is acknowledged and kept once."""
    assert await asyncio.gather(*(door.post(text("words")) for _ in range(5))) == [200] * 5
    assert await door.post(text("words")) == 200
    assert await door.nerves.count("inbox") == await door.nerves.count("thread") == 1
    assert len(await door.nerves.vault.owners()) == 3  # the desk, the copies, and the thread


async def test_first_texts_at_once_make_one_thread(door: Door) -> None:
    """Several first texts of one handset at the same moment make one thread with one key, and all are kept."""
    bodies = [text(f"words {n}", message_id=f"id{n}") for n in range(8)]
    assert await asyncio.gather(*map(door.post, bodies)) == [200] * 8
    assert await door.nerves.count("thread") == 1
    assert await door.nerves.count("inbox") == 8
    assert len(await door.nerves.vault.owners()) == 3


async def test_a_duplicate_is_known_after_a_restart(door: Door, tmp_path: Path) -> None:
    """What was acknowledged before a restart is not taken again after it."""
    assert await door.post(text("words")) == 200
    await door.nerves.end()
    carrier = adapter()
    again = Nerves(tmp_path, door=carrier)
    await again.open()
    later = Door(nerves=again, url=await again.listen())
    assert await later.post(text("words")) == 200
    assert await later.post(text("more words", message_id="id2")) == 200
    assert await again.count("thread") == 1
    assert await again.count("inbox") == 2
    await again.end()
    await carrier.close()


async def test_a_full_disk_is_a_503_and_the_retry_succeeds(door: Door) -> None:
    """While nothing can be written texts and reports are answered 503 and leave nothing; later they are taken."""
    door.nerves.store.full = True
    assert await door.post(text("words")) == 503
    assert await door.post(REPORT, way="status") == 503
    assert await door.nerves.count("thread") == await door.nerves.count("inbox") == await door.nerves.count("seen") == 0
    door.nerves.store.full = False
    assert await door.post(text("words")) == 200
    assert await door.post(REPORT, way="status") == 200
    assert await door.nerves.count("thread") == await door.nerves.count("inbox") == 1


async def test_a_full_disk_under_the_keys_is_a_503_too(door: Door) -> None:
    """SQLite itself has no page left for keys.db: a new texter is refused and nothing of them stays; known ones go on."""
    assert await door.post(text("words")) == 200
    keys = door.nerves.vault._keys
    await keys._run(lambda: keys._connection and keys._connection.execute("PRAGMA max_page_count = 1"))

    async def fill() -> None:
        for number in range(1000):
            await door.nerves.vault.create(f"filler {number}")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        await fill()
    stranger = text("a stranger's words", message_id="id2", sender="+12065550177")
    assert await door.post(stranger) == 503
    assert await door.post(text("more words", message_id="id3")) == 200
    assert await door.nerves.count("thread") == 1
    assert await door.nerves.count("seen") == 2
    await keys._run(lambda: keys._connection and keys._connection.execute("PRAGMA max_page_count = 100000"))
    assert await door.post(stranger) == 200
    assert await door.nerves.count("thread") == 2
    assert await door.nerves.count("inbox") == 3


async def test_a_thread_whose_key_is_gone_is_a_503(door: Door) -> None:
    """A row that stands without its key, as after an older keys.db was put back: a refusal at once, and no endless try."""
    assert await door.post(text("words")) == 200
    await door.nerves.vault.destroy(await door.nerves.thread_of(HANDSET))
    async with asyncio.timeout(5):
        assert await door.post(text("more", message_id="id2")) == 503
        assert await door.post(text("another's", message_id="id3", sender="+12065550177")) == 200


async def test_the_carrier_brings_a_text_through_a_full_disk(tmp_path: Path) -> None:
    """The real carrier retries, so a text that met a full disk is shown once and in order, and answered once."""
    async with AsyncExitStack() as stack:
        port = _free_port()
        base = f"http://127.0.0.1:{port}"
        carrier = adapter(public_base_url=base)
        stack.push_async_callback(carrier.close)
        # The carrier tells real times, and what is told of long after is not answered.
        nerves = Nerves(tmp_path, door=carrier, clock=SetClock(time.time()))
        await nerves.open()
        stack.push_async_callback(nerves.end)
        await nerves.run()
        await nerves.listen(port=port)
        served = await stack.enter_async_context(
            running(
                Settings(
                    host="127.0.0.1",
                    port=0,
                    number=NUMBER,
                    token="t",
                    signing_key=KEY,
                    webhook_base=f"{base}/carriers/{LINE}",
                    pace=Pace(longest_retry=0.3),
                )
            )
        )
        api = CarrierApi(f"http://127.0.0.1:{served}", NUMBER)
        nerves.store.full = True
        await api.text(HANDSET, "one")
        await api.text(HANDSET, "two")
        await until("the carrier was refused", lambda: _refused(nerves), every=0.02)
        nerves.store.full = False
        await api.all_taken(HANDSET, 2)
        await nerves.at_rest()
        assert nerves.posts(await nerves.thread_of(HANDSET)) == ["one", "two"]
        assert len(nerves.paper.sent) == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_a_body_that_is_not_what_it_says(door: Door, encoding: str) -> None:
    """A stranger's body that is not encoded as its header says is their mistake, and no failure of ours."""
    url, headers = f"{door.url}/carriers/{LINE}/inbound", {"Content-Encoding": encoding}
    for _ in range(REPEATED + 1):
        async with aiohttp.ClientSession() as http, http.post(url, data=b"hello", headers=headers) as answer:
            assert answer.status == 400
    assert set(await door.told()) <= {TextsMissing(kind=Gap.REFUSED)}
    assert await door.nerves.count("thread") == 0
    assert await door.post(text("words")) == 200


async def test_a_body_that_stops_in_the_middle_is_no_text(door: Door) -> None:
    """A request cut short by a broken connection changes nothing."""
    body = text("words")
    host, _, port = door.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /carriers/{LINE}/inbound HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body[:-5])
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.1)
    assert await door.nerves.count("inbox") == 0
    assert await door.post(text("words")) == 200


async def _refused(nerves: Nerves) -> bool | None:
    return nerves.store.refused > 1 or None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])
