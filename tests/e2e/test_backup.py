"""A real line is backed up, a conversation ends, the line is put up elsewhere: it comes back, the conversation does not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.backup.backup import read_backup
from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.stack import Stack, run
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.test_erasure import rows
from tests.e2e.visibility import every_file

TEXT = "kestrelfjord texted before the backup"
ANSWER = "marzipanglacier answered before the backup"
PASSPHRASE = "otter lantern velvet mosaic harbor plum"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stacks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stack, Stack]]:
    """Run a line, and have room for another."""
    lines = [Stack(tmp_path_factory.mktemp(name)) for name in ("backed-up", "restored")]
    try:
        await lines[0].prepare()
        await lines[0].start()
        yield lines[0], lines[1]
    finally:
        for line in lines:
            await line.end()


async def test_a_restored_line_brings_nothing_back(
    stacks: tuple[Stack, Stack], strict_client_factory: StrictClientFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Planted, backed up, ended, restored, looked for: in every byte of the new line, and in the opened backup.

    The new line runs: same accounts, other devices, nothing resumed, nothing sent, the desk told why; both are well by
    `doctor`; counsel's look-up says open and then nothing; and a restore over either is refused.
    """
    old, new = stacks
    beside = tmp_path_factory.mktemp("beside")
    phrase, file = beside / "phrase", beside / "line.backup"
    _write(phrase, PASSPHRASE)
    staff = [
        await strict_client_factory.log_in(old.ready.homeserver, old.ready.account(role))
        for role in ("advocate", "supervisor")
    ]
    try:
        staffed_line, number = StaffedLine(stack=old, ready=old.ready), handset()
        for client in staff:
            await staffed_line.bring_to_desk(client)
        await _plant(staffed_line, staff, old, number, file, phrase)
    finally:
        for client in staff:
            await client.stop()

    restore = ["restore", "--passphrase-file", str(phrase), str(file), "--data"]
    code, out = await run(old.command(*restore, str(old.data)))
    assert (code, "not empty" in out) == (2, True), "a running line is not restored over"
    await old.stop()
    code, out = await run(old.command(*restore, str(old.data)))
    assert code == 2, "nor one that stands still"
    code, out = await run(new.command(*restore, str(new.data)))
    assert code == 0, out
    await new.start()
    await new.wait_until_well()

    assert rows(new, "SELECT id FROM thread") == []
    assert rows(new, "SELECT id FROM outbox WHERE transport = 'carrier'") == []
    devices = [rows(line, "SELECT device_id FROM matrix_identity") for line in (old, new)]
    assert devices[0] != devices[1]
    client = await strict_client_factory.log_in(new.ready.homeserver, new.ready.account("supervisor"))
    try:
        staffed_line = StaffedLine(stack=new, ready=new.ready)
        await staffed_line.bring_to_desk(client)
        assert ("restore",) in rows(new, "SELECT kind FROM audit")
        conversation = await staffed_line.start_conversation(client, handset(), "somebody new texts the restored line")
        assert await conversation.texts_in_room() == ["somebody new texts the restored line"]
    finally:
        await client.stop()
    await _wait_until_well(new)
    assert [text for text in await new.carrier.texts(number) if text["direction"] == "out"] == []

    backup = read_backup(file, PASSPHRASE.encode())
    canaries = (TEXT, ANSWER, number[1:])
    opened = repr(backup).encode()
    assert not [canary for canary in canaries if canary.encode() in opened]
    for path, raw in every_file(new.data, beside):
        assert not [canary for canary in canaries if canary.encode() in raw], f"in {path.name}"


async def _plant(
    staffed_line: StaffedLine, staff: list[StaffClient], old: Stack, number: str, file: Path, phrase: Path
) -> None:
    """Talk, see the number with two people, back the line up, and end the conversation."""
    ada, sol = staff
    conversation = await staffed_line.start_conversation(ada, number, TEXT)
    await ada.say(conversation.room, ANSWER)
    await staffed_line.carrier.wait_for_delivery(number, ANSWER)
    await ada.say(conversation.room, "!reveal they asked us to call")
    await ada.find(conversation.room, "the question stands", lambda i: "asks to see the number" in i.body)
    await sol.say(staffed_line.ready.desk_room, f"!reveal yes {conversation.designation}")
    await wait_until("the number stands in two offices", lambda: _revealed(old, 2), within=30)
    await _wait_until_well(old)
    code, out = await run(
        old.command("backup", "--data", str(old.data), "--to", str(file), "--passphrase-file", str(phrase))
    )
    assert code == 0, out
    assert await _lookup(old, number) == "open"
    before = set(await sol.invites())
    await ada.say(conversation.room, "!escalate")
    await sol.join(await staffed_line.wait_for_invite(sol, before))
    await sol.say(conversation.room, "!hold")
    await ada.find(conversation.room, "it is on hold", lambda i: "ON HOLD" in i.body)
    assert await _lookup(old, number) == "held"
    await sol.say(conversation.room, "!close now")
    await ada.find(conversation.room, "a hold wins", lambda i: "on hold" in i.body and "before a supervisor" in i.body)
    await sol.say(conversation.room, "!unhold")
    await ada.find(conversation.room, "the hold is lifted", lambda i: "hold is lifted" in i.body)
    await sol.say(conversation.room, "!close now")
    await wait_until("the conversation has ended", lambda: _ended(old), within=90)
    assert await _lookup(old, number) == "nothing"
    await wait_until("the number is taken back", lambda: _revealed(old, 0), within=90)
    kinds = [kind for (kind,) in rows(old, "SELECT kind FROM audit ORDER BY rowid")]
    expected = ["reveal_asked", "reveal_granted", "backup", "hold", "unhold", "close", "end"]
    assert [kind for kind in kinds if kind in expected] == expected


async def _revealed(line: Stack, count: int) -> bool | None:
    return len(rows(line, "SELECT event_id FROM revealed")) == count or None


async def _ended(line: Stack) -> bool | None:
    return (not rows(line, "SELECT id FROM thread") and not rows(line, "SELECT id FROM erasure")) or None


async def _doctor(line: Stack) -> list[dict[str, str]]:
    """Return what `doctor` finds not well."""
    code, out = await run(line.command("doctor", "--json", "--data", str(line.data)))
    report = json.loads(out)
    bad = [check for check in report["checks"] if not check["ok"]]
    assert (code == 0) == (bad == []) == report["ok"]
    return bad


async def _wait_until_well(line: Stack) -> None:
    """Wait until `doctor` finds nothing: on a busy machine a part may not answer within the seconds that it gives."""

    async def well() -> bool | None:
        return await _doctor(line) == [] or None

    async def seen() -> str:
        return str(await _doctor(line))

    await wait_until("`doctor` finds nothing", well, every=3, seen=seen)


async def _lookup(line: Stack, number: str) -> str:
    """Ask as counsel does: the number by standard input, from a file that only its owner reads."""
    number_file = line.data.parent / "asked"
    _write(number_file, number + "\n")
    command = " ".join(line.command("lookup", "--data", str(line.data)))
    code, out = await run(["sh", "-c", f"{command} < {number_file}"])
    assert code == 0, out
    number_file.unlink()
    return out.strip().splitlines()[-1]


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
