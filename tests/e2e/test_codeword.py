"""The codeword check from end to end.

Agreed in the office, texted, and on two handsets the same bytes, never before their time.
"""

from __future__ import annotations

import pytest

from tests.e2e.carrier_api import handset
from tests.e2e.codeword_enrolment import enrol_codeword
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.visibility import every_file

SAFE, DURESS = "Gooseberry weathercock", "Ptarmigan"
SPELLED = ("gooseberry", "weathercock", "ptarmigan")
CHALLENGE = "Good to hear from you. How has your week been so far?"
VERIFIED = "Thanks for telling me. Give me a minute, please."
COVER = "Thanks for asking! All fine here, busy week. Talk another day."
PICTURE = "Pictures do not come through here. Can you say it in words?"
STOPPED = "OK. You will get no more texts from this number. Text START if you want answers again."
FREE = "are you safe where you are?"
DELAY = 3.0
MASK = "▮▮▮"


@pytest.mark.practice(10)
async def test_success_and_duress_look_alike_on_the_handset(
    staffed_line: StaffedLine, ada: StaffClient, sol: StaffClient
) -> None:
    """Two handsets with the same words: one texts the word, the other the duress word, each as answer to the challenge.

    Both get the same texts, the last no sooner than a fixed time after theirs; under duress the desk is told and free words
    stay here, while a cover line leaves from either. A picture and a STOP afterwards are answered alike. Neither word is in
    a room, in a log, or in any file of the line. That the time is the same for both is held by set clocks, in
    `tests/bot/properties/test_codeword_walk.py` and `tests/bridge/engine/test_codeword_matching_end_to_end.py`.
    """
    conversations, offices = [], set()
    for word in (SAFE, DURESS):
        conversation = await staffed_line.start_conversation(ada, handset(), f"hello from the one with {len(word)} letters")
        offices.add(await enrol_codeword(staffed_line, ada, conversation, SAFE, DURESS))
        await staffed_line.carrier.text(conversation.handset, "is anybody there still?")
        await conversation.wait_for_text("is anybody there still?")
        await ada.say(conversation.room, "!verify")
        await staffed_line.carrier.wait_for_delivery(conversation.handset, CHALLENGE, within=40)
        await staffed_line.carrier.text(conversation.handset, f"oh, fine. {word.upper()}!")
        await staffed_line.carrier.wait_for_delivery(conversation.handset, VERIFIED)
        await conversation.wait_for_text(f"oh, fine. {MASK}!")
        assert await staffed_line.carrier.answered_after(conversation.handset) >= DELAY
        conversations.append(conversation)

    success, duress = conversations
    assert await staffed_line.carrier.texts_delivered(success.handset) == await staffed_line.carrier.texts_delivered(
        duress.handset
    )
    await success.wait_for_notice("codeword came", "burned")
    await duress.wait_for_notice("DURESS")
    await ada.find(
        staffed_line.ready.desk_room,
        "the desk is told of duress",
        lambda i: i.sender == staffed_line.ready.bot and "DURESS" in i.body and duress.designation in i.body,
    )
    for conversation in conversations:
        free = await ada.say(conversation.room, FREE)
        await conversation.wait_for_receipt(free, "delivered" if conversation is success else "held")
        await ada.say(conversation.room, "!cover 3")
        await staffed_line.carrier.wait_for_delivery(conversation.handset, COVER, within=40)
    for conversation in conversations:
        await staffed_line.carrier.text(
            conversation.handset, "look", media=[{"type": "image/jpeg", "url": "http://127.0.0.1:9/1.jpg"}]
        )
        await staffed_line.carrier.wait_for_delivery(conversation.handset, PICTURE)
        await staffed_line.carrier.text(conversation.handset, "STOP")
        await staffed_line.carrier.wait_for_delivery(conversation.handset, STOPPED)
    shown_to = [await staffed_line.carrier.texts_delivered(conversation.handset) for conversation in conversations]
    assert FREE not in shown_to[1]
    assert [text for text in shown_to[0] if text != FREE] == shown_to[1]

    items = [
        i
        for room in (*offices, staffed_line.ready.desk_room, *(t.room for t in conversations))
        for i in await ada.whole(room)
    ]
    shown = "\n".join(item.body for item in items).casefold()
    assert [word for word in SPELLED if word in shown] == []
    for place, text in staffed_line.stack.logs().items():
        assert [word for word in SPELLED if word in text.casefold()] == [], place
    for path, raw in every_file(staffed_line.stack.data):
        lower = raw.lower()
        assert [word for word in SPELLED if word.encode() in lower] == [], path.relative_to(staffed_line.stack.data)
    for conversation in conversations:
        before = set(await sol.invites())
        await ada.say(conversation.room, "!escalate")
        await sol.join(await staffed_line.wait_for_invite(sol, before))
        await staffed_line.send_closing_command(sol, conversation.room, "!close now")
