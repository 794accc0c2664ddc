"""Whom a dead letter concerns: what it would have done decides how loudly the desk hears of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, THREAD
from bot.model.events import Event, MemberLeft, MessageRead, MessageSent
from bot.model.line_incidents import CanaryFailed, CanaryStep, GapKind, SyncStalled, TextsMissing
from bot.model.thread_desk_events import Assigned, MemberRemoved
from bridge.tables import dead_letters, inbox
from bridge.tables.dead_letters import NO_CONVERSATION, Concern
from tests.fakes.bridge_harness import BridgeHarness

SAID = MessageSent(place=THREAD, sender="@ana:x", event_id="$m", body="", at=0.0)


@pytest.mark.parametrize(
    ("owner", "event", "concern"),
    [
        ("t1", SAID, Concern(uncalled=True)),
        ("t1", Assigned(assignee="@ana:x"), Concern(uncalled=True)),
        ("t1", MemberRemoved(user="@ana:x"), Concern(uncalled=True)),
        ("t1", MessageRead(place=THREAD, user="@ana:x", event_id="$m"), NO_CONVERSATION),
        (DESK, MemberLeft(place=DESK, user="@ana:x"), Concern(uncalled=True)),
        (DESK, TextsMissing(kind=GapKind.REFUSED), Concern(uncalled=True)),
        (DESK, SyncStalled(minutes=5), Concern(uncalled=True)),
        (DESK, CanaryFailed(step=CanaryStep.ROOM), Concern(uncalled=True)),
    ],
)
async def test_an_event_without_which_nobody_comes_is_told_aloud(
    harness: BridgeHarness, owner: str, event: Event, concern: Concern
) -> None:
    """An answer that does not leave, an advocate who is not invited, an incident; a lost receipt harms nobody."""
    await harness.vault.create(owner)
    row = await inbox.seal(harness.vault, owner, event)
    assert await dead_letters.concern_of(harness.database, harness.vault, row) == concern


async def test_an_event_of_an_unknown_kind_is_told_aloud(harness: BridgeHarness) -> None:
    """It may have been any of them."""
    await harness.vault.create("t1")
    row = replace(await inbox.seal(harness.vault, "t1", SAID), kind="OfNextYear")
    assert await dead_letters.concern_of(harness.database, harness.vault, row) == Concern(uncalled=True)
