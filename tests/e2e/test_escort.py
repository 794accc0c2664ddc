"""The escort from end to end: agreed in the office, texted, and on two handsets the same bytes, never before their time."""

from __future__ import annotations

import pytest

from tests.e2e.agreed import agree
from tests.e2e.carrier import handset
from tests.e2e.reading import every_file
from tests.e2e.scene import Scene
from tests.e2e.seat import Seat

SAFE, DURESS = "Gooseberry weathercock", "Ptarmigan"
SPELLED = ("gooseberry", "weathercock", "ptarmigan")
CHALLENGE = "Good to hear from you. How has your week been so far?"
VERIFIED = "Thanks for telling me. Give me a minute, please."
COVER = "Thanks for asking! All fine here, busy week. Talk another day."
PICTURE = (
    "We can't open pictures here. If it is safe, keep it somewhere only you can reach."
    " Can you tell me in words what it shows?"
)
STOPPED = "OK. You will get no more texts from this number. Text START if you want answers again."
FREE = "are you safe where you are?"
DELAY = 3.0
MASK = "▮▮▮"


@pytest.mark.practice(10)
async def test_success_and_duress_look_alike_on_the_handset(scene: Scene, ada: Seat, sol: Seat) -> None:
    """Two handsets with the same words: one texts the word, the other the duress word, each as answer to the challenge.

    Both get the same texts, the last no sooner than a fixed time after theirs; under duress the desk is told and free words
    stay here, while a cover line leaves from either. A picture and a STOP afterwards are answered alike. Neither word is in
    a room, in a log, or in any file of the line. That the time is the same for both is held by set clocks, in
    `tests/bot/properties/test_codeword_walk.py` and `tests/bridge/engine/test_codeword_matching_journey.py`.
    """
    talks, offices = [], set()
    for word in (SAFE, DURESS):
        talk = await scene.talk(ada, handset(), f"hello from the one with {len(word)} letters")
        offices.add(await agree(scene, ada, talk, SAFE, DURESS))
        await scene.carrier.text(talk.handset, "is anybody there still?")
        await talk.shows("is anybody there still?")
        await ada.say(talk.room, "!verify")
        await scene.carrier.reaches(talk.handset, CHALLENGE, within=40)
        await scene.carrier.text(talk.handset, f"oh, fine. {word.upper()}!")
        await scene.carrier.reaches(talk.handset, VERIFIED)
        await talk.shows(f"oh, fine. {MASK}!")
        assert await scene.carrier.answered_after(talk.handset) >= DELAY
        talks.append(talk)

    success, duress = talks
    assert await scene.carrier.received(success.handset) == await scene.carrier.received(duress.handset)
    await success.told("codeword came", "burned")
    await duress.told("DURESS")
    await ada.find(
        scene.ready.desk_room,
        "the desk is told of duress",
        lambda i: i.sender == scene.ready.bot and "DURESS" in i.body and duress.designation in i.body,
    )
    for talk in talks:
        free = await ada.say(talk.room, FREE)
        await talk.receipt(free, "delivered" if talk is success else "held")
        await ada.say(talk.room, "!cover 3")
        await scene.carrier.reaches(talk.handset, COVER, within=40)
    for talk in talks:
        await scene.carrier.text(talk.handset, "look", media=[{"type": "image/jpeg", "url": "http://127.0.0.1:9/1.jpg"}])
        await scene.carrier.reaches(talk.handset, PICTURE)
        await scene.carrier.text(talk.handset, "STOP")
        await scene.carrier.reaches(talk.handset, STOPPED)
    shown_to = [await scene.carrier.received(talk.handset) for talk in talks]
    assert FREE not in shown_to[1]
    assert [text for text in shown_to[0] if text != FREE] == shown_to[1]

    items = [i for room in (*offices, scene.ready.desk_room, *(t.room for t in talks)) for i in await ada.whole(room)]
    shown = "\n".join(item.body for item in items).casefold()
    assert [word for word in SPELLED if word in shown] == []
    for place, text in scene.stack.logs().items():
        assert [word for word in SPELLED if word in text.casefold()] == [], place
    for path, raw in every_file(scene.stack.data):
        lower = raw.lower()
        assert [word for word in SPELLED if word.encode() in lower] == [], path.relative_to(scene.stack.data)
    for talk in talks:
        before = set(await sol.invites())
        await ada.say(talk.room, "!escalate")
        await sol.join(await scene.invited(sol, before))
        await scene.last_words(sol, talk.room, "!close now")
