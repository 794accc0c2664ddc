"""What was planted is nowhere it must not be (ARCHITECTURE.md, "Invariants", 5). Runs last, so that it sees everything."""

from __future__ import annotations

from urllib.parse import quote

import aiohttp

from tests.e2e.carrier_api import handset
from tests.e2e.polling import wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.visibility import assert_no_leak

STAFF_NAME = "Wilhelmina Canaria"
CODEWORD = "marzipanfjord"


async def test_no_number_no_words_no_name_leak(staffed_line: StaffedLine, ada: StaffClient, bea: StaffClient) -> None:
    """With everything at DEBUG no planted number, text, codeword or name is in a log, a state event, a name or a title.

    Beyond these five tests' words it looks for all that any test of this run has texted, and in all bytes on the disk.
    """
    await _call_herself(staffed_line, ada, STAFF_NAME)
    path = f"rooms/{quote(staffed_line.ready.desk_room)}/state/m.room.member/{quote(ada.mxid)}"

    async def known() -> bool | None:
        return (await staffed_line.as_bot("GET", path)).get("displayname") == STAFF_NAME or None

    await wait_until("the desk's room has the name", known)
    conversation = await staffed_line.start_conversation(
        bea, handset(), f"my word is {CODEWORD}, says the canary in the mine"
    )
    await bea.say(conversation.room, "wilhelmina can you look at this")
    await conversation.wait_for_notice("the name of a colleague")
    await bea.say(conversation.room, f"answered: {CODEWORD} to the canary")
    await staffed_line.carrier.wait_for_delivery(conversation.handset, f"answered: {CODEWORD} to the canary")
    await assert_no_leak(staffed_line, CODEWORD, in_clear=frozenset({STAFF_NAME, *STAFF_NAME.lower().split()}))


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
