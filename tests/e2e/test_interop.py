"""A second, independent Matrix client as the advocate: matrix-nio, cross-signed."""

from __future__ import annotations

import pytest

from tests.e2e.carrier import handset
from tests.e2e.scene import Scene
from tests.e2e.seat import Seat


@pytest.mark.practice(3)
async def test_another_client_reads_and_answers(scene: Scene, sol: Seat) -> None:
    """matrix-nio reads what came before its claim from a signed device, is heard, and gets the receipt."""
    talk = await scene.talk(sol, handset(), "to be read by a second client 🛟")
    said = await sol.say(talk.room, "answered by a second client — é 🛟\nline two")
    await scene.carrier.reaches(talk.handset, said.body)
    await talk.receipt(said, "delivered")
    assert await talk.arrived(whole=True) == ["to be read by a second client 🛟"]
