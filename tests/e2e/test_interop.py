"""A second, independent Matrix client as the advocate: matrix-nio, cross-signed."""

from __future__ import annotations

import pytest

from tests.e2e.carrier_api import handset
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine


@pytest.mark.practice(3)
async def test_another_client_reads_and_answers(staffed_line: StaffedLine, sol: StaffClient) -> None:
    """matrix-nio reads what came before its claim from a signed device, is heard, and gets the receipt."""
    conversation = await staffed_line.start_conversation(sol, handset(), "to be read by a second client 🛟")
    said = await sol.say(conversation.room, "answered by a second client — é 🛟\nline two")
    await staffed_line.carrier.wait_for_delivery(conversation.handset, said.body)
    await conversation.wait_for_receipt(said, "delivered")
    assert await conversation.texts_in_room(whole=True) == ["to be read by a second client 🛟"]
