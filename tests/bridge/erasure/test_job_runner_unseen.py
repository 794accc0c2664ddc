"""Words that could not be shown go with no conversation by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from bot.decide import decide as real
from bot.lifecycle.retention import BURIED, END, IDLE
from bot.model.events import TextArrived
from bot.model.thread import State
from bot.model.transactional_actions import SetTimer
from bridge.engine import engine, facts, timers
from tests.bridge.erasure.test_expiry import held
from tests.e2e.waiting import until
from tests.fakes.paper_rooms import ADA, WayDown

WORDS = "he is here, call me"


async def unseen(way: WayDown, monkeypatch: pytest.MonkeyPatch, *, shown: bool) -> str:
    """Have an answered thread, and a text in it that a bug took from the engine, or on its way into the room (`shown`)."""
    owner = await held(way)
    await way.event(owner, "$in", ref="in:a:0")
    await way.say(owner, "an answer", sender=ADA, event_id="$answer")
    await passes(way, 60)

    def broken(pack: Any, known: Any, aggregate: Any, event: Any) -> Any:
        if isinstance(event, TextArrived) and event.body == WORDS and not shown:
            raise KeyError("a bug")
        return real(pack, known, aggregate, event)

    monkeypatch.setattr(engine, "decide", broken)
    way.nerves.refuses = lambda action: shown and WORDS in getattr(action, "body", "")
    await way.nerves.arrive(WORDS, message_id="bug")
    await way.nerves.at_rest()
    assert await way.nerves.count("dead_letter") == 1
    assert WORDS not in way.nerves.posts(owner)
    return owner


async def passes(way: WayDown, seconds: float) -> None:
    async def decided() -> bool | None:
        return await way.nerves.count("inbox") == 0 or None

    way.nerves.clock.at += seconds
    # A timer may set another one that is due already.
    while await way.nerves.timers.tick() <= 0:
        await until("all is decided", decided, within=15, every=0.01)
    # Nobody is on call here, and a call would stand in the outbox.
    await way.nerves.store.commit(lambda conn: conn.execute("DELETE FROM outbox WHERE way = 'page'"))
    await way.nerves.at_rest()


async def set_(way: WayDown, owner: str, key: str) -> None:
    """Have that timer be due now."""
    timer = SetTimer(key=key, due=way.nerves.clock.at)
    await way.nerves.store.commit(lambda conn: timers.put(conn, owner, timer))


@pytest.mark.parametrize("shown", [False, True])
async def test_idle_and_close_wait_for_words_that_nobody_saw(
    way: WayDown, monkeypatch: pytest.MonkeyPatch, shown: bool
) -> None:
    """Days after the answer, and after a `!close` too, the dead letter stands; only `!close now anyway` drops it."""
    owner = await unseen(way, monkeypatch, shown=shown)
    await set_(way, owner, IDLE)
    for _ in range(4):
        await passes(way, 86_400)
    await way.say(owner, "!close", sender=ADA)
    for _ in range(4):
        await passes(way, 3600)
    assert (await way.nerves.thread(owner)).life.state is State.OPEN
    assert await way.nerves.count("dead_letter") == 1
    await way.say(owner, "!close now")
    assert BURIED in way.nerves.posts(owner, notices=True)
    assert await way.nerves.count("dead_letter") == 1
    await way.say(owner, "!close now anyway")
    assert (await way.nerves.count("dead_letter"), await way.nerves.count("thread")) == (0, 0)
    await way.down()
    assert [told["what"] for told in await way.receipts()] == ["conversation", "person"]


@pytest.mark.parametrize("days", [6, 8])
async def test_what_is_parked_waits_a_week_for_them(way: WayDown, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """A text that would have begun anew died: number and words stay for a week, for nobody can drop them there."""
    owner = await held(way)
    await way.say(owner, "!close", sender=ADA)
    await passes(way, way.nerves.pack.settings.close_undo)
    assert (await way.nerves.thread(owner)).life.state is State.PARKED

    def broken(pack: Any, known: Any, aggregate: Any, event: Any) -> Any:
        if isinstance(event, TextArrived):
            raise KeyError("a bug")
        return real(pack, known, aggregate, event)

    monkeypatch.setattr(engine, "decide", broken)
    await way.nerves.arrive(WORDS, message_id="bug")
    await way.nerves.at_rest()
    way.nerves.clock.at += days * 86_400
    await set_(way, owner, END)
    await passes(way, 0)
    assert await way.nerves.count("dead_letter") == (1 if days * 86_400 < facts.DEAD else 0)
    assert await way.nerves.count("thread") == (1 if days * 86_400 < facts.DEAD else 0)


async def test_words_that_were_not_kept_are_not_waited_for(way: WayDown) -> None:
    """What could not be compared with an agreed word was buried without its words, and a notice is nobody's: both go."""
    owner = await held(way)
    query = "INSERT INTO dead_letter (short_id, owner, kind, body, at, way) VALUES ($1, $2, $3, $4, $5, $6)"
    at = int(way.nerves.clock.at)
    letters = (("a", "TextArrived", b"", ""), ("b", "Post", b"sealed otherwise", "matrix"), ("c", "Said", b"x", ""))
    for short_id, kind, body, row_way in letters:
        await way.nerves.store.commit(lambda conn: conn.execute(query, short_id, owner, kind, body, at, row_way))  # noqa: B023
    await way.say(owner, "!close now")
    assert (await way.nerves.count("dead_letter"), await way.nerves.count("thread")) == (0, 0)
