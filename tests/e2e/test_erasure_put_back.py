"""An erasure whose room the homeserver has lost, because its database was put back to before that room was made."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.carrier_api import handset
from tests.e2e.nio_client import NioClient
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED, bring_people, log_in_nio, run_line
from tests.e2e.stack import Stack, run
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.test_erasure import rows
from tests.e2e.test_homeserver_put_back import copy_of, put_back, settled, stocked
from tests.fakes import database_file
from tests.fakes.database_file import columns_with

TEXT = "brambleharbor came before"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[StaffedLine, NioClient]]:
    """Run a line of this module's own, with the supervisor at the desk."""
    async with run_line(tmp_path_factory.mktemp("lost-room"), settings={**HURRIED, "cap": 9}) as staffed_line:
        ready = staffed_line.ready
        async with bring_people(staffed_line, [log_in_nio(ready.homeserver, ready.account("supervisor"))]) as clients:
            yield staffed_line, clients[0]


async def test_an_erasure_whose_room_it_has_lost(own: tuple[StaffedLine, NioClient], tmp_path: Path) -> None:
    """Put back, while a conversation is erased, to before its room was made: that ends, and its certificate is true."""
    staffed_line, sol = own
    line = staffed_line.stack
    await stocked(line)
    older = copy_of(line, tmp_path)
    old_ids = set(certificates(line))
    # Whoever texts gets a room of the stock, and another is made for that: the copy has none of those.
    talk = await staffed_line.start_conversation(sol, handset(), TEXT)
    while in_homeserver(older, talk.room):
        talk = await staffed_line.start_conversation(sol, handset(), TEXT)
    said = await sol.say(talk.room, "an answer of before")
    await staffed_line.carrier.wait_for_delivery(talk.handset, "an answer of before")
    await settled(line)
    process = line.ready.pids["homeserver"]
    await staffed_line.send_closing_command(sol, talk.room, "!close now")

    async def begun() -> bool | None:
        return bool(rows(line, "SELECT step FROM erasure WHERE kind = 'room' AND subject = ?", talk.room)) or None

    await wait_until("the room is being erased", begun, every=0.02)
    await line.kill("homeserver", back=False)
    put_back(line, older)
    assert await begun(), "the erasure was over before the homeserver was stopped"
    await sol.away()
    await line.back("homeserver", process)
    await line.wait_until_well()

    async def ended() -> bool | None:
        return not rows(line, "SELECT id FROM erasure") or None

    await wait_until("the erasure has ended", ended, within=60, seen=line.tail)
    new = [content for id_, content in certificates(line).items() if id_ not in old_ids]
    assert sorted(content["what"] for content in new) == ["conversation", "person"]
    (counts,) = [content["gone"] for content in new if content["what"] == "conversation"]
    assert (counts["rooms"], counts["keys"], counts["events"] > 0) == (1, 1, True)
    code, out = await run(line.command("erasure", "verify", "--json", "--data", str(line.data)))
    assert (code, json.loads(out)["ok"]) == (0, True), out
    # What it says is so: no row of ours and none of the homeserver's names the room, or one of its events.
    for name in (talk.room, said.event_id or ""):
        for path in (line.data / "homeserver" / "homeserver.db", line.data / "bridge" / "main.db"):
            assert columns_with(path, name) == []
    assert rows(line, "SELECT kind FROM dead_letter") == []


def in_homeserver(database: Path, room: str) -> bool:
    """Whether a database of the homeserver has that room."""
    return bool(database_file.rows(database, "SELECT 1 FROM rooms WHERE room_id = ?", room))


def certificates(line: Stack) -> dict[str, Any]:
    """Return all certificates of the line, by their ids."""
    return {id_: json.loads(body) for id_, body in rows(line, "SELECT id, body FROM erasure_certificate")}
