"""A colleague's client whose one-time keys the homeserver hands out a second time, as after its database was put back.

What we begin with such a key the client cannot read, and it says nothing of it (`decisions/matrix-and-keys.md`, "A
homeserver that was put back").
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.second_devices import strict
from tests.e2e.separate_line import HURRIED, run_line
from tests.e2e.stack import Stack
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.fakes import database_file

pytestmark = pytest.mark.long

OFFERED = "e2e_one_time_keys_json"
FIRST, UNREADABLE, NEXT = "the house is on the left", "the door has a green lamp", "it is the second bell"


async def test_a_client_that_cannot_read_us_does_once_it_speaks(
    tmp_path: Path, strict_client_factory: StrictClientFactory
) -> None:
    """A text comes from a device of ours that began with a used key: unreadable, until its reader says anything there."""
    async with run_line(tmp_path, settings=HURRIED) as staffed_line:
        line, ready = staffed_line.stack, staffed_line.ready
        ada = await strict_client_factory.log_in(ready.homeserver, ready.account("advocate"))
        try:
            offered = await wait_until("she offers one-time keys", lambda: _offered(line, ada))
            await staffed_line.bring_to_desk(strict(ada))
            talk = await staffed_line.start_conversation(ada, handset(), FIRST)
            used = offered.keys() - (await _offered(line, ada)).keys()
            assert used, "nobody has begun a session with her"
            for key in used:
                put_back(line, offered[key])
            await another_puppet_device(staffed_line)

            await staffed_line.carrier.text(talk.handset, UNREADABLE)
            await ada.find(talk.room, "it cannot be read", lambda i: i.sender == ready.voice and i.kind == "undecryptable")
            assert used - (await _offered(line, ada)).keys(), "we have begun with a key that was not used"
            await ada.say(talk.room, "// what does it say?")
            await talk.wait_for_text(UNREADABLE)
            await staffed_line.carrier.text(talk.handset, NEXT)
            await talk.wait_for_text(NEXT)
            assert await talk.texts_in_room(whole=True) == [FIRST, UNREADABLE, NEXT]
        finally:
            await ada.stop()


async def _offered(line: Stack, person: StaffClient) -> dict[str, tuple[str, ...]]:
    """Return what the homeserver has of a person's one-time keys, by their ids."""
    query = f"SELECT user_id, device_id, algorithm, key_id, key_json FROM {OFFERED} WHERE user_id = $1"  # noqa: S608 - ours
    rows = database_file.rows(line.data / "homeserver" / "homeserver.db", query, person.mxid)
    return {str(row["key_id"]): tuple(map(str, row)) for row in rows}


def put_back(line: Stack, row: tuple[str, ...]) -> None:
    """Have the homeserver offer such a key again, before all others: it hands out the oldest."""
    query = f"""INSERT INTO {OFFERED} (user_id, device_id, algorithm, key_id, key_json, ts_added_ms)
                VALUES ($1, $2, $3, $4, $5, 0)"""  # noqa: S608 - ours
    database_file.write(line.data / "homeserver" / "homeserver.db", query, *row)


async def another_puppet_device(staffed_line: StaffedLine) -> None:
    """Sign the texter puppet out, as an administrator can; it makes another device, which has no session with anybody."""
    puppet = staffed_line.ready.voice

    async def devices() -> set[str]:
        content = await staffed_line.as_bot("GET", "devices", user=puppet)
        return {str(each["device_id"]) for each in content["devices"]}

    (old,) = await devices()
    await staffed_line.as_bot("DELETE", f"devices/{old}", user=puppet)

    async def renewed() -> bool:
        return bool(await devices() - {old})

    await wait_until("the texter puppet has another device", renewed)
