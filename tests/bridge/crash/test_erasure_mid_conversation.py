"""The bridge is killed while people talk, and the conversation is ended after it: what was planted is nowhere.

Rule of these tests: what is gone is asked of all bytes of the data directory and of the carrier, never of the bridge alone.
"""

from __future__ import annotations

import json
from typing import Final

import pytest

from bridge.runtime.crash_points import CrashPoint
from bridge.tables.carrier_copies import WITHOUT_ID
from tests.bridge.crash.agency import Agency, assert_nowhere, crashed
from tests.e2e.carrier_api import handset
from tests.e2e.polling import wait_until
from tests.fakes.crashing_stack import CrashingStack

pytestmark = [pytest.mark.crash, pytest.mark.e2e, pytest.mark.timeout(1800), pytest.mark.asyncio(loop_scope="module")]
ROLE = "supervisor"

TALKING: Final = (
    CrashPoint.INBOUND_COMMITTED,
    CrashPoint.ENGINE_COMMITTED,
    CrashPoint.SYNC_COMMITTED,
    CrashPoint.MATRIX_SENT,
    CrashPoint.TIMER_DUE,
    CrashPoint.TIMER_FIRED,
    CrashPoint.SMS_MARKED,
    CrashPoint.SMS_SENT,
    CrashPoint.SMS_RESULT,
)
"""Points of a conversation at which something of it stands in two places."""


@pytest.mark.parametrize("point", TALKING, ids=lambda point: point.name)
async def test_killed_while_they_talked_it_is_gone_all_the_same(agency: Agency, point: CrashPoint) -> None:
    """Killed in the middle of an answer, and ended after it: what was planted is nowhere, also not at the carrier.

    A text of which nobody knew whether it left is in the receipt as one without an id; its copy goes when its report comes.
    """
    line, scene, sol, number = agency.line, agency.scene, agency.person, handset()
    deaths = line.crashes
    receipts = set(line.rows("SELECT id FROM erasure_certificate"))
    text, more, answer = (f"{word} planted before {point.name}" for word in ("hello", "more", "answer"))
    try:
        talk = await scene.start_conversation(sol, number, text)
        line.crash_at(point)
        await scene.carrier.text(number, more)
        await sol.say(talk.room, answer)
        await wait_until("the bridge was killed", lambda: crashed(line, deaths), within=30, seen=line.tail)
    finally:
        line.cancel_crash()
    await line.up()
    if point is not CrashPoint.SMS_MARKED:
        await scene.carrier.wait_for_delivery(number, answer, within=60)
    await talk.wait_for_text(more)
    (owner,) = line.rows("SELECT id FROM thread")
    await wait_until("nothing is on its way", lambda: _at_rest(line), within=60, seen=line.tail)
    await scene.send_closing_command(sol, talk.room, "!close now")

    async def gone() -> bool | None:
        rows = line.rows("SELECT 1 FROM erasure UNION ALL SELECT 1 FROM thread UNION ALL SELECT 1 FROM carrier_copy")
        return not rows or None

    await wait_until("everything is gone", gone, within=90, seen=line.tail)
    new = [
        json.loads(body) for id_, body in line.rows("SELECT id, body FROM erasure_certificate") if (id_,) not in receipts
    ]
    (person,) = [certificate for certificate in new if certificate["what"] == "person"]
    unknown = point in {CrashPoint.SMS_MARKED, CrashPoint.SMS_SENT}
    assert person["carrier"].get(WITHOUT_ID, 0) == int(unknown)
    assert [r for r in await scene.carrier.records() if number in (r["from"], r["to"])] == []
    await scene.vacuum()
    assert_nowhere(line, text, more, answer, number[1:], talk.room, owner[0])


async def _at_rest(line: CrashingStack) -> bool | None:
    return (
        not line.rows("SELECT 1 FROM inbox UNION ALL SELECT 1 FROM outbox WHERE kind IN ('SendSms', 'SendMessage')") or None
    )
