"""The common part of rehearsal lines whose processes a test starts itself, without `up`."""

from __future__ import annotations

from asyncio.subprocess import Process
from pathlib import Path

import yaml

from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import NUMBER, SLUG, mxid
from deploy.stack.readiness import BridgeReady
from deploy.stack.synapse_config import SERVER_NAME
from tests.e2e.stack import ReadyFile, Stack, start_module
from tests.e2e.staff_client import Account
from tests.fakes.provisioned_homeserver import provision, put_homeserver
from tests.forked_children import Fork


class StackWithoutUp(Stack):
    """A line without `up`, with everything that scenes need of a stack."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.layout, self.ports = Layout(data=self.data), Ports(base=self.base)
        self._accounts: tuple[Account, ...] = ()

    @property
    def ready(self) -> ReadyFile:
        """Return what `ready.json` would contain; the desk is unknown while no bridge is ready."""
        said = BridgeReady.read(self.layout.bridge_file)
        return ReadyFile(
            homeserver=self.ports.url("homeserver"),
            server_name=SERVER_NAME,
            bridge=self.ports.url("bridge"),
            carrier=self.ports.url("carrier"),
            bot=mxid("policy"),
            slug=SLUG,
            number=NUMBER,
            voice=mxid(f"line-{SLUG}"),
            desk_room="" if said is None else said.desk_room,
            accounts=self._accounts,
            pids={},
        )

    async def provision(self) -> None:
        """Write the files of the line and of its homeserver, with the first accounts."""
        await put_homeserver(self.layout)
        accounts = await provision(self.layout, self.ports)
        self._accounts = tuple(Account(user=a.user, mxid=mxid(a.user), password=a.password, role=a.role) for a in accounts)

    def write_configuration(self, pack: str, *, database: str | None) -> None:
        """Configure the bridge: this pack after a rehearsal's, all log levels, and its data in that database."""
        own = self.data / "own.yaml"
        own.write_text(pack, encoding="utf-8")
        lines = yaml.safe_load(self.layout.config.read_text(encoding="utf-8"))["lines"]
        lines[0]["packs"] = ["base", "rehearsal", str(own)]
        self.configure(lines=lines, log_level="DEBUG")
        if database is not None:
            url_file = self.data / "secrets" / "database_url"
            url_file.touch(mode=0o600)
            url_file.write_text(database, encoding="utf-8")
            self.configure(database={"url_file": str(url_file)})

    async def start_carrier(self) -> Process | Fork:
        """Start the rehearsal carrier."""
        return await start_module("deploy.rehearsal", "--config", str(self.layout.carrier), log=self.layout.log("carrier"))
