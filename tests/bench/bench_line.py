"""The measured line: the product's own processes, unchanged, on a new directory.

Rules of this module: processes that are started here are ended here, by their id; the databases are only read; every wait
has a limit and says what it waited for.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import yaml

from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.olm.vodozemac_olm import OutboundGroupSession
from bridge.matrix.rooms.room_state import create_room_body
from bridge.matrix.sync.sync_loop import ROOM_FILTER
from bridge.runtime.program import ROOT
from bridge.storage.database import Value
from deploy.data_dir.layout import HOST, Layout, Ports
from deploy.data_dir.offline import line_snapshot
from deploy.data_dir.secret_files import Secrets
from deploy.stack import provision, synapse_config
from deploy.stack.readiness import ReadinessProbe
from deploy.stack.supervisor import Child, Supervisor, child_environment, usable_cores, with_own_core
from deploy.stack.up import children
from tests.bench.forwarder import Forwarder
from tests.bench.load_generator import Job
from tests.e2e.polling import wait_until
from tests.fakes import database_file
from tests.free_ports import free_ports
from tests.planted import assert_not_logged

TEXT: Final = "a text of ordinary length, with about as many words in it as people put into one text message"
ROOMS: Final = 50
PLAIN, CARD = "@line-bench", "@line-bench-two"
DEVICE: Final = "QLBENCH000000001"
"""The device of `PLAIN`."""


class BenchLine:
    """A provisioned line with running homeserver and carrier; the bridge is started and stopped."""

    def __init__(self, directory: Path, *, own_core: bool = False) -> None:
        self._own_core = own_core
        self.layout = Layout(directory / "data")
        self.ports = Ports(free_ports())
        self.forwarder = Forwarder(host=HOST, port=self.ports.homeserver)
        self.rooms: list[str] = []
        """Rooms like those of threads, for the ceiling's measurements."""
        self.token = secrets.token_hex(32)
        """The token of the application service whose users measure the ceiling."""
        self.handsets = 0
        """The number of handsets that have texted so far."""
        self.pid = 0
        """The bridge's process id."""
        self.spawned_at = 0.0
        """The last start of the bridge, by `time.perf_counter`."""
        self.http: aiohttp.ClientSession
        self.probe: ReadinessProbe
        self._bridge: Supervisor | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls, directory: Path, *, own_core: bool = False) -> AsyncIterator[BenchLine]:
        """Provision a line, start homeserver and carrier, make the rooms for the ceiling; end everything after the block.

        `own_core`: as in the configuration.
        """
        async with AsyncExitStack() as stack:
            self = cls(directory, own_core=own_core)
            provision.write_line_files(self.layout, self.ports)
            self._configure()
            config = provision.write_line_files(self.layout, self.ports)
            await provision.make_accounts(self.layout, self.ports)
            self.http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
            self.probe = await stack.enter_async_context(ReadinessProbe())
            await stack.enter_async_context(self.forwarder.listening())
            by_forwarder = self.layout.config.read_text(encoding="utf-8").replace(config.homeserver.url, self.forwarder.url)
            self._forwarded.write_text(by_forwarder, encoding="utf-8")
            supervisor = Supervisor(paths=provision.child_paths(self.layout), on_child_start=lambda _name, _pid: None)
            stack.push_async_callback(supervisor.stop, ["carrier", "homeserver"])
            # Not the canary: without its section of the configuration it would end and be restarted again and again.
            started = self._on_cores(children(self.layout))
            supervisor.start(child for child in started if child.name in ("homeserver", "carrier"))
            stack.push_async_callback(self.stop_bridge)
            await wait_until("homeserver and carrier answer", self._others_up, within=120)
            await self._make_rooms()
            yield self
        logs = (path for path in self.layout.logs.rglob("*") if path.is_file())
        assert_not_logged({path.name: path.read_text(encoding="utf-8", errors="replace") for path in logs})

    async def start_bridge(self, *, forwarded: bool = False) -> float:
        """Start the bridge and wait until it is ready; return that time, by `time.perf_counter`.

        `forwarded`: its requests to the homeserver go through the forwarder.
        """
        await self.stop_bridge()
        config = self._forwarded if forwarded else self.layout.config
        child = Child(name="bridge", command=("deploy", "bridge", "--config", str(config)), stop_seconds=14.0, refusal=2)
        self._bridge = Supervisor(paths=provision.child_paths(self.layout), on_child_start=self._on_child_start)
        self.spawned_at = time.perf_counter()
        self._bridge.start(self._on_cores([child]))
        await wait_until(
            "the bridge is ready",
            lambda: self.probe.bridge(self.ports.url("bridge")),
            within=120,
            every=0.02,
            seen=self._last_words,
        )
        return time.perf_counter()

    def _on_cores(self, started: Iterable[Child]) -> tuple[Child, ...]:
        return with_own_core(started, usable_cores()) if self._own_core else tuple(started)

    async def stop_bridge(self) -> None:
        """Stop the bridge, if it runs."""
        if self._bridge is not None:
            await self._bridge.stop(["bridge"])
            self._bridge = None

    async def open_threads(self, count: int) -> None:
        """Open threads until there are `count`, each with its room and its first text in it."""
        missing = count - self.handsets
        if missing <= 0:
            return
        job = self.texts(count=missing, in_flight=8, first=self.handsets, handsets=missing)
        self.handsets = count
        await self.load(job)
        await wait_until(f"{count} threads are open", self.is_idle, within=120 + missing * 3.0, every=1.0)

    async def is_idle(self) -> bool:
        """Whether the bridge has nothing to do: inbox and outbox empty, rooms made, due carrier copies deleted."""
        with line_snapshot(self.layout.bridge, None) as database:
            return not database.fetchval(
                """SELECT (SELECT COUNT(*) FROM inbox) + (SELECT COUNT(*) FROM outbox)
                   + (SELECT COUNT(*) FROM thread WHERE room_id IS NULL)
                   + CASE WHEN (SELECT COUNT(*) FROM warm_room) < 4 THEN 1 ELSE 0 END
                   + (SELECT COUNT(*) FROM carrier_copy c WHERE tries = 0 AND (due <= $1 OR EXISTS (
                       SELECT 1 FROM event e WHERE e.owner = c.owner AND e.ref = c.ref || ':0')))""",
                time.time(),
            )

    async def wait_until_idle(self) -> None:
        """Wait until the bridge has nothing left to do."""
        await wait_until("the bridge has done everything", self.is_idle, within=120, every=0.2)

    def texts(self, *, count: int, in_flight: int, first: int = 0, handsets: int = ROOMS) -> Job:
        """Return the job that texts through signed webhooks."""
        return {
            "kind": "texts",
            "url": f"{self.ports.url('bridge')}/carriers/{provision.SLUG}/inbound",
            "key": self._secrets.read(self._secrets.carrier_signing_key),
            "line": provision.NUMBER,
            "handsets": [handset(n) for n in range(first, first + handsets)],
            "text": TEXT,
            "count": count,
            "in_flight": in_flight,
        }

    def sends(self, *, count: int, in_flight: int, device: str = DEVICE, reader: bool = False) -> Job:
        """Return the job that sends events directly to the homeserver.

        `reader`: while another member of all these rooms syncs without a pause, with the policy bot's filter.
        """
        return {
            **({"reader": {"user": mxid(CARD), "filter": ROOM_FILTER}} if reader else {}),
            "kind": "sends",
            "url": self.ports.url("homeserver"),
            "token": self.token,
            "user": mxid(PLAIN),
            "device": device,
            "rooms": self.rooms,
            "content": encrypted(),
            "count": count,
            "in_flight": in_flight,
        }

    async def load(self, job: Job, *, within: float = 600) -> dict[str, Any]:
        """Run a job in another process, for at most `within` seconds; return its figures."""
        async with load_process(job) as process:
            out, _ = await asyncio.wait_for(process.communicate(), within)
            report: dict[str, Any] = json.loads(out)
        assert not report["refused"], f"{report['refused']} requests of a {job['kind']} job were refused"
        return report

    async def as_user(self, method: str, path: str, body: dict[str, Any], user: str = PLAIN) -> dict[str, Any]:
        """Make a request to the homeserver as an application service's user."""
        url = f"{self.ports.url('homeserver')}/_matrix/client/v3/{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        query = {} if path == "register" else {"user_id": mxid(user)}
        async with self.http.request(method, url, params=query, json=body, headers=headers) as answer:
            content: dict[str, Any] = await answer.json()
            said = f"the homeserver answered {answer.status} to {method} {path.partition('/')[0]}"
            assert answer.status in {200, 201}, said
            return content

    async def looked_up(self) -> bool | None:
        """Whether every text is taken and every new texter looked up; for `wait_until`."""
        waiting = "SELECT (SELECT COUNT(*) FROM inbox) + (SELECT COUNT(*) FROM thread WHERE NOT screened)"
        return not self.ask(self.layout.bridge / "main.db", waiting) or None

    def puppet_sent(self, since: int) -> tuple[int, float]:
        """Return how many messages of the texter puppet were accepted after a stream position, and the time of the last."""
        return self._accepted(since, f"@line-{provision.SLUG}:{synapse_config.SERVER_NAME}")

    def plain_sent(self, since: int) -> tuple[int, float]:
        """Return the same for the ceiling's user."""
        return self._accepted(since, mxid(PLAIN))

    def stream_position(self) -> int:
        """Return the position of the homeserver's stream of events."""
        return int(self.ask(self._homeserver, "SELECT MAX(stream_ordering) FROM events"))

    def memory(self, name: str = "VmRSS") -> float:
        """Return the resident size of the bridge in KiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1])
        raise AssertionError("the bridge does not run")

    def cpu(self) -> float:
        """Return the seconds of CPU of all threads of the bridge, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, database: Path, query: str, *values: Value) -> Any:
        """Read one value from a database, ours or the homeserver's, which other processes have open."""
        return database_file.rows(database, query, *values)[0][0]

    def rows_of_homeserver(self, query: str, *values: Value) -> list[Any]:
        """Read rows from the homeserver's database."""
        return list(database_file.rows(self._homeserver, query, *values))

    @contextmanager
    def other_config(self, **line: object) -> Iterator[None]:
        """Change settings of the line, for bridges that start during the block."""
        files = (self.layout.config, self._forwarded)
        before = [file.read_text(encoding="utf-8") for file in files]
        try:
            for file, text in zip(files, before, strict=True):
                config = yaml.safe_load(text)
                config["lines"][0] |= line
                file.write_text(yaml.safe_dump(config), encoding="utf-8")
            yield
        finally:
            for file, text in zip(files, before, strict=True):
                file.write_text(text, encoding="utf-8")

    def _accepted(self, since: int, sender: str) -> tuple[int, float]:
        where = "FROM events WHERE stream_ordering > ? AND sender = ? AND type = 'm.room.encrypted'"
        count = self.ask(self._homeserver, f"SELECT COUNT(*) {where}", since, sender)
        last = self.ask(self._homeserver, f"SELECT MAX(received_ts) {where}", since, sender)
        return int(count), float(last or 0) / 1000

    def _configure(self) -> None:
        """Configure the ceiling's users at the homeserver, as another line's."""
        other = synapse_config.registration(self._secrets, synapse_config.SERVER_NAME, (PLAIN[1:], CARD[1:]), name="bench")
        registration = self.layout.data / "bench-registration.yaml"
        registration.touch(mode=0o600)
        registration.write_text(yaml.safe_dump({**other, "as_token": self.token, "hs_token": secrets.token_hex(32)}))
        config = yaml.safe_load(self.layout.config.read_text(encoding="utf-8"))
        config["homeserver"]["other_lines"] = [{"registration": str(registration), "policy": mxid(PLAIN)}]
        self.layout.config.write_text(yaml.safe_dump(config), encoding="utf-8")

    @property
    def _forwarded(self) -> Path:
        return self.layout.data / "config-forwarded.yaml"

    @property
    def _homeserver(self) -> Path:
        return self.layout.homeserver / "homeserver.db"

    @property
    def _secrets(self) -> Secrets:
        return provision.open_secrets(self.layout)

    async def _last_words(self) -> str:
        return "".join(self.layout.log("bridge").read_text(encoding="utf-8").splitlines(keepends=True)[-8:])

    def _on_child_start(self, _name: str, pid: int) -> None:
        self.pid = pid

    async def _others_up(self) -> bool:
        url = self.ports.url
        return await self.probe.homeserver(url("homeserver")) and await self.probe.carrier(url("carrier"))

    async def _make_rooms(self) -> None:
        for user in (PLAIN, CARD):
            body = {"type": "m.login.application_service", "username": user[1:], "inhibit_login": True}
            await self.as_user("POST", "register", body)
        await self.as_user("PUT", f"devices/{DEVICE}", {})
        for number in range(ROOMS):
            body = create_room_body("thread", f"room {number}", invite=[mxid(CARD)], supervisors=[])
            room = str((await self.as_user("POST", "createRoom", body))["room_id"])
            await self.as_user("POST", f"join/{quote(room, safe='')}", {}, CARD)
            self.rooms.append(room)


@asynccontextmanager
async def load_process(job: Job) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the load generator on a job during the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "tests.bench.load_generator"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=child_environment(),
        cwd=ROOT,
        limit=1 << 24,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(job).encode() + b"\n")
        await process.stdin.drain()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def handset(number: int) -> str:
    """Return an invented number."""
    return f"+1206{5_550_000 + number}"


def encrypted() -> dict[str, Any]:
    """Return the content of an encrypted event with the size of a text."""
    session = OutboundGroupSession()
    content = {"msgtype": "m.text", "body": f"{TEXT} 1000", "m.mentions": {}}
    room = "!" + "x" * 43  # as long as a room id of version 12
    payload = json.dumps({"type": "m.room.message", "room_id": room, "content": content}, separators=(",", ":"))
    return {
        "algorithm": MEGOLM,
        "ciphertext": session.encrypt(payload),
        "session_id": session.id,
        "sender_key": "k" * 43,
        "device_id": "QLVOICE00000000",
    }


def mxid(localpart: str) -> str:
    """Return a user's Matrix id."""
    return f"{localpart}:{synapse_config.SERVER_NAME}"
