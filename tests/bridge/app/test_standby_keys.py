"""A copy of `keys.db` in place of the file: what tells the two apart, and what a line does that leads with a copy."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bot.model.actions import DESK
from bot.model.line_incidents import FactsBehind, MarkedFacts
from bot.model.transactional_actions import Suppress, SuppressionReason
from bridge.app.bridge import Bridge
from bridge.app.line_files import KEYS
from bridge.carriers.adapter import InboundText
from bridge.inbound.webhook import NotStored
from bridge.lease.key_file_look import peek_epoch
from bridge.lease.waiting import Waiting
from bridge.runtime.phone_number import Phone
from bridge.storage import serialization
from bridge.storage.marked_sets import Found, SetName
from bridge.tables import inbox, threads
from tests.bridge.app.shared_line import SharedLine, lose_machine, shared_line, shorten_leases
from tests.fakes.postgres_server import PostgresServer

BEFORE, SINCE, LATER = Phone("+12065550177"), Phone("+12065550178"), Phone("+12065550179")
ENDED = "conversation that ended since"


@pytest.fixture
async def line(tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> SharedLine:
    shorten_leases(monkeypatch)
    return await shared_line(tmp_path, postgres_server)


async def take(bridge: Bridge, sender: Phone, message_id: str) -> None:
    await bridge.webhook.accept_text(InboundText(message_id=message_id, sender=sender, text="words"))


async def stop(bridge: Bridge, phone: Phone) -> None:
    """Have the line remember that a phone said STOP."""
    suppression, services = bridge._resources.suppression, bridge._resources.services
    digest, now = await suppression.digest(phone), services.clock.now()
    told = Suppress(reason=SuppressionReason.STOP, until=now + 3600)
    await services.database.commit(lambda transaction: suppression.write(transaction, digest, told, now=now))
    await services.marks.close()


async def facts_told(bridge: Bridge) -> list[FactsBehind]:
    """Return what the desk is about to hear of facts and their marks."""
    services = bridge._resources.services
    query = "SELECT body FROM inbox WHERE owner = 'desk' AND kind = 'FactsBehind' ORDER BY seq"
    rows: list[Any] = await services.database.fetch(query)
    return [
        serialization.decode_as(FactsBehind, await services.vault.open(DESK, inbox.CONTEXT, row["body"])) for row in rows
    ]


async def keyless(bridge: Bridge) -> int:
    """Count the conversations that stand without their key."""
    services = bridge._resources.services
    owners = await threads.key_owners(services.database)
    return len([owner for owner in owners if not await services.vault.has_key(owner)])


def epoch_of(bridge: Bridge) -> int:
    lead = bridge._resources.lead
    assert lead is not None
    return lead.epoch


async def may_lead(line: SharedLine, bridge: Bridge, keys: Path) -> bool:
    """Whether a bridge would lead with that file; it lets go at once."""
    server = bridge._resources.config.database_url
    assert server is not None
    waiting = Waiting(line.place(server), keys, end=line.ends.append)
    try:
        lead = await waiting.try_once()
        if lead is not None:
            await lead.close()
        return lead is not None
    finally:
        await waiting.close()


@pytest.mark.parametrize("stopped", [False, True], ids=["no fact since", "a STOP since"])
async def test_a_copy_of_the_last_leader_s_own_time_is_led_with(line: SharedLine, stopped: bool) -> None:
    """It has the same epoch, so nothing tells it from the file. No fact is lost; whose key came since cannot be read.

    The desk is told where a STOP, a lock or a confirmed identity changed since, and not else.
    """
    at_one, at_two = line.machine("one"), line.machine("two")
    async with AsyncExitStack() as stack:
        async with AsyncExitStack() as of_one:
            one = await line.lead(at_one, of_one)
            await take(one, BEFORE, "id1")
            await one._resources.services.vault.create(ENDED)
            shutil.copyfile(at_one.data_dir / KEYS, at_two.data_dir / KEYS)
            await take(one, SINCE, "id2")
            await one._resources.services.vault.destroy(ENDED)
            if stopped:
                await stop(one, SINCE)
            lose_machine(one)
            two = await line.lead(at_two, stack)
        assert peek_epoch(at_two.data_dir / KEYS) == 2
        marks = two._resources.marks_found
        assert marks[SetName.SUPPRESSION] is (Found.AHEAD if stopped else Found.AS_WRITTEN)
        assert await facts_told(two) == ([FactsBehind(kind=MarkedFacts.SUPPRESSION, accepted=True)] if stopped else [])
        suppression, now = two._resources.suppression, two._resources.services.clock.now()
        assert suppression.is_known
        assert await suppression.lookup(SINCE, now=now) == ({SuppressionReason.STOP} if stopped else set())
        assert not await two._resources.services.vault.has_key(ENDED), "it stood in the copy, and is destroyed at the start"
        assert await keyless(two) == 1
        await take(two, BEFORE, "id3")
        await take(two, LATER, "id4")
        with pytest.raises(NotStored):
            await take(two, SINCE, "id5")
    assert await may_lead(line, two, at_two.data_dir / KEYS)
    assert not await may_lead(line, two, at_one.data_dir / KEYS), "the true file is the older one from now on"


async def test_after_the_lease_s_table_is_gone_no_copy_is_too_old(line: SharedLine) -> None:
    """The table says which epoch the file had: with it goes what an older copy is told by. It is led with; facts stand.

    The new epoch is above the copy's alone.
    """
    at_one, at_two = line.machine("one"), line.machine("two")
    async with AsyncExitStack() as of_one:
        one = await line.lead(at_one, of_one)
        await take(one, BEFORE, "id1")
        shutil.copyfile(at_one.data_dir / KEYS, at_two.data_dir / KEYS)
    async with AsyncExitStack() as of_one:
        one = await line.lead(at_one, of_one)
    assert not await may_lead(line, one, at_two.data_dir / KEYS)
    async with AsyncExitStack() as stack, AsyncExitStack() as of_one:
        one = await line.lead(at_one, of_one)
        await take(one, SINCE, "id2")
        await stop(one, SINCE)
        lose_machine(one)
        await line.execute("DROP TABLE lease")
        two = await line.lead(at_two, stack)
        assert await facts_told(two) == [FactsBehind(kind=MarkedFacts.SUPPRESSION, accepted=True)]
        assert two._resources.suppression.is_known
        assert await keyless(two) == 1
        assert (epoch_of(one), epoch_of(two)) == (3, 2)


async def test_an_older_file_is_led_with_when_a_person_says_so(line: SharedLine) -> None:
    """One start with `--take-over`, and no other: it is the process that is told."""
    at, kept = line.config(), line.directory / "kept.db"
    async with AsyncExitStack() as stack:
        await line.lead(at, stack)
    shutil.copyfile(at.data_dir / KEYS, kept)
    async with AsyncExitStack() as stack:
        await line.lead(at, stack)
    shutil.copyfile(kept, at.data_dir / KEYS)
    async with line.process() as refused:
        await refused.waits()
        assert peek_epoch(at.data_dir / KEYS) == 1
    async with line.process("--take-over") as taken:
        await taken.takes_webhooks()
        assert peek_epoch(at.data_dir / KEYS) == 3
    assert (refused.ended, taken.ended) == (0, 0)
