"""What people said at the desk and in offices: read while it waits, and by nobody once it was handled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.actions import DESK, OFFICE
from bot.model.events import Event, MessageSent
from bridge.engine.codeword_matching import CodewordMatcher, MatchedEvent
from bridge.engine.engine import Engine
from bridge.erasure.expiry import PRUNE_INTERVAL, destroy_passing_keys
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.storage.vault import PASSING, CannotOpen, Passing, passing_owner_of
from bridge.tables import clock_trust, dead_letters, inbox
from bridge.tables.dead_letters import DeadLetter
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


async def test_what_is_said_after_it_has_a_key_of_its_own(harness: BridgeHarness) -> None:
    """Several words share one key until it is retired: no change of `keys.db` for each."""
    first, second = [await inbox.seal(harness.vault, DESK, said(body)) for body in ("one", "two")]
    await destroy_passing_keys(harness.services)
    third = await inbox.seal(harness.vault, DESK, said("three"))
    names = [passing_owner_of(row.body) for row in (first, second, third)]
    assert names[0] == names[1] != names[2]


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


async def test_a_dead_letter_keeps_its_key_as_long_as_it_is_kept(harness: BridgeHarness) -> None:
    """Expiry looks once an hour: the key of what nobody could handle goes with that."""
    erasure = ErasureHarness(harness, FakeRooms())
    row = await inbox.seal(harness.vault, DESK, said("what broke it"))
    letter = DeadLetter(dead_letters.new_short_id(), row)

    async def record(transaction: Transaction) -> None:
        await dead_letters.record(transaction, letter, at=harness.clock.now(), notices=[])

    await harness.database.commit(record)
    under = passing_owner_of(row.body)
    await erasure.expiry.run_once()
    assert await harness.vault.has_key(under)
    harness.clock.at += dead_letters.RETENTION + 2 * PRUNE_INTERVAL
    await erasure.expiry.run_once()
    assert not await harness.vault.has_key(under)


async def test_a_clock_that_is_doubted_keeps_no_key(harness: BridgeHarness) -> None:
    """Nothing goes by its age then; what was handled does not stay for that, and within the hour has no key."""
    await harness.database.commit(clock_trust.distrust)
    erasure = ErasureHarness(harness, FakeRooms())
    await erasure.expiry.run_once()
    under = passing_owner_of((await inbox.seal(harness.vault, DESK, said("an agreed word"))).body)
    harness.clock.at += PRUNE_INTERVAL / 2
    await erasure.expiry.run_once()
    assert await harness.vault.has_key(under), "it is looked for once an hour"
    harness.clock.at += PRUNE_INTERVAL / 2
    await erasure.expiry.run_once()
    assert not await harness.vault.has_key(under)


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
