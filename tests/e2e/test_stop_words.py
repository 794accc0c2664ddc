"""STOP and START, as the phone sees them."""

from __future__ import annotations

from tests.e2e.carrier_api import handset
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import UNDO_SECONDS, StaffedLine


async def test_nothing_leaves_after_stop_until_start(staffed_line: StaffedLine, ada: StaffClient) -> None:
    """After STOP the phone gets at most the one confirmation; answers are refused with a reason; START opens again."""
    carrier = staffed_line.carrier
    conversation = await staffed_line.start_conversation(ada, handset(), "hello, before I stop")
    pending = await ada.say(conversation.room, "still in its undo window when STOP comes")
    before = await carrier.texts_delivered(conversation.handset)
    await carrier.text(conversation.handset, "Stop.")
    await conversation.wait_for_receipt(pending, "not sent")
    await conversation.wait_for_notice("STOP")
    await carrier.text(conversation.handset, "a text after the STOP")
    await conversation.wait_for_text("a text after the STOP")
    refused = await ada.say(conversation.room, "an answer after the STOP")
    await conversation.wait_for_receipt(refused, "not sent")
    await conversation.wait_for_notice("not sent", "STOP")
    after = await carrier.texts_delivered_after(conversation.handset, after=UNDO_SECONDS + 3)
    assert after[: len(before)] == before
    assert len(after) - len(before) <= 1
    assert not {pending.body, refused.body} & set(after)

    await carrier.text(conversation.handset, "START")
    await conversation.wait_for_notice("START")
    resumed = await ada.say(conversation.room, "an answer after the START")
    await carrier.wait_for_delivery(conversation.handset, resumed.body)
    await conversation.wait_for_receipt(resumed, "delivered")
    assert await carrier.texts_delivered(conversation.handset) == [*after, resumed.body]
