"""Who takes a waiting thread."""

from __future__ import annotations

import asyncio
import re

from tests.e2e.carrier import handset
from tests.e2e.scene import Scene
from tests.e2e.seat import Seat
from tests.e2e.waiting import quiet, until


async def test_a_raised_hand_on_the_card_claims(scene: Scene, bea: Seat) -> None:
    """A tap on the desk's card invites whoever tapped; they read the text and are heard."""
    talk = await scene.talk(bea, handset(), "claimed by a raised hand")
    await bea.say(talk.room, "heard after a raised hand")
    await scene.carrier.reaches(talk.handset, "heard after a raised hand")


async def test_two_claims_at_once_have_one_winner(scene: Scene, ada: Seat, bea: Seat) -> None:
    """Of two claims in one moment one is invited; the other is not, and is told whose it is."""
    desk = scene.ready.desk_room
    card = await scene.arrives(ada, handset(), "wanted by two at once")
    found = re.search(r"!claim ([a-z]+ [a-z]+)", card.body)
    assert found, "the card says how to claim it"
    name = found[1]
    before = {seat.mxid: set(await seat.invites()) for seat in (ada, bea)}
    await asyncio.gather(*(seat.say(desk, f"!claim {name}") for seat in (ada, bea)))
    told = await ada.find(
        desk,
        "the one who was second is told",
        lambda i: i.sender == scene.ready.bot and i.kind == "message" and name in i.body and "already" in i.body,
    )
    winner, other = (ada, bea) if "ada" in told.body else (bea, ada)

    async def invited(seat: Seat) -> str | None:
        return next((r for r in await seat.invites() if r not in before[seat.mxid]), None)

    room = await until("the winner is invited", lambda: invited(winner))
    await quiet("the one who was second is invited", lambda: invited(other), during=2)
    await winner.join(room)
    assert (await winner.joined())[room] == name
