"""Texting first, through the real nerves: the number goes from one message into one sealed column, and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.actions import DESK, OFFICE, THREAD, Invite, Post, RedactSaid
from bot.model.events import Joined, Said
from bridge.carriers.adapter import InboundText
from bridge.engine.cold_outreach import FirstTexts
from bridge.erasure.carrier_copies import COPIES
from bridge.outbound.sms_sender import PHONE
from bridge.runtime.phone_number import Phone
from tests.fakes.nerves import HANDSET, LINE, NUMBER, Nerves

ANA = "@ana:line.example"
TYPED = "(206) 555-0199"
DIGITS = (b"2065550199", b"555-0199", b"206) 555")


async def free(_phone: Phone) -> bool:
    return False


@pytest.fixture
async def nerves(tmp_path: Path) -> AsyncIterator[Nerves]:
    made = Nerves(tmp_path)
    made.pack = replace(made.pack, settings=replace(made.pack.settings, cold_outbound=True))
    await made.open()
    allow(made)
    await made.run()
    await made.tell(DESK, Joined(place=DESK, user=ANA))
    yield made
    await made.end()


async def everybody(_phone: Phone) -> bool:
    """Bar every phone."""
    return True


def allow(nerves: Nerves, *, barred: bool = False) -> None:
    """Wire texting first as `app` does."""
    first_texts = FirstTexts(
        store=nerves.store,
        vault=nerves.vault,
        line=LINE,
        numbers=(NUMBER,),
        barred=everybody if barred else free,
        screen=nerves.screening.wake,
    )
    nerves.engine._first_texts = nerves.engine._lookup._first_texts = first_texts


async def types(nerves: Nerves, *bodies: str) -> None:
    """Say things in Ana's office, one after the other."""
    for n, body in enumerate(bodies):
        said = Said(place=OFFICE + ANA, sender=ANA, event_id=f"$o{n}", body=body, at=nerves.clock.wall())
        await nerves.tell(DESK, said)
        await nerves.at_rest()


async def test_a_thread_for_the_number_that_was_typed(nerves: Nerves, caplog: pytest.LogCaptureFixture) -> None:
    """Typed twice, it opens a thread with its typist as the voice; the first words that leave are typed by hand."""
    caplog.set_level(logging.DEBUG)
    await types(nerves, "!text", "she asked", TYPED, "206-555-0199")
    owner = await nerves.thread_of(HANDSET)
    thread = await nerves.thread(owner)
    assert (thread.voice.holder, thread.voice.epoch) == (ANA, 1)
    assert [a.user for o, a in nerves.shown if o == owner and isinstance(a, Invite)] == [ANA]
    assert [a.event_id for _, a in nerves.shown if isinstance(a, RedactSaid)] == ["$o2", "$o3"]
    assert nerves.paper.sent == []
    await nerves.tell(owner, Joined(place=THREAD, user=ANA))
    await nerves.tell(owner, Said(place=THREAD, sender=ANA, event_id="$a", body="you asked me to text", at=nerves.clock.at))
    await nerves.at_rest()
    assert nerves.paper.sent == [(HANDSET, "you asked me to text")]
    assert not [digits for digits in DIGITS if digits.decode() in caplog.text]

    await nerves.webhook.take(InboundText(message_id="1", sender=Phone(HANDSET), text="yes, hello"))
    await nerves.at_rest()
    assert nerves.posts(owner) == ["yes, hello"]
    assert len(nerves.paper.sent) == 1, "somebody whom we texted is greeted as if they had begun"
    assert [line.voice for line in nerves.engine.desk.threads] == [ANA]


@pytest.mark.practice(14)
async def test_the_number_is_in_no_byte_but_sealed_ones(nerves: Nerves) -> None:
    """In nothing that is shown, and in no file, is a digit of it; the sealed column opens to it."""
    await types(nerves, "!text", "she asked", TYPED, TYPED)
    shown = " ".join(a.body for _, a in nerves.shown if isinstance(a, Post)).encode()
    files = [path for path in nerves.directory.rglob("*") if path.is_file()]
    for found in (shown, *(path.read_bytes() for path in files)):
        assert not [digits for digits in DIGITS if digits in found]
    assert "2065550199" not in str(nerves.engine.desk)
    owner = await nerves.thread_of(HANDSET)
    sealed = await nerves.store.fetchval("SELECT phone FROM thread WHERE id = $1", owner)
    assert await nerves.vault.open(owner, PHONE, sealed) == HANDSET.encode()


async def test_whoever_is_barred_is_not_texted(nerves: Nerves) -> None:
    """A phone that said STOP once, or is blocked, is refused, and no thread is made."""
    allow(nerves, barred=True)
    await types(nerves, "!text", "she asked", TYPED, TYPED)
    assert await nerves.count("thread") == 0
    assert any("may not be texted" in body for body in nerves.posts(DESK, notices=True))


async def test_a_phone_with_a_conversation_gets_no_second_one(nerves: Nerves) -> None:
    """Whoever has a thread already is not texted first, whatever they said in it, and it stays as it is."""
    owner = await nerves.arrive("STOP", message_id="1")
    await nerves.at_rest()
    before = await nerves.thread(owner)
    await types(nerves, "!text", "she asked", TYPED, TYPED)
    assert await nerves.count("thread") == 1
    assert await nerves.thread(owner) == before


async def test_they_text_us_between_the_question_and_the_commit(nerves: Nerves, monkeypatch: pytest.MonkeyPatch) -> None:
    """When their text wins the race there is one thread, theirs, in the queue; the key of the other is gone."""
    await types(nerves, "!text", "she asked", TYPED)
    first_texts = nerves.engine._first_texts
    assert first_texts is not None
    prepare = first_texts.prepare

    async def then_they_text(event: object, actions: object) -> object:
        new = await prepare(event, actions)  # type: ignore[arg-type]
        if new is not None:
            await nerves.webhook.take(InboundText(message_id="1", sender=Phone(HANDSET), text="hello"))
        return new

    monkeypatch.setattr(first_texts, "prepare", then_they_text)
    await types(nerves, TYPED)
    owner = await nerves.thread_of(HANDSET)
    await nerves.at_rest()
    assert await nerves.count("thread") == 1
    assert (await nerves.thread(owner)).voice.holder is None
    assert await nerves.vault.owners() == {DESK, COPIES, owner}
