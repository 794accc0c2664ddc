"""What people said at the desk and in offices: read while it waits, and by nobody once it was handled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.actions import DESK, OFFICE
from bot.model.events import Event, MessageSent
from bridge.engine.codeword_matching import CodewordMatcher, MatchedEvent
from bridge.engine.engine import Engine
from bridge.erasure.expiry import destroy_passing_keys
from bridge.storage import serialization
from bridge.storage.vault import PASSING, CannotOpen, Passing, passing_owner_of
from bridge.tables import inbox
from bridge.tables.inbox import InboxRow, SequencedRow
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.erasure_harness import ADA, SOL, ErasureHarness, FakeRooms

pytestmark = pytest.mark.practice(14, 16)


def said(body: str, event_id: str = "$s") -> MessageSent:
    return MessageSent(place=OFFICE + ADA, sender=ADA, event_id=event_id, body=body, at=0.0)


async def put(harness: BridgeHarness, row: InboxRow) -> None:
    await harness.database.commit(lambda transaction: inbox.append(transaction, row))


async def passing_keys(harness: BridgeHarness) -> set[str]:
    return {await harness.vault.passing_owner(Passing.WORDS), *await harness.vault.retired_passing_owners()}


async def test_words_open_until_they_are_handled_and_never_again(harness: BridgeHarness) -> None:
    """The key stays while one of its rows waits, also for a bridge that starts anew; then it is in `keys.db` no more."""
    row = await inbox.seal(harness.vault, DESK, said("a word that nobody may keep"))
    await put(harness, row)
    under = passing_owner_of(row.body)
    assert under.startswith(PASSING)
    with pytest.raises(CannotOpen):
        await harness.vault.open(DESK, inbox.CONTEXT, row.body)
    await destroy_passing_keys(harness.services)
    assert b"a word" in await inbox.open_body(harness.vault, row)
    assert await harness.vault.has_key(under)
    await harness.database.commit(lambda transaction: inbox.delete_all(transaction, DESK))
    await destroy_passing_keys(harness.services)
    assert not await harness.vault.has_key(under)
    with pytest.raises(CannotOpen):
        await inbox.open_body(harness.vault, row)


async def test_a_bridge_that_was_killed_decides_what_waited(tmp_path: Path) -> None:
    """The key of an earlier start opens what stands under it, and goes when that was handled; so is an older version's."""
    before = BridgeHarness(tmp_path)
    await before.open()
    row = await inbox.seal(before.vault, DESK, said("!help"))
    await put(before, row)
    older = await before.vault.seal(DESK, inbox.CONTEXT, serialization.encode(said("!help", "$older")))
    await put(before, InboxRow(DESK, inbox.SAID, older))
    await before.close()
    after = BridgeHarness(tmp_path)
    await after.open()
    await after.run()
    await after.wait_until_drained()
    assert (await after.count("inbox"), await after.count("dead_letter")) == (0, 0)
    await destroy_passing_keys(after.services)
    assert not await after.vault.has_key(passing_owner_of(row.body))
    await after.close()


async def test_an_end_leaves_no_key_of_words_about_it(harness: BridgeHarness) -> None:
    """Whoever ends a conversation ends what was said of it in offices, at once."""
    await harness.run()
    erasure = ErasureHarness(harness, FakeRooms())
    owner = await erasure.create_thread_room()
    await harness.deliver(DESK, said("her new address"))
    await harness.wait_until_drained()
    (under,) = await passing_keys(harness)
    await erasure.send_message(owner, "!close now", sender=SOL)
    await erasure.run_to_end()
    assert not await harness.vault.has_key(under)


async def test_a_dead_letter_without_its_word_opens_whatever_is_destroyed_meanwhile(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agreed word was said, the decision fails as a bug, and keys are destroyed just then: what is kept can be tried."""

    async def match(_self: CodewordMatcher, _aggregate: object, event: Event) -> MatchedEvent:
        if not isinstance(event, MessageSent):
            return MatchedEvent(event)
        await destroy_passing_keys(harness.services)
        return MatchedEvent(replace(event, body="a mask"))

    decide = Engine._decide

    async def bug(engine: Engine, row: SequencedRow, aggregate: object, matched: MatchedEvent, **more: bool) -> None:
        if not isinstance(matched.event, MessageSent):
            await decide(engine, row, aggregate, matched, **more)
            return
        await destroy_passing_keys(harness.services)
        raise RuntimeError

    monkeypatch.setattr(CodewordMatcher, "match", match)
    monkeypatch.setattr(Engine, "_decide", bug)
    await harness.run()
    await harness.deliver(DESK, said("the agreed word"))
    await harness.wait_until_drained()
    row = await harness.database.fetchrow("SELECT kind, body FROM dead_letter")
    assert row is not None
    body = await inbox.open_body(harness.vault, InboxRow(DESK, row["kind"], bytes(row["body"])))
    assert b"a mask" in body
    assert b"the agreed word" not in body
