"""The files of a Synapse with workers: what Synapse, nginx, Caddy, Redis and systemd make of them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web
from yarl import URL

from bridge.matrix.api.http_client import HomeserverClient
from bridge.matrix.api.module_api import (
    NO_WAY_TO_UPLOADS,
    HomeserverUnreachable,
    ModuleClient,
    ModuleNotLoaded,
    ModuleRequestRejected,
)
from deploy.data_dir.layout import HOST, Layout, Ports
from deploy.data_dir.secret_files import StaffAccount
from deploy.init.worker_files import (
    REPLICATION_SECRET,
    SHARED,
    UNIT,
    WorkerPorts,
    caddy_router,
    nginx_router,
    worker_files,
)
from deploy.init.worker_routes import ROUTES, Duty, Worker, workers_of
from deploy.stack import provision
from tests.deploy.homeserver_api import RunningHomeserver
from tests.deploy.init.answers import joined, run_init
from tests.deploy.module_homeserver import MODULE_PATH, POLICY, SECRET, ModuleHomeserver, with_people
from tests.e2e.polling import wait_until
from tests.fakes.postgres_server import PostgresServer, running_postgres
from tests.fakes.served import answering, served
from tests.fakes.worker_homeserver import (
    WorkerHomeserver,
    another_router,
    free_worker_ports,
    nginx_whole,
    provision_on,
    worker_homeserver,
)
from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms

FOLDER = Path("/etc/matrix-synapse")
NEW_BACKUP = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {"public_key": "x", "signatures": {}}}
ROUTER = "http://127.0.0.1:8009"


def test_init_writes_them_from_one_answer(tmp_path: Path) -> None:
    """A file for each worker, one that all read, two routers, a unit; the secret is in one file, mode 0600."""
    result = run_init(tmp_path, joined(homeserver={"url": ROUTER, "workers": 5}))
    assert (result.exit_code, result.stderr) == (0, "")
    folder = tmp_path / "line" / "synapse"
    names = {f"{worker.name}.yaml" for worker in workers_of(5)}
    assert names | {"quietline-workers.yaml", "log.yaml", "redis.conf", "replication_secret"} < {
        path.name for path in (folder / "workers").iterdir()
    }
    assert stat.S_IMODE((folder / REPLICATION_SECRET).stat().st_mode) == 0o600
    secret = (folder / REPLICATION_SECRET).read_text().strip()
    assert [path for path in folder.rglob("*") if path.is_file() and secret in path.read_text()] == [
        folder / REPLICATION_SECRET
    ]
    for name in ("workers.nginx", "workers.caddy"):
        assert "127.0.0.1:8009" in (folder / name).read_text()
    assert "matrix-synapse-worker@NAME" in (tmp_path / "line" / "CHECKLIST.md").read_text()


def test_one_more_keeps_the_uploads_where_it_is_asked_for(tmp_path: Path) -> None:
    """With the answer `media_worker`, beside those of `workers` and never without them."""
    result = run_init(tmp_path, joined(homeserver={"url": ROUTER, "media_worker": True}))
    assert (result.exit_code, "say how many" in result.stderr) == (2, True)
    result = run_init(tmp_path, joined(homeserver={"url": ROUTER, "workers": 1, "media_worker": True}))
    assert (result.exit_code, result.stderr) == (0, "")
    folder = tmp_path / "line" / "synapse"
    assert sorted(path.name for path in (folder / "workers").glob("*1.yaml")) == ["media1.yaml", "sync1.yaml"]
    for name in ("workers.nginx", "workers.caddy"):
        assert f"{MODULE_PATH}/media" in (folder / name).read_text()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8008", "http://127.0.0.1:8081", "https://matrix.agency.org"])
def test_the_router_has_a_place_of_its_own(tmp_path: Path, url: str) -> None:
    """The bridge asks the router: not a process of Synapse, nor a homeserver elsewhere."""
    result = run_init(tmp_path, joined(homeserver={"url": url, "workers": 2}))
    assert result.exit_code == 2
    assert "workers: url must be http://127.0.0.1:PORT" in result.stderr
    assert not (tmp_path / "line").exists()


@pytest.mark.parametrize(("count", "media"), [(1, False), (2, True), (3, False), (4, False), (5, False), (16, True)])
def test_whoever_is_named_is_there(count: int, media: bool) -> None:
    """Each writer and each worker in the background is in the map of instances, on a port that it listens at."""
    ports = WorkerPorts(router=8009)
    files = worker_files(count, ports, FOLDER, media=media)
    shared = yaml.safe_load(files[SHARED])
    listening = {"main": {each["port"] for each in shared["listeners"]}}
    for worker in workers_of(count, media=media):
        own = yaml.safe_load(files[f"workers/{worker.name}.yaml"])
        assert own["worker_name"] == worker.name
        listening[worker.name] = {each["port"] for each in own["worker_listeners"]}
        assert all(each["bind_addresses"] == [HOST] for each in own["worker_listeners"])
    places = shared["instance_map"]
    assert {name: place["port"] in listening[name] for name, place in places.items()} == dict.fromkeys(listening, True)
    numbers = list(itertools.chain.from_iterable(listening.values()))
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= ports.used_ports
    (background,) = shared["pusher_instances"]
    named = {*shared["stream_writers"].values(), background, shared["run_background_tasks_on"]}
    assert ("media_instance_running_background_jobs" in shared, shared.get("enable_media_repo")) == (
        (True, False) if media else (False, None)
    )
    named |= {shared["media_instance_running_background_jobs"]} if media else set()
    assert named <= places.keys()


@contextlib.asynccontextmanager
async def _processes(ports: WorkerPorts, workers: tuple[Worker, ...]) -> AsyncIterator[list[tuple[str, str]]]:
    """Have a server in place of each process; yields which of them was asked for what."""
    requests: list[tuple[str, str]] = []
    async with contextlib.AsyncExitStack() as stack:
        for name, port in [("main", ports.main), *((worker.name, ports.first + n) for n, worker in enumerate(workers))]:

            async def answer(request: web.Request, name: str = name) -> web.Response:
                requests.append((name, request.raw_path))
                return web.Response()

            await stack.enter_async_context(served(answering(answer), port=port))
        yield requests


@pytest.mark.parametrize("router", ["caddy", "nginx"])
async def test_each_request_reaches_a_worker_of_its_duty(
    tmp_path: Path, outside_programs: OutsidePrograms, router: str
) -> None:
    """The real proxy, with the file as written: by the table, and all else, most of the module, to the main process."""
    program = outside_programs.find(router)
    if program is None:
        return
    workers = workers_of(6, media=True)
    ports = replace(free_worker_ports(free_ports()), redis=1)
    file = tmp_path / "router"
    words = ["run", "--adapter", "caddyfile", "--config", str(file)] if router == "caddy" else ["-p", str(tmp_path), "-c"]
    words = words if router == "caddy" else [*words, str(file)]
    written = caddy_router(workers, ports) if router == "caddy" else nginx_whole(nginx_router(workers, ports), tmp_path)
    file.write_text(written)
    environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(tmp_path)}
    with (tmp_path / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(program, *words, stdout=output, stderr=output, env=environment)
    base = f"http://{HOST}:{ports.router}"
    try:
        async with _processes(ports, workers) as requests, aiohttp.ClientSession() as http:

            async def ask(path: str, token: str = "t") -> str:
                async with http.get(base + path, headers={"Authorization": f"Bearer {token}"}) as answer:
                    assert answer.status == 200, path
                return requests.pop()[0]

            async def is_up() -> bool:
                assert process.returncode is None, (tmp_path / "output").read_text()
                with contextlib.suppress(aiohttp.ClientError):
                    return bool(await ask("/"))
                return False

            await wait_until("the router answers", is_up, every=0.05)
            duties = {worker.name: worker.duties for worker in workers} | {"main": ()}
            wrong = [route.pattern for route in ROUTES if route.duty not in duties[await ask(route.sample[1])]]
            assert wrong == []
            for path in (f"{MODULE_PATH}/health", f"{MODULE_PATH}/mediation", "/_matrix/client/v3/logout", "/x"):
                assert await ask(path) == "main"
            at = {token: await ask("/_matrix/client/v3/sync", token) for token in map(str, range(64))}
            assert set(at.values()) == {worker.name for worker in workers if Duty.SYNC in worker.duties}
            assert all([await ask("/_matrix/client/v3/sync?since=s", token) == name for token, name in at.items()])
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    assert "/_matrix" not in (tmp_path / "output").read_text(), "nothing is logged of who asks for what"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze` finds nothing to say about it but that Synapse is not on this machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    unit = tmp_path / Path(UNIT).name
    written = worker_files(2, WorkerPorts(router=8009), FOLDER)[UNIT]
    unit.write_text(re.sub(r"/opt/venvs/matrix-synapse/bin/python", "/bin/true", written).replace("Requires=", "After="))
    process = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    said = [line for line in process.stderr.splitlines() if unit.name in line]
    assert said == []


@pytest.mark.timeout(600)
async def test_a_real_synapse_with_workers(tmp_path: Path, outside_programs: OutsidePrograms) -> None:
    """By these files, behind nginx and Caddy: a worker knows each route that leads to it, and the module does all it does.

    A worker keeps the uploads, on a disk of its own.
    """
    uploads = tmp_path / "uploads"
    with running_postgres(outside_programs) as postgres:
        if postgres is None:
            return
        layout, ports = Layout(tmp_path / "line"), Ports(free_ports())
        await provision_on(layout, ports, postgres)
        async with AsyncExitStack() as stack:
            running = await stack.enter_async_context(
                worker_homeserver(layout, ports, outside_programs, 2, router="nginx", uploads=uploads)
            )
            if running is None:
                return
            http = await stack.enter_async_context(aiohttp.ClientSession())
            line = await with_people(RunningHomeserver(layout, ports, provision.first_accounts(layout), http))
            await _routes_are_known(line, running)
            database = f"homeserver{ports.homeserver}"
            await _module_works(line, running, postgres, database, "dan")
            other = await stack.enter_async_context(another_router(running, outside_programs, "caddy"))
            if other is not None:
                await _module_works(await _behind(other, line), running, postgres, database, "dee")
            await _uploads_are_asked_of_their_worker(line, running, uploads)


async def _behind(port: int, line: ModuleHomeserver) -> ModuleHomeserver:
    """Return the line as it is reached by another router; whoever was signed out is signed in there."""
    here = line.server
    server = RunningHomeserver(here.layout, Ports(port), here.accounts, here.http)
    wire = HomeserverClient(session=server.http, url=server.url, token=line.as_token, user_id=POLICY)
    tokens = line.tokens | {
        account.user: await server.sign_in(account) for account in server.accounts if account.user == "sol"
    }
    return replace(line, server=server, module_client=ModuleClient(client=wire), tokens=tokens)


async def _routes_are_known(line: ModuleHomeserver, running: WorkerHomeserver) -> None:
    headers = {"Authorization": f"Bearer {line.tokens['ada']}"}

    async def is_known(worker: Worker, method: str, path: str) -> bool:
        path = path.replace("!r", line.desk).replace("$e", "$" + "e" * 43).replace("@u", provision.mxid("ada"))
        url, body = running.url_of(worker.name) + path, None if method == "GET" else {"typing": False}
        async with line.server.http.request(method, url, json=body, headers=headers) as answer:
            return "M_UNRECOGNIZED" not in await answer.text()

    for worker in running.workers:
        own = [route for route in ROUTES if route.duty in worker.duties]
        assert own
        assert [route.pattern for route in own if not await is_known(worker, *route.sample)] == []
        for path in ("/_matrix/client/v3/logout", "/_matrix/client/v3/account/password", f"{MODULE_PATH}/health"):
            assert not await is_known(worker, "POST", path), "the question tells nothing"


async def _module_works(
    line: ModuleHomeserver, running: WorkerHomeserver, postgres: PostgresServer, database: str, new: str
) -> None:
    """See it work as the line reaches it. `new`: a name that nobody has had there."""
    module, newcomer = line.module_client, provision.mxid(new)
    assert list((await module.health()).problems) == []
    with pytest.raises(ModuleNotLoaded):  # it does not see who sends events
        await module.wait_for_change(0)
    # Where a request comes in its rules hold: no clear text, and no keys of our rooms in anybody's backup.
    assert (await line.send("ada", line.desk, "m.room.message", {"msgtype": "m.text", "body": "clear"}))[0] == 403
    status, body = await line.request_as("ada", "POST", "room_keys/version", NEW_BACKUP)
    assert status == 200
    key = {"first_message_index": 0, "forwarded_count": 0, "is_verified": True, "session_data": {"ciphertext": "k"}}
    for room in (line.desk, "!theirs"):
        path = f"room_keys/keys/{room}/s?version={body['version']}"
        assert (await line.request_as("ada", "PUT", path, key))[0] == 200
    query = f"SELECT room_id FROM e2e_room_keys WHERE version = {int(body['version'])}"  # noqa: S608 - Synapse's own count
    assert postgres.execute(database, query) == [("!theirs",)]
    # What the main process does, others hear of.
    await module.make_account(newcomer, "the first password")
    token = await line.server.sign_in(StaffAccount(user=new, role="advocate", password="the first password"))
    assert await _whoami(line, token) == 200
    await module.deactivate_account(newcomer)
    await _hears_that_it_is_over(line, token)
    room = await line.room("thread", "ada")
    said = await line.said("ada", room)
    path = f"rooms/{room}/redact/{said}/t"
    assert (await line.request_as("ada", "PUT", path, {}))[0] == 200
    assert await module.censor(room) == 0
    query = f"SELECT json FROM event_json WHERE event_id = '{said}'"  # noqa: S608 - the test's own ids
    assert SECRET not in postgres.execute(database, query)[0][0]
    address = (await line.upload(POLICY, b"sealed"))[1]["content_uri"]
    await module.delete_media(address)
    assert await module.is_media_deleted(address)
    await line.purged(room)
    query = f"SELECT COUNT(*) FROM events WHERE room_id = '{room}'"  # noqa: S608 - the same
    assert postgres.execute(database, query) == [(0,)]
    assert await _whoami(line, line.tokens["sol"]) == 200
    assert (await module.sign_out(provision.mxid("sol"))).devices == 1
    await _hears_that_it_is_over(line, line.tokens["sol"])
    # PostgreSQL takes no NUL; nginx refuses such a path itself, so the main process is asked past the router.
    nul = URL(f"{running.url_of('main')}{MODULE_PATH}/users/%00/devices", encoded=True)
    async with line.server.http.delete(nul, headers={"Authorization": f"Bearer {line.as_token}"}) as answer:
        assert (answer.status, (await answer.json())["errcode"]) == (403, "QUIETLINE_NOT_OURS")
    assert all(process.returncode is None for process in running.processes.values())


async def _whoami(line: ModuleHomeserver, token: str) -> int:
    return (await line.server.ask("GET", "/_matrix/client/v3/account/whoami", token))[0]


async def _hears_that_it_is_over(line: ModuleHomeserver, token: str) -> None:
    """Wait until the worker that has answered this token hears, by way of Redis, that the main process has ended it."""

    async def refused() -> bool:
        return await _whoami(line, token) == 401

    await wait_until("the worker has heard of it", refused, every=0.05)


async def _uploads_are_asked_of_their_worker(line: ModuleHomeserver, running: WorkerHomeserver, uploads: Path) -> None:
    """See that it finds and deletes what lies on its disk, for the line of a token, and answers nothing else of ours."""
    module = line.module_client

    def kept(data: bytes) -> list[Path]:
        return [path for path in uploads.rglob("*") if path.is_file() and path.read_bytes() == data]

    address, theirs = [(await line.upload(user, user.encode()))[1]["content_uri"] for user in (POLICY, "bea")]
    (own,) = kept(POLICY.encode())
    assert not await module.is_media_deleted(address)
    with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_OURS"):
        await module.delete_media(theirs)
    await module.delete_media(address)
    assert await module.is_media_deleted(address)
    assert (kept(POLICY.encode()), len(kept(b"bea"))) == ([], 1)
    # A file whose row has gone: only who has the disk can see it.
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(b"left")
    assert not await module.is_media_deleted(address)
    place = f"{MODULE_PATH}/media/{address.removeprefix('mxc://')}"
    headers = {"Authorization": f"Bearer {line.as_token}"}
    for name, path, token, expected in (
        ("main", place, headers, (503, "QUIETLINE_MEDIA_ELSEWHERE")),
        ("media1", place, {"Authorization": "Bearer wrong"}, (401, "M_UNKNOWN_TOKEN")),
        ("media1", f"{MODULE_PATH}/health", headers, (404, "M_UNRECOGNIZED")),
        ("media1", f"{MODULE_PATH}/media/health", headers, (404, "M_UNRECOGNIZED")),
        ("sync1", place, headers, (404, "M_UNRECOGNIZED")),
    ):
        async with line.server.http.get(running.url_of(name) + path, headers=token) as answer:
            assert (answer.status, (await answer.json())["errcode"]) == expected, (name, path)
    running.processes["media1"].terminate()
    await running.processes["media1"].wait()
    assert list((await module.health()).problems) == [NO_WAY_TO_UPLOADS]
    with pytest.raises(HomeserverUnreachable):
        await module.is_media_deleted(address)
