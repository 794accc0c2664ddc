"""What the rehearsal carrier keeps over its own restart."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.carriers.adapter import WebhookRequest
from deploy.rehearsal.exchange import Exchange, SmsRecord
from deploy.rehearsal.record_store import RecordStore
from deploy.rehearsal.server import run_carrier
from policies import ProblemsError
from tests.bridge.carriers.receiver import until, webhook_receiver
from tests.bridge.carriers.rehearsal_harness import NUMBER, settings

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
A, B = "+15555550101", "+15555550102"


def exchange(path: Path) -> tuple[Exchange, RecordStore]:
    store, records = RecordStore.open(path, KEY)
    return Exchange(number=NUMBER, clock=lambda: 1_800_000_000.0, put=store.put, records=records), store


def test_texts_and_deletions_are_there_after_a_kill(tmp_path: Path) -> None:
    """A text and a deleted copy are in the file at once; a process that was killed closed nothing."""
    first, _ = exchange(tmp_path / "journal")
    text = first.inbound(sender=A, text="hi \ud83d there")
    reply = first.outbound(recipient=A, text="hello")
    assert first.delete_copy(reply.id)
    second, _ = exchange(tmp_path / "journal")
    assert second.handset(A) == (text, reply)
    assert [each.id for each in second.copies()] == [text.id]
    later = second.inbound(sender=B, text="more")
    assert (later.sequence, later.at > reply.at) == (3, True)


async def test_a_new_state_is_written_soon(tmp_path: Path) -> None:
    """What becomes of a text is written within a moment, and at the latest when the carrier stops."""
    first, store = exchange(tmp_path / "journal")
    one, two = first.inbound(sender=A, text="1"), first.inbound(sender=A, text="2")
    one.status = "delivered"
    store.note(one)

    await until(lambda: len((tmp_path / "journal").read_bytes().splitlines()) == 3)
    two.status = "failed"
    store.note(two)
    store.close()
    assert [record.status for record in exchange(tmp_path / "journal")[0].handset(A)] == ["delivered", "failed"]


def test_the_file_tells_nothing(tmp_path: Path) -> None:
    """Neither numbers nor words stand in the file, it is private, and with another key it is refused with a remedy."""
    first, store = exchange(tmp_path / "journal")
    first.inbound(sender=A, text="c4n4ry words")
    store.close()
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600
    for file in tmp_path.iterdir():
        assert b"c4n4ry" not in file.read_bytes()
        assert A.encode() not in file.read_bytes()
    with pytest.raises(ProblemsError, match="put its key back"):
        RecordStore.open(tmp_path / "journal", bytes(32))


def test_a_line_that_a_kill_left_half_written_is_passed_over(tmp_path: Path) -> None:
    """What was begun and not ended was not answered; all before it is there, and each text stands once after a start."""
    first, store = exchange(tmp_path / "journal")
    text = first.inbound(sender=A, text="1")
    for status in ("delivered", "failed"):
        text.status = status
        store.put(text)
    with (tmp_path / "journal").open("ab") as file:
        file.write(b"AAAA")
    second, _ = exchange(tmp_path / "journal")
    assert second.handset(A) == (text,)
    assert len((tmp_path / "journal").read_bytes().splitlines()) == 1


def test_a_full_disk_damages_no_later_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of which half was written is refused; the next one, once there is room, is kept, and the file can be read."""
    first, _ = exchange(tmp_path / "journal")
    write = os.write

    def fill(descriptor: int, content: bytes) -> int:
        if len(content) < 20:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, content[:-10])

    with monkeypatch.context() as full:
        full.setattr(os, "write", fill)
        with pytest.raises(OSError, match="full"):
            first.inbound(sender=A, text="1")
    record = first.inbound(sender=A, text="2")
    assert exchange(tmp_path / "journal")[0].handset(A) == (record,)


async def test_what_it_owes_is_delivered_after_its_restart(tmp_path: Path) -> None:
    """Texts that the line did not take come in order after a restart, reports that it did not take as well, others not."""
    async with webhook_receiver() as receiver:
        carrier_settings = replace(settings(receiver, delivery=0.0), store=tmp_path / "journal", store_key=KEY)
        earlier = Exchange(number=NUMBER, clock=lambda: 1_800_000_000.0, put=(store := _open(tmp_path)).put)
        for words in ("one", "two"):
            earlier.inbound(sender=A, text=words)
        done = earlier.inbound(sender=B, text="taken before")
        reported, half = earlier.outbound(recipient=A, text="x"), earlier.outbound(recipient=A, text="y")
        done.status, reported.reports, half.reports = "delivered", 2, 1
        for record in (done, reported, half):
            store.put(record)
        store.close()
        async with run_carrier(carrier_settings):
            await receiver.come(2, tail="/inbound")
            await receiver.come(1, tail="/status")
            await until(lambda: not _owed(tmp_path))  # that they were taken is written a moment after
        assert [b'"text": "%s"' % words in request.body for words, request in _texts(receiver.to("/inbound"))] == [True] * 2
        (report,) = receiver.to("/status")
        assert half.id.encode() in report.body
        assert b'"delivered"' in report.body
        async with run_carrier(carrier_settings):
            pass
        assert len(receiver.requests) == 3
        assert not _owed(tmp_path)


def _owed(directory: Path) -> tuple[SmsRecord, ...]:
    """Return what is owed by the file, whoever has it open."""
    copy = directory / "copy"
    copy.write_bytes((directory / "journal").read_bytes())
    return Exchange(number=NUMBER, clock=lambda: 0.0, records=RecordStore.open(copy, KEY)[1]).unacknowledged_texts()


def _open(directory: Path) -> RecordStore:
    return RecordStore.open(directory / "journal", KEY)[0]


def _texts(requests: list[WebhookRequest]) -> list[tuple[bytes, WebhookRequest]]:
    return list(zip((b"one", b"two"), requests, strict=True))
