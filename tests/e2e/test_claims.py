"""Who takes a waiting thread."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.e2e.carrier_api import handset
from tests.e2e.staff_client import StaffClient, TimelineItem
from tests.e2e.staffed_line import StaffedLine

HELD = "✋"


async def test_a_raised_hand_on_the_card_claims(staffed_line: StaffedLine, bea: StaffClient) -> None:
    """A tap on the desk's card invites whoever tapped; they read the text and are heard.

    Meanwhile, in Element X's engine, the call and the texter's words ring; the card, an edit of it and a notice do not.
    """
    desk, bot = staffed_line.ready.desk_room, staffed_line.ready.bot
    phone = handset()
    card = await staffed_line.wait_for_card(bea, phone, "claimed by a raised hand")
    call = await bea.find(desk, "the call", _is_call(bot, _designation(card)))
    conversation = await staffed_line.claim(bea, phone, card)
    await conversation.wait_for_text("claimed by a raised hand")
    await bea.find(desk, "the card is with bea", lambda i: i.event_id == card.event_id and "with bea" in i.body)
    await staffed_line.carrier.text(phone, "are you there")
    text = await conversation.wait_for_text("are you there")
    notice = await conversation.wait_for_notice("limits")
    edit = await staffed_line.newest_edit(desk, card)
    if (rings := getattr(bea, "rings", None)) is not None:  # the second client, where it stands in, judges nothing
        assert {
            "call": await rings(desk, call.event_id),
            "card": await rings(desk, card.event_id),
            "edit of the card": await rings(desk, edit),
            "text": await rings(conversation.room, text.event_id),
            "notice": await rings(conversation.room, notice.event_id),
        } == {"call": "ring", "card": "nothing", "edit of the card": "nothing", "text": "ring", "notice": "nothing"}
    await bea.say(conversation.room, "heard after a raised hand")
    await staffed_line.carrier.wait_for_delivery(conversation.handset, "heard after a raised hand")
    # A second line that was meant for a colleague does not leave with the first.
    await conversation.wait_for_receipt(await bea.say(conversation.room, "one moment\n// I think she is alone"), HELD)
    # Nor what speaks about the texter, though nobody else has written here.
    await conversation.wait_for_receipt(await bea.say(conversation.room, "she's lying"), HELD)
    await bea.say(conversation.room, "still here")
    await staffed_line.carrier.wait_for_delivery(conversation.handset, "still here")
    delivered = await staffed_line.carrier.texts_delivered(conversation.handset)
    assert not any("one moment" in text or "lying" in text for text in delivered)


def _designation(card: TimelineItem) -> str:
    match = re.search(r"!claim ([a-z]+ [a-z]+)", card.body)
    assert match, "the card says how to claim it"
    return match[1]


def _is_call(bot: str, designation: str) -> Callable[[TimelineItem], bool]:
    return lambda item: item.sender == bot and "has come to the queue" in item.body and designation in item.body
