"""What was planted is nowhere it must not be (DESIGN section 10, invariant 4). Runs last, so that it sees everything."""

from __future__ import annotations

import json
from urllib.parse import quote

import aiohttp

from tests.e2e.carrier_api import handset
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.visibility import every_file

TELLING = 12
"""Letters from which on a text is unlike anything a program would write by itself."""
STAFF_NAME = "Wilhelmina Canaria"
CODEWORD = "marzipanfjord"


async def test_no_number_no_words_no_name_leak(staffed_line: StaffedLine, bea: StaffClient) -> None:
    """With everything at DEBUG no planted number, text, codeword or name is in a log, a state event, a name or a title.

    Beyond these five tests' words it looks for all that any test of this run has texted, and in all bytes on the disk.
    """
    await _call_herself(staffed_line, bea, STAFF_NAME)
    conversation = await staffed_line.start_conversation(
        bea, handset(), f"my word is {CODEWORD}, says the canary in the mine"
    )
    await bea.say(conversation.room, f"answered: {CODEWORD} to the canary")
    await staffed_line.carrier.wait_for_delivery(conversation.handset, f"answered: {CODEWORD} to the canary")
    words = {text for text in staffed_line.carrier.planted if len(text) >= TELLING} | {CODEWORD, STAFF_NAME}
    numbers = {text[1:] for text in staffed_line.carrier.planted if text.startswith("+")}
    planted = words | numbers
    assert len(numbers) >= 1

    places = dict(staffed_line.stack.logs())
    assert any("DEBUG" in text or "quietline" in text for text in places.values()), "nothing was logged"
    places["file names"] = "\n".join(str(path) for path in staffed_line.stack.data.rglob("*"))
    places["process titles"] = "\n".join(staffed_line.stack.processes().values())
    places |= await _states(staffed_line)
    staff = {account.mxid for account in staffed_line.ready.accounts}
    for place, text in places.items():
        found = len(_found(text, planted | staff if place.endswith(".log") else planted))
        assert found == 0, f"{found} planted thing(s), or ids of the staff, in {place}"

    for path, raw in every_file(staffed_line.stack.data):
        held = sum(thing.encode() in raw for thing in planted - {STAFF_NAME})
        assert held == 0, f"{held} planted thing(s) in the bytes of {path.relative_to(staffed_line.stack.data)}"


async def _states(staffed_line: StaffedLine) -> dict[str, str]:
    """State of every room that the policy bot is in, without what the homeserver says of the staff by itself."""
    staff = {account.mxid for account in staffed_line.ready.accounts}
    rooms = (await staffed_line.as_bot("GET", "joined_rooms"))["joined_rooms"]
    assert staffed_line.ready.desk_room in rooms
    states = {}
    for number, room in enumerate(rooms):
        events = (await staffed_line.as_bot("GET", f"rooms/{quote(room)}/state"))["state"]
        kept = [e for e in events if not (e["type"] == "m.room.member" and e["state_key"] in staff)]
        states[f"state of room {number}"] = json.dumps(kept, ensure_ascii=False)
    return states


async def _call_herself(staffed_line: StaffedLine, client: StaffClient, name: str) -> None:
    """Give a staff member a display name, as a person does in a client's settings."""
    account = next(a for a in staffed_line.ready.accounts if a.mxid == client.mxid)
    login = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": account.user},
        "password": account.password,
    }
    async with aiohttp.ClientSession(staffed_line.ready.homeserver) as http:
        async with http.post("/_matrix/client/v3/login", json=login) as answer:
            token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        path = f"/_matrix/client/v3/profile/{quote(client.mxid)}/displayname"
        async with http.put(path, json={"displayname": name}, headers=headers) as answer:
            assert answer.status == 200, f"the profile answered {answer.status}"
        async with http.post("/_matrix/client/v3/logout", json={}, headers=headers) as answer:
            await answer.read()


def _found(text: str, things: set[str]) -> list[str]:
    return [thing for thing in things if thing in text]
