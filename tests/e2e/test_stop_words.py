"""STOP and START, as the phone sees them."""

from __future__ import annotations

from tests.e2e.carrier import handset
from tests.e2e.scene import UNDO, Scene
from tests.e2e.seat import Seat


async def test_nothing_leaves_after_stop_until_start(scene: Scene, ada: Seat) -> None:
    """After STOP the phone gets at most the one confirmation; answers are refused with a reason; START opens again."""
    carrier = scene.carrier
    talk = await scene.talk(ada, handset(), "hello, before I stop")
    pending = await ada.say(talk.room, "still in its undo window when STOP comes")
    before = await carrier.received(talk.handset)
    await carrier.text(talk.handset, "Stop.")
    await talk.receipt(pending, "not sent")
    await talk.told("STOP")
    await carrier.text(talk.handset, "a text after the STOP")
    await talk.shows("a text after the STOP")
    refused = await ada.say(talk.room, "an answer after the STOP")
    await talk.receipt(refused, "not sent")
    await talk.told("not sent", "STOP")
    after = await carrier.settled(talk.handset, after=UNDO + 3)
    assert after[: len(before)] == before
    assert len(after) - len(before) <= 1
    assert not {pending.body, refused.body} & set(after)

    await carrier.text(talk.handset, "START")
    await talk.told("START")
    resumed = await ada.say(talk.room, "an answer after the START")
    await carrier.reaches(talk.handset, resumed.body)
    await talk.receipt(resumed, "delivered")
    assert await carrier.received(talk.handset) == [*after, resumed.body]
