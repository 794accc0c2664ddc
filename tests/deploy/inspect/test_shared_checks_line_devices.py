"""`doctor` compares the devices that the line speaks with, and those that the homeserver has."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from bridge.matrix.api.http_client import HomeserverClient
from bridge.matrix.schema import PUPPET_SCHEMA
from bridge.storage.sqlite_database import SqliteDatabase
from deploy.inspect import shared_checks
from tests.bridge.matrix.rig import POLICY, PUPPET
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.deploy.line_directory import line_directory

INSERT = "INSERT INTO matrix_identity (user_id, device_id, ready, cursor) VALUES ($1, $2, TRUE, '')"


@pytest.mark.parametrize(
    ("policy", "puppet", "ok"),
    [
        (["A"], ["B"], True),
        ([], ["B"], False),
        (["A"], ["OTHER"], False),
        (["A", "OTHER"], ["B"], False),
    ],
    ids=["as they are", "deleted", "replaced", "one more"],
)
async def test_deleted_and_strange_devices_are_named(
    tmp_path: Path, policy: list[str], puppet: list[str], ok: bool
) -> None:
    """One that is missing, replaced or beside ours is not well, with whose it is and what to do."""
    server = ScriptedHomeserver(knows_devices=True)
    await server.start()
    (tmp_path / "line").mkdir()
    async with line_directory(tmp_path / "line") as line:
        config = line.config.model_copy(update={"data_dir": tmp_path})
    for file, user, device in ((shared_checks.MAIN_FILE, POLICY, "A"), (shared_checks.PUPPET_FILE, PUPPET, "B")):
        database = SqliteDatabase(tmp_path / file, schema=PUPPET_SCHEMA)
        await database.open()
        await database.commit(lambda transaction, user=user, device=device: transaction.execute(INSERT, user, device))  # type: ignore[misc]
        await database.close()
    server.device_table = {POLICY: dict.fromkeys(policy), PUPPET: dict.fromkeys(puppet)}
    async with aiohttp.ClientSession() as session:
        clients = [
            (file, HomeserverClient(session=session, url=server.url, token="t", user_id=user))
            for file, user in ((shared_checks.MAIN_FILE, POLICY), (shared_checks.PUPPET_FILE, PUPPET))
        ]
        check = await shared_checks.check_line_devices(config, clients)
    await server.stop()
    assert (check.name, check.ok) == ("identities", ok)
    assert ok or (check.do and (PUPPET if policy == ["A"] and puppet != ["B"] else POLICY) in check.what)
