"""From a clone to a live line with programs of others: Kannel, PostgreSQL and Caddy as they are, and the strict client.

Rules of this test: the telephone network behind Kannel is ours (`tests/fakes/message_centre.py`), and so is the authority
of the certificates; of what `init` wrote only ports and the certificate are changed. How long it took is told, and no test.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from tests.conftest import FIGURES
from tests.deploy.init.proxy_rig import Upstream, caddy_site, make_certificates, running_proxy
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.first_answer import HANDSET, Network, answer_a_text
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED
from tests.e2e.stack import ROOT, Stack, run
from tests.e2e.staffed_line import Conversation
from tests.e2e.test_init import ANSWERS
from tests.e2e.test_join import PATH_SECRET
from tests.fakes.kannel import LOGIN, NUMBER
from tests.fakes.kannel_program import kannel_program
from tests.fakes.message_centre import MessageCentre
from tests.fakes.postgres_server import PostgresServer, running_postgres
from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms

pytestmark = pytest.mark.long

PROGRAMS = ("bearerbox", "smsbox", "caddy", "postgres")


class ClonedStack(Stack):
    """A line run by a copy of what is in the repository. With `QUIETLINE_CLEAN_CLONE=1` it makes its own environment."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, forks=False)
        self.root = directory / "clone"
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.root / name)
        self.own_environment = os.environ.get("QUIETLINE_CLEAN_CLONE") == "1"
        if not self.own_environment:
            (self.root / ".venv").symlink_to(ROOT / ".venv")

    def command(self, *words: str) -> list[str]:
        return [str(self.root / "quietline"), *words]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What stands around a line: the network behind Kannel, PostgreSQL, Caddy's program, certificates, ports."""

    centre: MessageCentre
    postgres: PostgresServer
    caddy: str
    gateway: tuple[str, str]
    directory: Path
    port: int

    @property
    def tls(self) -> Path:
        """Where the authority and the certificate are."""
        return self.directory / "proxy"

    @property
    def authority(self) -> Path:
        """The private authority."""
        return self.tls / "ca.pem"

    @property
    def network(self) -> Network:
        """The handset's."""
        return Network(text_in=lambda words: self.centre.text_in(HANDSET, words, to=NUMBER), arrived=self.centre.texts)

    def answers(self, public_url: str, **changed: Any) -> dict[str, Any]:
        """Return the answers of a line with this gateway, behind this proxy."""
        carrier = {"kind": "kannel", "username": LOGIN[0], "password": LOGIN[1], "path_secret": PATH_SECRET}
        carrier |= {"plain_numbers": "international", "region": "US"}
        line = {"slug": "main", "number": NUMBER}
        return {**ANSWERS, "line": line, "carrier": carrier, "public_url": public_url, "proxy": "caddy", **changed}

    @asynccontextmanager
    async def kannel(self, inbound_base: str, answers: dict[str, Any], stack: Stack) -> AsyncIterator[None]:
        """Run Kannel, and make the line from the answers: each has to know of the other."""
        (place := self.directory / "kannel").mkdir()
        inbound = f"{inbound_base}/carriers/main/inbound/{PATH_SECRET}"
        async with kannel_program(self.gateway, place, centre=self.centre.port, inbound=inbound) as program:
            answers["carrier"]["api_base"] = program.base
            file = self.directory / "answers.yaml"
            file.write_text(yaml.safe_dump(answers))
            file.chmod(0o600)
            code, said = await run(stack.command("init", str(stack.data), "--answers", str(file)), within=600)
            assert code == 0, said
            pack = stack.data / "agency.yaml"
            pack.write_text(f"{pack.read_text()}{yaml.safe_dump({'settings': dict(HURRIED)})}")
            yield

    @asynccontextmanager
    async def proxy(self, *configs: str) -> AsyncIterator[None]:
        """Run Caddy on these, one after another."""
        (file := self.tls / "changed.conf").write_text("\n".join(configs))
        words = [self.caddy, "run", "--adapter", "caddyfile", "--config", str(file)]
        async with running_proxy(words, self.tls, Upstream(), Upstream(), self.port):
            yield


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path, outside_programs: OutsidePrograms) -> AsyncIterator[Site | None]:
    paths = {name: outside_programs.find(name) for name in PROGRAMS}
    with ExitStack() as exit_stack:
        postgres = exit_stack.enter_context(running_postgres(outside_programs)) if all(paths.values()) else None
        if postgres is None:
            yield None
            return
        centre = MessageCentre()
        await centre.start()
        try:
            make_certificates(tmp_path / "proxy")
            yield Site(
                centre=centre,
                postgres=postgres,
                caddy=str(paths["caddy"]),
                gateway=(str(paths["bearerbox"]), str(paths["smsbox"])),
                directory=tmp_path,
                port=free_ports(),
            )
        finally:
            await centre.stop()


async def test_from_a_clone_to_a_text_that_is_answered(
    tmp_path: Path, site: Site | None, strict_client_factory: StrictClientFactory, pytestconfig: pytest.Config
) -> None:
    """`init --answers`, `up`, the hand-out, `trust`, and a text through Kannel is read and answered; the minutes are told.

    The homeserver is on PostgreSQL. When that goes away in the middle, a text is taken in all the same, and is in the room
    once it is back; the doctor names it meanwhile. The module rewrites its tables, as it does every night.
    """
    if site is None:
        return
    started_at = time.monotonic()
    stack = ClonedStack(tmp_path)
    public_url = f"https://127.0.0.1:{site.port}"
    url = site.postgres.make_database("line")
    answers = site.answers(public_url, database={"homeserver_url": url})
    async with site.kannel(public_url, answers, stack):
        written = caddy_site((stack.data / "proxy" / "Caddyfile").read_text(), public_url, site.tls)
        ports = (("127.0.0.1:8448", f"127.0.0.1:{stack.base}"), ("127.0.0.1:8449", f"127.0.0.1:{stack.base + 1}"))
        for old, new in ports:
            written = written.replace(old, new)
        try:
            async with site.proxy(written):
                await stack.start()

                async def goes_on(conversation: Conversation) -> None:
                    minutes = (time.monotonic() - started_at) / 60
                    how = "with an environment of its own" if stack.own_environment else "in an environment that was there"
                    said = f"A LINE WAS LIVE, AND ITS FIRST TEXT ANSWERED, {minutes:.1f} MINUTES AFTER THE CLONE ({how})"
                    pytestconfig.stash[FIGURES].append(said)
                    await outlive_the_database(stack, site, conversation)

                await answer_a_text(
                    stack, stack.ready, strict_client_factory, site.network, authority=site.authority, then=goes_on
                )
        finally:
            await stack.end()


async def outlive_the_database(stack: Stack, site: Site, conversation: Conversation) -> None:
    """Take PostgreSQL away, text, and bring it back."""
    site.postgres.stop()
    site.centre.text_in(HANDSET, "are you there", to=NUMBER)
    await wait_until_told(stack, lambda words: "NOT homeserver database: PostgreSQL does not answer" in words)
    await asyncio.to_thread(site.postgres.start)
    await conversation.wait_for_text("are you there")
    row = "homeserver database: PostgreSQL keeps old segments"  # wal_recycle is on in this one
    await wait_until_told(stack, lambda words: row in words and "NOT homeserver" not in words)
    assert await vacuum(stack, stack.ready.homeserver) == "postgres-full"


async def wait_until_told(stack: Stack, right: Callable[[str], bool]) -> None:
    """Wait until `doctor` prints what is right: on a busy machine a part may not answer within the seconds that it has."""

    async def printed() -> str:
        return (await run(stack.command("doctor", "--data", str(stack.data))))[1]

    async def told() -> bool | None:
        return right(await printed()) or None

    await wait_until("`doctor` says it", told, every=3, seen=printed)


async def vacuum(stack: Stack, homeserver: str) -> str:
    """Have the module vacuum the homeserver's database, as it does every night; return what it says of which database."""
    return await wait_until("the homeserver's database is vacuumed", partial(vacuumed, stack, homeserver), seen=stack.tail)


async def vacuumed(stack: Stack, homeserver: str) -> str | None:
    """Ask once; return which database it was, None while another transaction is open."""
    headers = {"Authorization": f"Bearer {stack.secret('as_token')}"}
    async with (
        aiohttp.ClientSession(homeserver, headers=headers) as http,
        http.post("/_synapse/client/quietline/vacuum") as answer,
    ):
        return str((await answer.json())["database"]) if answer.status == HTTPStatus.OK else None
