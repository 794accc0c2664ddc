"""A real line that is well in every part: directory, databases, bridge, vendor, homeserver, people at the desk.

Rule of this module: directory and files are those that `init` and `up` write, the bridge is the one of `BridgeHarness`
behind the adapter of its carrier, and the clock is the machine's, which counts as synchronised; only homeserver and vendor
are stand-ins.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from bot.model.actions import DESK
from bridge.app import run_history
from bridge.config.load import load
from bridge.config.sections import Config
from bridge.matrix.olm.cross_signing import derive_master_key
from bridge.matrix.room_keys.confirmed_identities import confirm_fingerprint
from bridge.matrix.schema import PUPPET_SCHEMA
from bridge.storage.database import Transaction, Value
from bridge.storage.sqlite_database import SqliteDatabase
from bridge.storage.vault import key_check_value
from bridge.tables import line_state
from deploy.data_dir import offline
from deploy.data_dir.handouts import Handout, handout_file
from deploy.data_dir.layout import Layout, Ports
from deploy.doctor import doctor
from deploy.inspect.check_report import CheckReport, CheckResult
from deploy.preflight import clock_sync
from deploy.stack.provision import write_line_files
from tests.deploy.carrier.sample_lines import adapter_of
from tests.deploy.doctor.fake_synapse import FakeSynapse
from tests.deploy.init.answers import answers, run_init
from tests.deploy.line_directory import INDEX_KEY, VAULT_KEY
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.served import served
from tests.free_ports import free_ports

ACCOUNT, TOKEN = "AC" + "0" * 32, "a vendor's token, which signs"
SERVER = "text.agency.org"
MIRA, NOOR = f"@mira:{SERVER}", f"@noor:{SERVER}"
MASTER = "AbCd" * 10 + "xyz"
SUPPRESSION_KEY = bytes(range(2, 34))
IDENTITY = "INSERT INTO matrix_identity (user_id, device_id, ready, cursor) VALUES ($1, $2, TRUE, '')"


class MachineClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def system_time(self) -> float:
        return time.time()


@dataclass(slots=True)
class Vendor:
    """Twilio's list of messages, for who has the right login. `frozen`: it takes requests and answers none."""

    login: str = ""
    url: str = ""
    frozen: bool = False


@dataclass(slots=True, kw_only=True)
class RealLine:
    """`role`: what the bridge says it is; `frozen` answers nothing. `doctor()` is a report, `rows()` the same by name."""

    layout: Layout
    harness: BridgeHarness
    homeserver: FakeSynapse
    vendor: Vendor
    role: list[str]
    bridge: web.AppRunner

    @property
    def config(self) -> Config:
        return load(self.layout.config)

    async def doctor(self, *, seconds: float = 30.0) -> CheckReport:
        """Ask the doctor. On a slow machine a part that is well takes long: no test is about how long."""
        return (await doctor.run_checks(self.layout, seconds=seconds))[0]

    async def faults(self, *, seconds: float = 30.0) -> dict[str, CheckResult]:
        """Return the rows that are not well."""
        return {row.name: row for row in (await self.doctor(seconds=seconds)).checks if not row.ok}

    def configure(self, **changed: Any) -> None:
        """Change sections of the configuration, as an operator does."""
        configuration = yaml.safe_load(self.layout.config.read_text(encoding="utf-8"))
        for section, values in changed.items():
            configuration[section] |= values
        self.layout.config.write_text(yaml.safe_dump(configuration), encoding="utf-8")

    async def execute(self, query: str, *values: Value) -> None:
        await self.harness.database.commit(lambda transaction: transaction.execute(query, *values))

    async def put(self, name: str, value: str) -> None:
        """Set a fact of the line."""
        await self.harness.database.commit(lambda transaction: line_state.put(transaction, name, value))


@contextlib.asynccontextmanager
async def real_line(directory: Path) -> AsyncIterator[RealLine]:
    """Make the line, and end it whatever happens."""
    before = os.umask(0o077)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock_sync, "is_synchronised", lambda: True)
            async with contextlib.AsyncExitStack() as stack:
                yield await _open(directory, stack)
    finally:
        os.umask(before)


async def _open(directory: Path, stack: contextlib.AsyncExitStack) -> RealLine:
    vendor = Vendor()
    await _serve_vendor(vendor, stack)
    layout, ports = Layout(directory / "line"), Ports(free_ports())
    inputs = answers(
        server_name=SERVER,
        public_url=None,
        proxy="none",
        carrier={"kind": "twilio", "account_sid": ACCOUNT, "auth_token": TOKEN, "api_base": vendor.url},
        on_call={"webhook": "https://calls.agency.org/secret"},
        reviewed={"by": "Counsel", "on": date(2027, 1, 15)},
    )
    result = run_init(directory, inputs)
    assert result.exit_code == 0, result.output
    for name, key in (("vault.key", VAULT_KEY), ("index.key", INDEX_KEY), ("suppression.key", SUPPRESSION_KEY)):
        (layout.secrets / name).write_text(key.hex())
    write_line_files(layout, ports)
    layout.provisioned_file.touch()
    config = load(layout.config)
    homeserver = FakeSynapse(token=config.homeserver.as_token_file.read_text().strip(), policy=config.policy_mxid)
    await homeserver.start(ports.homeserver)
    stack.push_async_callback(homeserver.stop)
    carrier = adapter_of(config)
    stack.push_async_callback(carrier.close)
    harness = BridgeHarness(layout.bridge, inbound_carrier=carrier, clock=MachineClock())  # type: ignore[arg-type]
    await harness.open()
    stack.push_async_callback(harness.close)
    role = ["leader"]
    line = RealLine(
        layout=layout,
        harness=harness,
        homeserver=homeserver,
        vendor=vendor,
        role=role,
        bridge=await _serve_bridge(harness, role, ports.bridge, stack),
    )
    await _settle(line)
    return line


async def _settle(line: RealLine) -> None:
    """Have the line been started, its people been seen and confirmed, and its identities be what the homeserver shows."""
    config, homeserver = line.config, line.homeserver

    async def confirm(transaction: Transaction, user: str, key: str) -> None:
        await confirm_fingerprint(transaction, user, key)

    vault = offline.open_vault(config)
    for user in (config.policy_mxid, config.puppet_mxid):
        homeserver.masters[user] = derive_master_key(vault, user)
        homeserver.devices[user] = ["OURS"]
    puppet = SqliteDatabase(config.data_dir / "voice.db", schema=PUPPET_SCHEMA)
    await puppet.open()
    await puppet.commit(lambda transaction: transaction.execute(IDENTITY, config.puppet_mxid, "OURS"))
    await puppet.close()
    await run_history.record_start(line.harness.database, time.time())
    values = {name: key_check_value(bytes.fromhex(file.read_text())) for name, file in config.keys.files.items()}
    assert await line.harness.database.commit(lambda transaction: line_state.settle_keys(transaction, values)) == []
    await line.execute(IDENTITY, config.policy_mxid, "OURS")
    await line.execute("INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!desk', 'desk', $1, $1)", DESK)
    for user in (MIRA, NOOR, config.policy_mxid):
        await line.execute("INSERT INTO matrix_member (room_id, user_id, membership) VALUES ('!desk', $1, 'join')", user)
    await line.execute("INSERT INTO matrix_level (room_id, user_id, level) VALUES ('!desk', $1, 50)", MIRA)
    see = "INSERT INTO matrix_seen_identity (user_id, master_key) VALUES ($1, $2)"
    for user, key in ((MIRA, MASTER), (NOOR, MASTER[::-1])):
        await line.execute(see, user, key)
        await line.harness.database.commit(partial(confirm, user=user, key=key))
    for user in (MIRA, NOOR):
        homeserver.devices[user], homeserver.pushers[user] = ["PHONE"], 1
        homeserver.passwords[user] = "changed long ago"
        assert Handout.read(handout_file(line.layout.handout, user)).password != homeserver.passwords[user]
    facts = {"bot": config.policy_mxid, "voice": config.puppet_mxid, "desk_room": "!desk", "pid": os.getpid()}
    line.layout.bridge_file.write_text(json.dumps(facts))


async def _serve_bridge(
    harness: BridgeHarness, role: list[str], port: int, stack: contextlib.AsyncExitStack
) -> web.AppRunner:
    @web.middleware
    async def freeze(request: web.Request, handler: Any) -> web.StreamResponse:
        if role[0] == "frozen":
            await asyncio.Event().wait()
        answer: web.StreamResponse = await handler(request)
        return answer

    async def ready(_request: web.Request) -> web.Response:
        return web.json_response({"role": role[0]}, status=503 if role[0] == "starting" else 200)

    async def live(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(client_max_size=harness.webhook.largest, middlewares=[freeze])
    app.add_routes([*harness.webhook.routes(), web.get("/ready", ready), web.get("/live", live)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


async def _serve_vendor(vendor: Vendor, stack: contextlib.AsyncExitStack) -> None:
    vendor.login = aiohttp.BasicAuth(ACCOUNT, TOKEN).encode()

    async def messages(request: web.Request) -> web.Response:
        if vendor.frozen:
            await asyncio.Event().wait()
        if request.headers.get("Authorization") != vendor.login:
            return web.json_response({"code": 20003}, status=401)
        return web.json_response({"messages": []})

    app = web.Application()
    app.router.add_get(f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", messages)
    vendor.url = await stack.enter_async_context(served(app))
