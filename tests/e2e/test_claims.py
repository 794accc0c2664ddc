"""Who takes a waiting thread."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from tests.e2e.carrier_api import handset
from tests.e2e.polling import assert_never, wait_until
from tests.e2e.shift_plan import EVERYBODY, put_plan
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


async def test_who_is_on_shift_is_called_and_a_new_plan_is_heard(
    staffed_line: StaffedLine, ada: StaffClient, bea: StaffClient, sol: StaffClient
) -> None:
    """By the calendar file one advocate's phone rings and the other's does not; after a change of the file the other one's.

    A name in it that nobody at the desk has is told to the supervisor, in their office and without the name.
    """
    desk, bot, data = staffed_line.ready.desk_room, staffed_line.ready.bot, staffed_line.stack.data
    office = next(room for room, name in (await sol.joined()).items() if name == "office")
    notice_ids: set[str | None] = set()
    try:
        for on, off, stranger in ((ada, bea, "zenobia"), (bea, ada, "xanthippe")):
            put_plan(data, on.mxid, stranger)
            notice = await sol.find(
                office,
                "the plan is heard",
                lambda i: (
                    i.sender == bot and "People who are not at the desk: 1" in i.body and i.event_id not in notice_ids
                ),
            )
            notice_ids.add(notice.event_id)
            assert stranger not in notice.body
            phone = handset()
            card = await staffed_line.wait_for_card(on, phone, "whose shift is it")
            for client in (on, off):
                call = await client.find(desk, "the call", _is_call(bot, _designation(card)))
                if (rings := getattr(client, "rings", None)) is not None:  # the stand-in judges nothing
                    assert (await rings(desk, call.event_id) == "ring") is (client is on), client.mxid
            await staffed_line.claim(sol, phone, card)
    finally:
        put_plan(data, *EVERYBODY)


def _designation(card: TimelineItem) -> str:
    match = re.search(r"!claim ([a-z]+ [a-z]+)", card.body)
    assert match, "the card says how to claim it"
    return match[1]


def _is_call(bot: str, designation: str) -> Callable[[TimelineItem], bool]:
    return lambda item: item.sender == bot and "has come to the queue" in item.body and designation in item.body


async def test_two_claims_at_once_have_one_winner(staffed_line: StaffedLine, ada: StaffClient, bea: StaffClient) -> None:
    """Of two claims in one moment one is invited; the other is not, and is told whose it is."""
    desk = staffed_line.ready.desk_room
    card = await staffed_line.wait_for_card(ada, handset(), "wanted by two at once")
    name = _designation(card)
    before = {client.mxid: set(await client.invites()) for client in (ada, bea)}
    await asyncio.gather(*(client.say(desk, f"!claim {name}") for client in (ada, bea)))
    refusal = await ada.find(
        desk,
        "the one who was second is told",
        lambda i: i.sender == staffed_line.ready.bot and i.kind == "message" and name in i.body and "already" in i.body,
    )
    winner, other = (ada, bea) if "ada" in refusal.body else (bea, ada)

    async def invited(client: StaffClient) -> str | None:
        return next((r for r in await client.invites() if r not in before[client.mxid]), None)

    room = await wait_until("the winner is invited", lambda: invited(winner))
    await assert_never("the one who was second is invited", lambda: invited(other), during=2)
    await winner.join(room)
    assert (await winner.joined())[room] == name
