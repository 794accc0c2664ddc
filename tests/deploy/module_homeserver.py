"""A real Synapse with our module in it, and the people and rooms that its tests need.

Rule of this module: everything is done over HTTP, as the bridge and clients do it; only what is *left* is read from files.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import yaml

from bridge.matrix.api.http_client import HomeserverClient
from bridge.matrix.api.module_api import ModuleClient, RoomState
from bridge.matrix.rooms.room_state import RoomKind, create_room_body
from deploy.data_dir.atomic_files import write_atomically
from deploy.data_dir.layout import Layout, Ports
from deploy.data_dir.secret_files import Secrets
from deploy.stack.provision import mxid, open_secrets, run_homeserver, write_line_files
from deploy.stack.synapse_config import SERVER_NAME, registration
from tests.deploy.homeserver_api import RunningHomeserver
from tests.e2e.polling import wait_until
from tests.fakes.provisioned_homeserver import provision, put_homeserver
from tests.free_ports import free_ports

POLICY, PUPPET = mxid("policy"), mxid("line-main")
MODULE_PATH = "/_synapse/client/quietline"
CLIENT = "/_matrix/client/v3"
SECRET = "cipherCANARYtext"
ENCRYPTED = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": SECRET, "session_id": "s"}


@dataclass(slots=True, kw_only=True)
class ModuleHomeserver:
    """A desk with ada and sol at it; bea is on the homeserver and in no room. `tokens`: localpart to access token."""

    server: RunningHomeserver
    module_client: ModuleClient
    as_token: str
    policy: str = POLICY
    puppet: str = PUPPET
    desk: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    txn: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def database(self) -> Path:
        return self.server.layout.homeserver / "homeserver.db"

    async def call_module(self, method: str, path: str, token: str | None = None) -> tuple[int, Any]:
        return await self.server.ask(method, f"{MODULE_PATH}/{path}", self.as_token if token is None else token)

    async def request_as(self, user: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask as one of our identities (a Matrix id) or as a member of staff (a localpart)."""
        if user.startswith("@"):
            mark = "&" if "?" in path else "?"
            return await self.server.ask(method, f"{CLIENT}/{path}{mark}user_id={quote(user)}", self.as_token, body)
        return await self.server.ask(method, f"{CLIENT}/{path}", self.tokens[user], body)

    async def room(self, kind: RoomKind = "thread", *people: str, name: str = "amber heron") -> str:
        """Make a room as the bridge does, with these people (localparts) in it."""
        status, answer = await self.request_as(
            self.policy, "POST", "createRoom", create_room_body(kind, name, invite=[self.puppet], supervisors=[mxid("sol")])
        )
        assert status == 200, answer
        room_id = str(answer["room_id"])
        assert (await self.request_as(self.puppet, "POST", f"join/{room_id}"))[0] == 200
        for person in people:
            assert (await self.invite(room_id, mxid(person)))[0] == 200
            assert (await self.request_as(person, "POST", f"join/{room_id}"))[0] == 200
        return room_id

    async def invite(self, room_id: str, who: str) -> tuple[int, Any]:
        return await self.request_as(self.policy, "POST", f"rooms/{room_id}/invite", {"user_id": who})

    async def send(self, user: str, room_id: str, kind: str, content: object) -> tuple[int, Any]:
        return await self.request_as(user, "PUT", f"rooms/{room_id}/send/{kind}/t{next(self.txn)}", content)

    async def said(self, user: str, room_id: str, content: object = None) -> str:
        status, answer = await self.send(user, room_id, "m.room.encrypted", content or ENCRYPTED)
        assert status == 200, answer
        return str(answer["event_id"])

    async def upload(self, user: str, data: bytes) -> tuple[int, Any]:
        token, query = (self.as_token, f"?user_id={quote(user)}") if user.startswith("@") else (self.tokens[user], "")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
        url = f"{self.server.url}/_matrix/media/v3/upload{query}"
        async with self.server.http.post(url, data=data, headers=headers) as answer:
            return answer.status, await answer.json()

    async def purged(self, room_id: str) -> None:
        """Purge a room to its end: until Synapse's own work of its first minute, which names rooms, names it no more."""

        async def gone() -> bool | None:
            purged = await self.module_client.purge(room_id) is RoomState.GONE
            return (purged and not (await self.module_client.room(room_id)).leftovers) or None

        await wait_until("the room is purged", gone, within=120)

    def rows_with(self, needle: str) -> dict[str, int]:
        """Look for a string in every column of every table: table to the number of rows that hold it."""
        counts = {}
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            # `_temp_…` is Synapse's own list of work in its first minute, which it drops when that is done.
            tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_temp_*'"
            for (table,) in db.execute(tables).fetchall():
                columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
                where = " OR ".join(f'instr(CAST("{column}" AS TEXT), ?) > 0' for column in columns)
                sql = f'SELECT COUNT(*) FROM "{table}" WHERE {where}'  # noqa: S608 - the tables' own names
                (count,) = db.execute(sql, [needle] * len(columns)).fetchone()
                if count:
                    counts[table] = count
        return counts

    def holding(self, *needles: str) -> dict[str, list[str]]:
        """Which files of the homeserver hold these, byte for byte."""
        files = [path for path in self.server.layout.homeserver.rglob("*") if path.is_file()]
        file_names = {needle: [f.name for f in files if needle.encode() in f.read_bytes()] for needle in needles}
        return {needle: names for needle, names in file_names.items() if names}


@contextlib.asynccontextmanager
async def module_homeserver(directory: Path) -> AsyncIterator[ModuleHomeserver]:
    """Provision a homeserver and seat people at its desk."""
    layout, ports = Layout(directory / "line"), Ports(free_ports())
    await put_homeserver(layout)
    accounts = await provision(layout, ports)
    async with run_homeserver(layout, ports), aiohttp.ClientSession() as http:
        yield await with_people(RunningHomeserver(layout, ports, accounts, http))


async def with_people(server: RunningHomeserver) -> ModuleHomeserver:
    """Sign the people of a homeserver in that runs, and seat them at its desk."""
    line = await _line(server, open_secrets(server.layout))
    for account in server.accounts:
        line.tokens[account.user] = await server.sign_in(account)
    line.desk = await line.room("desk", "ada", "sol", name="desk")
    return line


@contextlib.asynccontextmanager
async def two_lines(directory: Path) -> AsyncIterator[tuple[ModuleHomeserver, ModuleHomeserver]]:
    """Have a second line, `south`, on the same homeserver: ada sits at the first desk, bea at the second, sol at both."""
    layout, ports = Layout(directory / "line"), Ports(free_ports())
    await put_homeserver(layout)
    write_line_files(layout, ports)
    secrets = Secrets(directory=directory / "south")
    secrets.make(provisioned=False, sealed=False, accounts=False)
    south = registration(secrets, SERVER_NAME, ("policy-south", "line-south"), name="quietline-south")
    file = directory / "south.yaml"
    write_atomically(file, yaml.safe_dump(south))
    config = yaml.safe_load(layout.config.read_text())
    config["homeserver"]["other_lines"] = [{"registration": str(file), "policy": mxid("policy-south")}]
    layout.config.write_text(yaml.safe_dump(config))
    accounts = await provision(layout, ports)
    async with run_homeserver(layout, ports), aiohttp.ClientSession() as http:
        server = RunningHomeserver(layout, ports, accounts, http)
        first = await _line(server, open_secrets(layout))
        second = await _line(server, secrets, "policy-south", "line-south")
        for account in accounts:
            first.tokens[account.user] = second.tokens[account.user] = await server.sign_in(account)
        first.desk = await first.room("desk", "ada", "sol", name="desk")
        second.desk = await second.room("desk", "bea", "sol", name="desk")
        yield first, second


async def _line(
    server: RunningHomeserver, secrets: Secrets, policy: str = "policy", puppet: str = "line-main"
) -> ModuleHomeserver:
    token = secrets.read(secrets.as_token)
    wire = HomeserverClient(session=server.http, url=server.url, token=token, user_id=mxid(policy))
    line = ModuleHomeserver(
        server=server, module_client=ModuleClient(client=wire), as_token=token, policy=mxid(policy), puppet=mxid(puppet)
    )
    for localpart in (policy, puppet):
        body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        assert (await server.ask("POST", f"{CLIENT}/register", token, body))[0] == 200
    return line
