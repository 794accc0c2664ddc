"""`quietline trust` beside a bridge: the list, a confirmation, a refusal, and the doctor's row."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import Result

from deploy.data_dir import offline
from deploy.inspect.trust import check_first_supervisor, first_supervisor_rows
from tests.deploy.inspect.test_shared_checks import real
from tests.deploy.line_directory import ADA, SOL, LineDirectory, line_directory
from tests.deploy.verb import invoke

MASTER, DEVICE, OTHER = "AbCd" * 10 + "xyz", "1234" * 10 + "567", "Qrst" * 10 + "uvw"
SEE = "INSERT INTO matrix_seen_identity (user_id, master_key) VALUES ($1, $2)"
JOIN = """
    INSERT INTO matrix_member (room_id, user_id, membership)
    SELECT room_id, $1, 'join' FROM matrix_room WHERE kind = 'desk'
"""
KNOW = """
    INSERT INTO matrix_device (user_id, device_id, curve25519, ed25519, cross_signed, master_key)
    VALUES ($1, $2, 'c', $3, $4, $5)
"""


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[LineDirectory]:
    """Make a line with a supervisor and an advocate, and what was seen of them."""
    async with line_directory(tmp_path) as there:
        await there.desk()
        await there.execute("UPDATE matrix_member SET membership = 'join' WHERE user_id = $1", SOL)
        for user, key in ((SOL, MASTER), (ADA, OTHER), ("@none:quietline.localhost", "")):
            await there.execute(SEE, user, key)
        await there.execute(JOIN, "@none:quietline.localhost")
        await there.execute(KNOW, SOL, "PHONE", DEVICE, True, MASTER)
        await there.execute(KNOW, SOL, "OLD", "9999" * 10 + "999", False, MASTER)
        yield there


async def trust(line: LineDirectory, *words: str) -> Result:
    return await invoke(["trust", "--config", str(line.layout.config), *words])


def grouped(key: str) -> str:
    return " ".join(key[n : n + 4] for n in range(0, len(key), 4))


async def test_the_list_is_the_contract(line: LineDirectory) -> None:
    """Everybody seen with an identity, keys in groups of four, signed devices only; an identity of nobody is left out."""
    report = json.loads((await trust(line, "--json")).stdout)
    assert report == {
        "identities": [
            {"mxid": ADA, "fingerprint": grouped(OTHER), "devices": [], "confirmed": False},
            {
                "mxid": SOL,
                "fingerprint": grouped(MASTER),
                "devices": [{"id": "PHONE", "fingerprint": grouped(DEVICE)}],
                "confirmed": False,
            },
        ]
    }
    shown = await trust(line)
    assert shown.exit_code == 0
    assert grouped(MASTER) in shown.stdout
    assert "quietline trust MXID FINGERPRINT" in shown.stdout
    assert "@none:quietline.localhost  has NO identity yet" in shown.stdout


@pytest.mark.parametrize("words", [[MASTER], grouped(MASTER).split(), [grouped(DEVICE)], [f" {DEVICE[:9]} ", DEVICE[9:]]])
async def test_a_fingerprint_confirms(line: LineDirectory, words: list[str]) -> None:
    """Of the identity or of its device, in one or several words; noted in the audit, once."""
    for _ in range(2):
        assert (await trust(line, SOL, *words)).exit_code == 0
    listed = json.loads((await trust(line, "--json")).stdout)["identities"]
    assert {each["mxid"]: each["confirmed"] for each in listed} == {ADA: False, SOL: True}
    assert await line.audit_kinds() == ["trust"]
    assert await line.harness.database.fetchval("SELECT due_ms FROM matrix_dirty WHERE user_id = $1", SOL) == 0


@pytest.mark.parametrize(
    ("user", "words"), [(SOL, OTHER), (SOL, MASTER[:-1]), (SOL, "9999" * 10 + "999"), (ADA, MASTER), ("@x:y", MASTER)]
)
async def test_another_fingerprint_changes_nothing(line: LineDirectory, user: str, words: str) -> None:
    """Another person's, a part of one, an unsigned device's, an unknown person's: 1, and nothing is written."""
    result = await trust(line, user, words)
    assert (result.exit_code, await line.audit_kinds()) == (1, [])
    assert "Nothing is confirmed" in result.stderr
    for table in ("matrix_confirmed", "matrix_dirty"):
        assert await line.harness.count(table) == 0


async def test_the_doctor_says_when_nobody_can_confirm(line: LineDirectory) -> None:
    """A real line is not well before a supervisor at the desk is confirmed, and again after theirs changed."""

    def well(*, rehearsal: bool = False) -> bool:
        with offline.read_transaction(line.config) as db:
            row = check_first_supervisor(db, line.config if rehearsal else real(line.config))
            assert row.ok or "quietline trust" in row.do
            return row.ok

    assert not well()
    (item,) = first_supervisor_rows(real(line.config))
    assert (item.ok, item.warning, "quietline trust" in item.do) == (True, True, True), "the verdict is the doctor's"
    assert well(rehearsal=True), "a rehearsal trusts on first use"
    assert not first_supervisor_rows(line.config)[0].warning
    await line.execute("INSERT INTO matrix_confirmed (user_id, master_key) VALUES ($1, $2)", ADA, OTHER)
    assert not well(), "an advocate confirms nobody"
    assert (await trust(line, SOL, MASTER)).exit_code == 0
    assert well()
    await line.execute("UPDATE matrix_seen_identity SET master_key = $1 WHERE user_id = $2", OTHER, SOL)
    assert not well()
