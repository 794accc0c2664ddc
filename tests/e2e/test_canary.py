"""What was planted is nowhere it must not be (DESIGN section 10, invariant 4). Runs last, so that it sees everything."""

from __future__ import annotations

import json
from urllib.parse import quote

import aiohttp

from tests.e2e.carrier import handset
from tests.e2e.reading import every_file
from tests.e2e.scene import Scene
from tests.e2e.seat import Seat

TELLING = 12
"""Letters from which on a text is unlike anything a program would write by itself."""
STAFF_NAME = "Wilhelmina Canaria"
CODEWORD = "marzipanfjord"


async def test_no_number_no_words_no_name_leak(scene: Scene, bea: Seat) -> None:
    """With everything at DEBUG no planted number, text, codeword or name is in a log, a state event, a name or a title.

    Beyond these five tests' words it looks for all that any test of this run has texted, and in all bytes on the disk.
    """
    await _call_herself(scene, bea, STAFF_NAME)
    talk = await scene.talk(bea, handset(), f"my word is {CODEWORD}, says the canary in the mine")
    await bea.say(talk.room, f"answered: {CODEWORD} to the canary")
    await scene.carrier.reaches(talk.handset, f"answered: {CODEWORD} to the canary")
    words = {text for text in scene.carrier.planted if len(text) >= TELLING} | {CODEWORD, STAFF_NAME}
    numbers = {text[1:] for text in scene.carrier.planted if text.startswith("+")}
    planted = words | numbers
    assert len(numbers) >= 1

    places = dict(scene.stack.logs())
    assert any("DEBUG" in text or "quietline" in text for text in places.values()), "nothing was logged"
    places["file names"] = "\n".join(str(path) for path in scene.stack.data.rglob("*"))
    places["process titles"] = "\n".join(scene.stack.processes().values())
    places |= await _states(scene)
    staff = {account.mxid for account in scene.ready.accounts}
    for place, text in places.items():
        found = len(_found(text, planted | staff if place.endswith(".log") else planted))
        assert found == 0, f"{found} planted thing(s), or ids of the staff, in {place}"

    for path, raw in every_file(scene.stack.data):
        held = sum(thing.encode() in raw for thing in planted - {STAFF_NAME})
        assert held == 0, f"{held} planted thing(s) in the bytes of {path.relative_to(scene.stack.data)}"


async def _states(scene: Scene) -> dict[str, str]:
    """State of every room that the policy bot is in, without what the homeserver says of the staff by itself."""
    staff = {account.mxid for account in scene.ready.accounts}
    rooms = (await scene.as_bot("GET", "joined_rooms"))["joined_rooms"]
    assert scene.ready.desk_room in rooms
    states = {}
    for number, room in enumerate(rooms):
        events = (await scene.as_bot("GET", f"rooms/{quote(room)}/state"))["state"]
        kept = [e for e in events if not (e["type"] == "m.room.member" and e["state_key"] in staff)]
        states[f"state of room {number}"] = json.dumps(kept, ensure_ascii=False)
    return states


async def _call_herself(scene: Scene, seat: Seat, name: str) -> None:
    """Give a staff member a display name, as a person does in a client's settings."""
    account = next(a for a in scene.ready.accounts if a.mxid == seat.mxid)
    login = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": account.user},
        "password": account.password,
    }
    async with aiohttp.ClientSession(scene.ready.homeserver) as http:
        async with http.post("/_matrix/client/v3/login", json=login) as answer:
            token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        path = f"/_matrix/client/v3/profile/{quote(seat.mxid)}/displayname"
        async with http.put(path, json={"displayname": name}, headers=headers) as answer:
            assert answer.status == 200, f"the profile answered {answer.status}"
        async with http.post("/_matrix/client/v3/logout", json={}, headers=headers) as answer:
            await answer.read()


def _found(text: str, things: set[str]) -> list[str]:
    return [thing for thing in things if thing in text]
