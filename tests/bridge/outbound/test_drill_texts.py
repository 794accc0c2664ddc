"""Texts of a drill's handset: only where there are such handsets, and each once."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.actions import DESK, TextFromHandset
from bridge.outbound.dispatcher import OutboxTask, PermanentFailure, RetryLater
from bridge.outbound.drill_texts import DrillTexts, HandsetCarrier
from bridge.storage import serialization
from bridge.tables.outbox import OutboxRow
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.fake_carrier import FakeCarrier

TEXT = TextFromHandset(ref="drill:0badcafe0bad:0", tag="0badcafe0bad", body="hi")


class FakeHandsets:
    """A carrier with handsets. `answer`: what it says next; `asked`: what it was asked."""

    def __init__(self) -> None:
        self.answer: bool | None = True
        self.asked: list[tuple[str, str, str, bool]] = []

    async def text_from_handset(self, *, tag: str, ref: str, text: str, picture: bool) -> bool | None:
        """Note what is asked."""
        self.asked.append((tag, ref, text, picture))
        return self.answer


@pytest.fixture
async def harness(harness: BridgeHarness) -> BridgeHarness:
    await harness.vault.create(DESK)
    return harness


async def perform(harness: BridgeHarness, carrier: HandsetCarrier | None) -> None:
    """Perform one row of the desk's, which stands until it is done."""
    if not await harness.count("outbox"):
        body = await harness.vault.seal(DESK, "outbox t", serialization.encode(TEXT))
        item = OutboxRow("conversation", "handset", "TextFromHandset", "t", body)
        await harness.database.commit(lambda transaction: harness.outbox.put(transaction, DESK, item, 0))
    row: Any = await harness.database.fetchrow("SELECT id FROM outbox")
    task = OutboxTask(number=row["id"], owner=DESK, txn="t", created=0, action=TEXT)
    await DrillTexts(harness.services, carrier=carrier).perform(task)


async def test_a_handset_texts_once(harness: BridgeHarness) -> None:
    """The row goes when the carrier took the text; until then the same text is asked for again, by the same name."""
    carrier = FakeHandsets()
    carrier.answer = None
    with pytest.raises(RetryLater):
        await perform(harness, carrier)
    assert await harness.count("outbox") == 1
    carrier.answer = True
    await perform(harness, carrier)
    assert await harness.count("outbox") == 0
    assert carrier.asked == [("0badcafe0bad", "drill:0badcafe0bad:0", "hi", False)] * 2


async def test_no_line_in_service_has_such_handsets(harness: BridgeHarness) -> None:
    """Where the line is no rehearsal the row is refused for good, whatever put it there."""
    with pytest.raises(PermanentFailure):
        await perform(harness, None)
    assert not isinstance(FakeCarrier(), HandsetCarrier)


async def test_what_the_carrier_refuses_is_given_up(harness: BridgeHarness) -> None:
    """A text that the carrier does not take is not asked for again and again."""
    carrier = FakeHandsets()
    carrier.answer = False
    with pytest.raises(PermanentFailure):
        await perform(harness, carrier)
