"""The crowd of a flood is kept in rows of its own: what a commit writes grows with what changed, and nobody is lost."""

from __future__ import annotations

import random
import secrets
from dataclasses import replace

import pytest

from bot.model.desk import Desk
from bot.model.flood import CrowdEntry, Flood
from bridge.engine.desk_store import DeskStore, SealedDesk
from bridge.storage.database import Transaction
from tests.fakes.bridge_harness import BridgeHarness


class _FailedCommit(Exception):  # noqa: N818 - what happens to a commit
    """Nothing of the commit is kept."""


def entry(thread: str, **changed: object) -> CrowdEntry:
    return replace(CrowdEntry(thread=thread, designation=f"word {thread}", since=1.5), **changed)  # type: ignore[arg-type]


def desk_with(*entries: CrowdEntry) -> Desk:
    return Desk(flood=Flood(crowd={each.thread: each for each in entries}, active=True, card="⚠️ Many"))


async def write(harness: BridgeHarness, store: DeskStore, before: Desk, after: Desk, *, fails: bool = False) -> SealedDesk:
    """Commit a change of the desk as the engine does."""
    sealed = await store.seal(before, after)

    async def commit(transaction: Transaction) -> None:
        await sealed.write(transaction)
        if fails:
            raise _FailedCommit

    await harness.database.commit(commit)
    store.record_commit(sealed)
    return sealed


async def loaded(harness: BridgeHarness) -> Desk:
    """Return the desk as the next start reads it."""
    return await DeskStore(harness.services).load()


@pytest.mark.parametrize("seed", range(4))
async def test_the_next_start_reads_the_desk_as_it_was_committed(harness: BridgeHarness, seed: int) -> None:
    """After any walk of people who come, text again, are claimed and end, with commits that fail between them."""
    chance = random.Random(seed)  # noqa: S311 - a walk, not a secret
    store = DeskStore(harness.services)
    desk = await store.load()
    for step in range(60):
        flood = replace(desk.flood, came=step)
        for _ in range(chance.randrange(4)):
            known = list(flood.crowd.values())
            match chance.randrange(3):
                case 1 if known:
                    one = chance.choice(known)
                    flood = flood.with_entry(replace(one, texts=one.texts + 1))
                case 2 if known:
                    flood = flood.without(chance.choice(known).thread)
                case _:
                    flood = flood.with_entry(entry(secrets.token_hex(4)))
        after = replace(desk, flood=flood)
        if chance.random() < 0.2:
            with pytest.raises(_FailedCommit):
                await write(harness, store, desk, after, fails=True)
            continue
        await write(harness, store, desk, after)
        desk = after
        if step % 20 == 0:
            store = DeskStore(harness.services)
            desk = await store.load()
            assert desk == after
    assert desk.flood.crowd
    assert await loaded(harness) == desk
    assert list((await loaded(harness)).flood.crowd) == list(desk.flood.crowd)
    assert await harness.count("crowd") == len(desk.flood.crowd)
    assert (await write(harness, store, desk, replace(desk, board="the board"))).crowd == {}
