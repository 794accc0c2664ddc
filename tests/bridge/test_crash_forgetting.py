"""The bridge is killed at each point of the way down over a real homeserver, started again, and everything is looked for.

Rule of these tests: a story that never comes to its point fails; what is gone is asked of the homeserver, the carrier and
a strict client, never of the bridge alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from bridge.crash import CrashPoint
from tests.bridge.forgetting import FORGETTING
from tests.e2e.carrier import handset
from tests.e2e.conftest import OpenStrict
from tests.e2e.scene import Scene
from tests.e2e.seat import Seat
from tests.e2e.waiting import until
from tests.fakes.mortal_line import MortalLine

pytestmark = [pytest.mark.crash, pytest.mark.e2e, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

ON_PAPER = {CrashPoint.EVENT_EXPIRED}
"""What takes a day on a real line is tried over a homeserver on paper only (`test_erasure_crash`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """A mortal line, and the one person at its desk, who supervises."""

    line: MortalLine
    scene: Scene
    sol: Seat


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def agency(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Agency]:
    line = MortalLine(tmp_path_factory.mktemp("forgetful"))
    async with line.living():
        scene = Scene(stack=line, ready=line.ready)
        sol = await OpenStrict(stood_in=[]).seat(line.ready.homeserver, line.ready.account("supervisor"))
        try:
            yield Agency(line=line, scene=scene, sol=await scene.seated(sol))
        finally:
            await sol.stop()


@pytest.mark.parametrize(
    "point", [point for point in CrashPoint if point in FORGETTING - ON_PAPER], ids=lambda point: point.name
)
async def test_what_was_ended_is_gone_all_the_same(agency: Agency, point: CrashPoint) -> None:
    """Killed here on the way down: within a minute more everything is gone, outside too, and two receipts say so."""
    line, scene, sol, number = agency.line, agency.scene, agency.sol, handset()
    deaths = line.deaths
    receipts = set(line.rows("SELECT id FROM receipt"))
    text = f"planted before {point.name}"
    try:
        if point is CrashPoint.COPY_DELETED:
            line.condemn(point)
        talk = await scene.talk(sol, number, text)
        said = await sol.say(talk.room, f"answer to {point.name}")
        await talk.receipt(said, "delivered")
        if point is not CrashPoint.COPY_DELETED:
            line.condemn(point)
        (owner,) = line.rows("SELECT id FROM thread")
        await scene.last_words(sol, talk.room, "!close now")

        async def gone() -> bool | None:
            return (not line.rows("SELECT 1 FROM erasure UNION ALL SELECT 1 FROM thread") and line.deaths > deaths) or None

        await until("everything is gone", gone, within=75, seen=line.tail)
    finally:
        line.pardon()
    assert line.deaths == deaths + 1, "the story never came to this point"
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
    planted = [text.encode(), number[1:].encode(), talk.room.encode(), owner[0].encode()]
    for path in line.data.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert not [thing for thing in planted if thing in raw], f"something planted in {path.relative_to(line.data)}"


async def _fetch(scene: Scene, room: str, event_id: str) -> int:
    """Ask the homeserver for an event as the policy bot; returns the status."""
    headers = {"Authorization": f"Bearer {scene.stack.secret('as_token')}"}
    path = f"/_matrix/client/v3/rooms/{quote(room)}/event/{quote(event_id)}"
    async with (
        aiohttp.ClientSession(scene.ready.homeserver, headers=headers) as http,
        http.get(path, params={"user_id": scene.ready.bot}) as answer,
    ):
        return answer.status
