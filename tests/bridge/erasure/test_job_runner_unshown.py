"""Words that could not be shown go with no conversation by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from bot.decide import decide as real
from bot.lifecycle.retention import END, IDLE, NEVER_SHOWN
from bot.model.events import TextArrived
from bot.model.thread import ThreadState
from bot.model.transactional_actions import SetTimer
from bridge.engine import engine, facts, timers
from tests.bridge.erasure.test_expiry import held
from tests.e2e.polling import wait_until
from tests.fakes.erasure_harness import ADA, ErasureHarness

WORDS = "he is here, call me"


async def unseen(erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch, *, shown: bool) -> str:
    """Have an answered thread, and a text in it that a bug took from the engine, or on its way into the room (`shown`)."""
    owner = await held(erasure)
    await erasure.add_event(owner, "$in", ref="in:a:0")
    await erasure.send_message(owner, "an answer", sender=ADA, event_id="$answer")
    await passes(erasure, 60)

    def broken(pack: Any, known: Any, aggregate: Any, add_event: Any) -> Any:
        if isinstance(add_event, TextArrived) and add_event.body == WORDS and not shown:
            raise KeyError("a bug")
        return real(pack, known, aggregate, add_event)

    monkeypatch.setattr(engine, "decide", broken)
    erasure.harness.rejects = lambda action: shown and WORDS in getattr(action, "body", "")
    await erasure.harness.receive_text(WORDS, message_id="bug")
    await erasure.harness.wait_until_drained()
    assert await erasure.harness.count("dead_letter") == 1
    assert WORDS not in erasure.harness.messages_shown(owner)
    return owner


async def passes(erasure: ErasureHarness, seconds: float) -> None:
    async def decided() -> bool | None:
        return await erasure.harness.count("inbox") == 0 or None

    erasure.harness.clock.at += seconds
    # A timer may set another one that is due already.
    while await erasure.harness.timers.fire_due() <= 0:
        await wait_until("all is decided", decided, every=0.01)
    # Nobody is on call here, and a call would stand in the outbox.
    await erasure.harness.database.commit(
        lambda transaction: transaction.execute("DELETE FROM outbox WHERE transport = 'page'")
    )
    await erasure.harness.wait_until_drained()


async def set_(erasure: ErasureHarness, owner: str, key: str) -> None:
    """Have that timer be due now."""
    timer = SetTimer(key=key, due=erasure.harness.clock.at)
    await erasure.harness.database.commit(lambda transaction: timers.write(transaction, owner, timer))


@pytest.mark.parametrize("shown", [False, True])
async def test_idle_and_close_wait_for_words_that_nobody_saw(
    erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch, shown: bool
) -> None:
    """Days after the answer, and after a `!close` too, the dead letter stands; only `!close now anyway` drops it."""
    owner = await unseen(erasure, monkeypatch, shown=shown)
    await set_(erasure, owner, IDLE)
    for _ in range(4):
        await passes(erasure, 86_400)
    await erasure.send_message(owner, "!close", sender=ADA)
    for _ in range(4):
        await passes(erasure, 3600)
    assert (await erasure.harness.thread(owner)).lifecycle.state is ThreadState.OPEN
    assert await erasure.harness.count("dead_letter") == 1
    await erasure.send_message(owner, "!close now")
    assert NEVER_SHOWN in erasure.harness.messages_shown(owner, notices=True)
    assert await erasure.harness.count("dead_letter") == 1
    await erasure.send_message(owner, "!close now anyway")
    assert (await erasure.harness.count("dead_letter"), await erasure.harness.count("thread")) == (0, 0)
    await erasure.run_to_end()
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation", "person"]


@pytest.mark.parametrize("days", [6, 8])
async def test_what_is_parked_waits_a_week_for_them(
    erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """A text that would have begun again died: number and words stay for a week, for nobody can drop them there."""
    owner = await held(erasure)
    await erasure.send_message(owner, "!close", sender=ADA)
    await passes(erasure, erasure.harness.pack.settings.close_undo)
    assert (await erasure.harness.thread(owner)).lifecycle.state is ThreadState.PARKED

    def broken(pack: Any, known: Any, aggregate: Any, add_event: Any) -> Any:
        if isinstance(add_event, TextArrived):
            raise KeyError("a bug")
        return real(pack, known, aggregate, add_event)

    monkeypatch.setattr(engine, "decide", broken)
    await erasure.harness.receive_text(WORDS, message_id="bug")
    await erasure.harness.wait_until_drained()
    erasure.harness.clock.at += days * 86_400
    await set_(erasure, owner, END)
    await passes(erasure, 0)
    assert await erasure.harness.count("dead_letter") == (1 if days * 86_400 < facts.DEAD_LETTER_WAIT else 0)
    assert await erasure.harness.count("thread") == (1 if days * 86_400 < facts.DEAD_LETTER_WAIT else 0)


async def test_words_that_were_not_kept_are_not_waited_for(erasure: ErasureHarness) -> None:
    """What could not be compared with an agreed word was buried without its words, and a notice is nobody's: both go."""
    owner = await held(erasure)
    query = "INSERT INTO dead_letter (short_id, owner, kind, body, at, transport) VALUES ($1, $2, $3, $4, $5, $6)"
    at = int(erasure.harness.clock.at)
    inbox_rows = (
        ("a", "TextArrived", b"", ""),
        ("b", "SendMessage", b"sealed otherwise", "matrix"),
        ("c", "MessageSent", b"x", ""),
    )
    for short_id, kind, body, row_way in inbox_rows:
        values = (short_id, owner, kind, body, at, row_way)
        await erasure.harness.database.commit(lambda transaction, values=values: transaction.execute(query, *values))  # type: ignore[misc]
    await erasure.send_message(owner, "!close now")
    assert (await erasure.harness.count("dead_letter"), await erasure.harness.count("thread")) == (0, 0)
