"""The bridge is killed at each point of the way down over a real homeserver, started again, and everything is looked for.

Rule of these tests: a story that never comes to its point fails; what is gone is asked of the homeserver, the carrier and
a strict client, never of the bridge alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from bridge.erasure.carrier_copies import WITHOUT_ID
from bridge.runtime.crash_points import CrashPoint
from tests.bridge.erasure_crash_points import ERASURE_CRASH_POINTS
from tests.e2e.carrier_api import handset
from tests.e2e.codeword_enrolment import enrol_codeword
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.fakes.crashing_stack import CrashingStack

pytestmark = [pytest.mark.crash, pytest.mark.e2e, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

AGREED = ("snapdragonquay", "thimblewhirlpool")
ON_PAPER = {CrashPoint.EVENT_EXPIRED}
"""What takes a day on a real line is tried over a homeserver on paper only (`test_erasure_crash`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """A mortal line, and the one person at its desk, who supervises."""

    line: CrashingStack
    scene: StaffedLine
    sol: StaffClient


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def agency(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Agency]:
    line = CrashingStack(tmp_path_factory.mktemp("forgetful"))
    async with line.running():
        scene = StaffedLine(stack=line, ready=line.ready)
        sol = await StrictClientFactory(fallbacks=[]).log_in(line.ready.homeserver, line.ready.account("supervisor"))
        try:
            yield Agency(line=line, scene=scene, sol=await scene.bring_to_desk(sol))
        finally:
            await sol.stop()


@pytest.mark.parametrize(
    "point", [point for point in CrashPoint if point in ERASURE_CRASH_POINTS - ON_PAPER], ids=lambda point: point.name
)
async def test_what_was_ended_is_gone_all_the_same(agency: Agency, point: CrashPoint) -> None:
    """Killed here on the way down: within a minute more everything is gone, outside too, and two receipts say so."""
    line, scene, sol, number = agency.line, agency.scene, agency.sol, handset()
    deaths = line.crashes
    receipts = set(line.rows("SELECT id FROM receipt"))
    text, answer, picture = f"planted before {point.name}", f"answer to {point.name}", f"picture-{point.name}.jpg"
    try:
        if point is CrashPoint.COPY_DELETED:
            line.crash_at(point)
        talk = await scene.start_conversation(sol, number, text)
        await sol.say_raw(
            talk.room, {"msgtype": "m.image", "body": picture, "url": "mxc://quietline.localhost/notThereAtAll"}
        )
        said = await sol.say(talk.room, answer)
        await talk.wait_for_receipt(said, "delivered")
        if point is CrashPoint.ROOM_REDACTED:
            await enrol_codeword(scene, sol, talk, *AGREED)
        if point is not CrashPoint.COPY_DELETED:
            line.crash_at(point)
        (owner,) = line.rows("SELECT id FROM thread")
        await scene.send_closing_command(sol, talk.room, "!close now")

        async def gone() -> bool | None:
            return (not line.rows("SELECT 1 FROM erasure UNION ALL SELECT 1 FROM thread") and line.crashes > deaths) or None

        await wait_until("everything is gone", gone, within=75, seen=line.tail)
    finally:
        line.cancel_crash()
    assert line.crashes == deaths + 1, "the story never came to this point"
    await line.up()

    new = [json.loads(body) for id_, body in line.rows("SELECT id, body FROM receipt") if (id_,) not in receipts]
    assert sorted(told["what"] for told in new) == ["conversation", "person"]
    assert await _fetch(scene, talk.room, said.event_id or "") in {403, 404}
    assert talk.room not in (await scene.as_bot("GET", "joined_rooms"))["joined_rooms"]
    assert [r for r in await scene.carrier.records() if number in (r["from"], r["to"])] == []
    assert talk.room not in await sol.joined()
    assert line.rows("SELECT short_id FROM dead_letter") == []
    assert line.orphan_keys() == set()
    await scene.vacuum()
    _nowhere(line, text, answer, picture, number[1:], talk.room, owner[0], *AGREED)
    assert not [i for i in await sol.items(talk.room) if i.body in {text, answer, picture}]


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
    line, scene, sol, number = agency.line, agency.scene, agency.sol, handset()
    deaths = line.crashes
    receipts = set(line.rows("SELECT id FROM receipt"))
    text, more, answer = (f"{word} planted before {point.name}" for word in ("hello", "more", "answer"))
    try:
        talk = await scene.start_conversation(sol, number, text)
        line.crash_at(point)
        await scene.carrier.text(number, more)
        await sol.say(talk.room, answer)
        await wait_until("the bridge was killed", lambda: _died(line, deaths), within=30, seen=line.tail)
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
        left = line.rows("SELECT 1 FROM erasure UNION ALL SELECT 1 FROM thread UNION ALL SELECT 1 FROM carrier_copy")
        return not left or None

    await wait_until("everything is gone", gone, within=90, seen=line.tail)
    new = [json.loads(body) for id_, body in line.rows("SELECT id, body FROM receipt") if (id_,) not in receipts]
    (person,) = [told for told in new if told["what"] == "person"]
    unknown = point in {CrashPoint.SMS_MARKED, CrashPoint.SMS_SENT}
    assert person["carrier"].get(WITHOUT_ID, 0) == int(unknown)
    assert [r for r in await scene.carrier.records() if number in (r["from"], r["to"])] == []
    await scene.vacuum()
    _nowhere(line, text, more, answer, number[1:], talk.room, owner[0])


async def _died(line: CrashingStack, before: int) -> bool | None:
    return line.crashes > before or None


async def _at_rest(line: CrashingStack) -> bool | None:
    return (
        not line.rows("SELECT 1 FROM inbox UNION ALL SELECT 1 FROM outbox WHERE kind IN ('SendSms', 'SendMessage')") or None
    )


def _nowhere(line: CrashingStack, *planted: str) -> None:
    for path in line.data.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert not [thing for thing in planted if thing.encode() in raw], f"planted in {path.relative_to(line.data)}"


async def _fetch(scene: StaffedLine, room: str, event_id: str) -> int:
    """Ask the homeserver for an event as the policy bot; returns the status."""
    headers = {"Authorization": f"Bearer {scene.stack.secret('as_token')}"}
    path = f"/_matrix/client/v3/rooms/{quote(room)}/event/{quote(event_id)}"
    async with (
        aiohttp.ClientSession(scene.ready.homeserver, headers=headers) as http,
        http.get(path, params={"user_id": scene.ready.bot}) as answer,
    ):
        return answer.status
