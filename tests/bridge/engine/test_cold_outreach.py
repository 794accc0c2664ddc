"""Texting first, through the real bridge: the number goes from one message into one sealed column, and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.actions import DESK, OFFICE, THREAD, Invite, RedactEvent, SendMessage
from bot.model.events import MemberJoined, MessageSent
from bridge.carriers.adapter import InboundText
from bridge.engine.cold_outreach import OutreachThreads
from bridge.erasure.carrier_copies import COPIES
from bridge.runtime.phone_number import Phone
from bridge.tables import threads
from tests.fakes.bridge_harness import HANDSET, LINE, NUMBER, BridgeHarness

ANA = "@ana:line.example"
TYPED = "(206) 555-0199"
DIGITS = (b"2065550199", b"555-0199", b"206) 555")


async def free(_phone: Phone) -> bool:
    return False


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BridgeHarness]:
    bridge_harness = BridgeHarness(tmp_path)
    bridge_harness.pack = replace(bridge_harness.pack, settings=replace(bridge_harness.pack.settings, cold_outbound=True))
    await bridge_harness.open()
    allow(bridge_harness)
    await bridge_harness.run()
    await bridge_harness.deliver(DESK, MemberJoined(place=DESK, user=ANA))
    yield bridge_harness
    await bridge_harness.close()


async def everybody(_phone: Phone) -> bool:
    """Bar every phone."""
    return True


def allow(harness: BridgeHarness, *, is_suppressed: bool = False) -> None:
    """Wire texting first as `app` does."""
    first_texts = OutreachThreads(
        harness.services, line=LINE, numbers=(NUMBER,), is_suppressed=everybody if is_suppressed else free
    )
    harness.engine._cold_outreach = harness.engine._lookup._cold_outreach = first_texts


async def types(harness: BridgeHarness, *bodies: str) -> None:
    """Say things in Ana's office, one after the other."""
    for n, body in enumerate(bodies):
        said = MessageSent(place=OFFICE + ANA, sender=ANA, event_id=f"$o{n}", body=body, at=harness.clock.now())
        await harness.deliver(DESK, said)
        await harness.wait_until_drained()


async def test_a_thread_for_the_number_that_was_typed(harness: BridgeHarness, caplog: pytest.LogCaptureFixture) -> None:
    """Typed twice, it opens a thread with its typist as the assignee; the first words that leave are typed by hand."""
    caplog.set_level(logging.DEBUG)
    await types(harness, "!text", "she asked", TYPED, "206-555-0199")
    owner = await harness.thread_id(HANDSET)
    thread = await harness.thread(owner)
    assert (thread.assignment.assignee, thread.assignment.epoch) == (ANA, 1)
    assert [a.user for o, a in harness.shown if o == owner and isinstance(a, Invite)] == [ANA]
    assert [a.event_id for _, a in harness.shown if isinstance(a, RedactEvent)] == ["$o2", "$o3"]
    assert harness.carrier.sent == []
    await harness.deliver(owner, MemberJoined(place=THREAD, user=ANA))
    await harness.deliver(
        owner, MessageSent(place=THREAD, sender=ANA, event_id="$a", body="you asked me to text", at=harness.clock.at)
    )
    await harness.wait_until_drained()
    assert harness.carrier.sent == [(HANDSET, "you asked me to text")]
    assert not [digits for digits in DIGITS if digits.decode() in caplog.text]

    await harness.webhook.accept_text(InboundText(message_id="1", sender=Phone(HANDSET), text="yes, hello"))
    await harness.wait_until_drained()
    assert harness.messages_shown(owner) == ["yes, hello"]
    assert len(harness.carrier.sent) == 1, "somebody whom we texted is greeted as if they had begun"
    assert [line.assignee for line in harness.engine.desk.threads] == [ANA]


@pytest.mark.practice(14)
async def test_the_number_is_in_no_byte_but_sealed_ones(harness: BridgeHarness) -> None:
    """In nothing that is shown, and in no file, is a digit of it; the sealed column opens to it."""
    await types(harness, "!text", "she asked", TYPED, TYPED)
    shown = " ".join(a.body for _, a in harness.shown if isinstance(a, SendMessage)).encode()
    files = [path for path in harness.directory.rglob("*") if path.is_file()]
    for content in (shown, *(path.read_bytes() for path in files)):
        assert not [digits for digits in DIGITS if digits in content]
    assert "2065550199" not in str(harness.engine.desk)
    owner = await harness.thread_id(HANDSET)
    sealed = await harness.database.fetchval("SELECT phone FROM thread WHERE id = $1", owner)
    assert await harness.vault.open(owner, threads.PHONE, sealed) == HANDSET.encode()


async def test_whoever_is_barred_is_not_texted(harness: BridgeHarness) -> None:
    """A phone that said STOP once, or is blocked, is refused, and no thread is made."""
    allow(harness, is_suppressed=True)
    await types(harness, "!text", "she asked", TYPED, TYPED)
    assert await harness.count("thread") == 0
    assert any("may not be texted" in body for body in harness.messages_shown(DESK, notices=True))


async def test_a_phone_with_a_conversation_gets_no_second_one(harness: BridgeHarness) -> None:
    """Whoever has a thread already is not texted first, whatever they said in it, and it stays as it is."""
    owner = await harness.receive_text("STOP", message_id="1")
    await harness.wait_until_drained()
    before = await harness.thread(owner)
    await types(harness, "!text", "she asked", TYPED, TYPED)
    assert await harness.count("thread") == 1
    assert await harness.thread(owner) == before


async def test_they_text_us_between_the_question_and_the_commit(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When their text wins the race there is one thread, theirs, in the queue; the key of the other is gone."""
    await types(harness, "!text", "she asked", TYPED)
    first_texts = harness.engine._cold_outreach
    assert first_texts is not None
    prepare = first_texts.prepare

    async def then_they_text(event: object, actions: object) -> object:
        new = await prepare(event, actions)  # type: ignore[arg-type]
        if new is not None:
            await harness.webhook.accept_text(InboundText(message_id="1", sender=Phone(HANDSET), text="hello"))
        return new

    monkeypatch.setattr(first_texts, "prepare", then_they_text)
    await types(harness, TYPED)
    owner = await harness.thread_id(HANDSET)
    await harness.wait_until_drained()
    assert await harness.count("thread") == 1
    assert (await harness.thread(owner)).assignment.assignee is None
    assert await harness.vault.owners() == {DESK, COPIES, owner}
