"""The bridge is killed at each point of an erasure over a real homeserver, started again, and everything is looked for.

Rule of these tests: a story that never comes to its point fails; what is gone is asked of the homeserver, the carrier and
a strict client, never of the bridge alone.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from functools import partial
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
import pytest

from bridge.runtime.crash_points import CrashPoint
from tests.bridge.crash.agency import Agency, assert_nowhere
from tests.bridge.erasure_crash_points import ERASURE_CRASH_POINTS
from tests.e2e.carrier_api import handset
from tests.e2e.codeword_enrolment import enrol_codeword
from tests.e2e.polling import wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.fakes.crashing_stack import CrashingStack

pytestmark = [pytest.mark.crash, pytest.mark.e2e, pytest.mark.timeout(1800), pytest.mark.asyncio(loop_scope="module")]

ROLE = "supervisor"
AGREED = ("snapdragonquay", "thimblewhirlpool")
ON_PAPER = {CrashPoint.EVENT_EXPIRED}
"""What takes a day on a real line is tried over a homeserver on paper only (`test_job_runner_crash`)."""


@pytest.mark.parametrize(
    "point", [point for point in CrashPoint if point in ERASURE_CRASH_POINTS - ON_PAPER], ids=lambda point: point.name
)
async def test_what_was_ended_is_gone_all_the_same(agency: Agency, point: CrashPoint) -> None:
    """Killed here during an erasure: within a minute more everything is gone, outside too, and two receipts say so."""
    line, scene, sol, number = agency.line, agency.scene, agency.person, handset()
    deaths = line.crashes
    receipts = set(line.rows("SELECT id FROM erasure_certificate"))
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

        await wait_until("everything is gone", partial(_is_gone, line, deaths), within=75, seen=line.tail)
    finally:
        line.cancel_crash()
    assert line.crashes == deaths + 1, "the story never came to this point"
    await line.up()

    new = [
        json.loads(body) for id_, body in line.rows("SELECT id, body FROM erasure_certificate") if (id_,) not in receipts
    ]
    assert sorted(certificate["what"] for certificate in new) == ["conversation", "person"]
    assert await _fetch(scene, talk.room, said.event_id or "") in {403, 404}
    assert talk.room not in (await scene.as_bot("GET", "joined_rooms"))["joined_rooms"]
    assert [r for r in await scene.carrier.records() if number in (r["from"], r["to"])] == []
    await wait_until("the client knows that it is out", partial(_is_out, sol, talk.room), seen=line.tail)
    assert line.rows("SELECT short_id FROM dead_letter") == []
    assert line.orphan_keys() == set()
    await scene.vacuum()
    assert_nowhere(line, text, answer, picture, number[1:], talk.room, owner[0], *AGREED)
    assert not [i for i in await sol.open_items(talk.room) if i.body in {text, answer, picture}]


async def test_a_purge_that_had_removed_us(agency: Agency) -> None:
    """A purge that begins with removing us, and ends there: nobody of us can look into that room, and it is purged."""
    line, scene, sol, number = agency.line, agency.scene, agency.person, handset()
    deaths = line.crashes
    receipts = set(line.rows("SELECT id FROM erasure_certificate"))
    talk = await scene.start_conversation(sol, number, "planted before a purge")
    said = await sol.say(talk.room, "an answer before a purge")
    await talk.wait_for_receipt(said, "delivered")
    refused = list[int]()

    def remove_us() -> None:
        for what in ("leave", "forget"):
            for user in (scene.ready.voice, scene.ready.bot):
                assert _ask(scene, "POST", f"rooms/{quote(talk.room)}/{what}", user) == HTTPStatus.OK
        refused.append(_ask(scene, "GET", f"rooms/{quote(talk.room)}/messages?dir=b", scene.ready.bot))

    line.before_next_start(remove_us)
    line.crash_at(CrashPoint.ROOM_KEY_DESTROYED)
    try:
        await scene.send_closing_command(sol, talk.room, "!close now")

        await wait_until("everything is gone", partial(_is_gone, line, deaths), within=75, seen=line.tail)
    finally:
        line.cancel_crash()
    assert refused == [HTTPStatus.FORBIDDEN]
    await line.up()
    new = [
        json.loads(body) for id_, body in line.rows("SELECT id, body FROM erasure_certificate") if (id_,) not in receipts
    ]
    assert sorted(certificate["what"] for certificate in new) == ["conversation", "person"]
    await scene.vacuum()
    assert_nowhere(line, "planted before a purge", "an answer before a purge", number[1:], talk.room)


def _ask(scene: StaffedLine, method: str, path: str, user: str) -> int:
    """Ask the homeserver something as one of our identities, while no bridge runs; returns the status."""
    url = f"{scene.ready.homeserver}/_matrix/client/v3/{path}{'&' if '?' in path else '?'}user_id={quote(user)}"
    headers = {"Authorization": f"Bearer {scene.stack.secret('as_token')}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, b"{}" if method == "POST" else None, headers, method=method)  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - ours
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def _fetch(scene: StaffedLine, room: str, event_id: str) -> int:
    """Ask the homeserver for an event as the policy bot; returns the status."""
    headers = {"Authorization": f"Bearer {scene.stack.secret('as_token')}"}
    path = f"/_matrix/client/v3/rooms/{quote(room)}/event/{quote(event_id)}"
    async with (
        aiohttp.ClientSession(scene.ready.homeserver, headers=headers) as http,
        http.get(path, params={"user_id": scene.ready.bot}) as answer,
    ):
        return answer.status


async def _is_out(client: StaffClient, room: str) -> bool | None:
    return room not in await client.joined() or None


async def _is_gone(line: CrashingStack, deaths: int) -> bool | None:
    """Whether no thread and no erasure is left, after another death than these."""
    return (not line.rows("SELECT 1 FROM erasure UNION ALL SELECT 1 FROM thread") and line.crashes > deaths) or None
