"""A real Synapse with workers: main process, workers, Redis, PostgreSQL, and Caddy or nginx, configured by our files.

Rule of this module: it runs the files that `init` writes, with free ports of this machine; every process is ended by its
id.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from bridge.runtime.program import ROOT
from deploy.data_dir.layout import HOST, Layout, Ports
from deploy.init.worker_files import (
    REDIS,
    SHARED,
    WORKER,
    WorkerPorts,
    caddy_router,
    nginx_router,
    worker_files,
)
from deploy.init.worker_routes import Worker, workers_of
from deploy.stack import provision
from deploy.stack.supervisor import child_environment
from deploy.stack.synapse_config import MODULE
from tests.e2e.polling import wait_until
from tests.fakes.postgres_server import PostgresServer
from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms

START_SECONDS: Final = 240.0
STOP_SECONDS: Final = 20.0


@dataclass(slots=True, kw_only=True)
class WorkerHomeserver:
    """The running processes. `url_of`: a process's own address, without the router; the main process is called `main`."""

    workers: tuple[Worker, ...]
    ports: WorkerPorts
    log: Path
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def url_of(self, name: str) -> str:
        """Return the URL at which a process serves clients."""
        if name == "main":
            return f"http://{HOST}:{self.ports.main}"
        return f"http://{HOST}:{self.ports.first + [worker.name for worker in self.workers].index(name)}"


def free_worker_ports(router: int) -> WorkerPorts:
    """Return ports that were free a moment ago, in consecutive groups where needed."""
    return WorkerPorts(
        router=router,
        main=free_ports(1),
        main_replication=free_ports(1),
        first=free_ports(8),
        first_replication=free_ports(8),
        redis=free_ports(1),
    )


@contextlib.asynccontextmanager
async def worker_homeserver(
    layout: Layout,
    ports: Ports,
    programs: OutsidePrograms,
    count: int,
    *,
    router: str = "caddy",
    settings: Mapping[str, Any] | None = None,
    uploads: Path | None = None,
) -> AsyncIterator[WorkerHomeserver | None]:
    """Run a provisioned homeserver on PostgreSQL with workers, at its port; None if a program is missing.

    With no workers it is one process behind the same router. `settings`: for every process, before the workers' own.
    `uploads`: one more worker stores the uploads in this folder, as if on its own disk.
    """
    paths = {name: programs.find(name) for name in (router, "redis-server")}
    if not all(paths.values()):
        yield None
        return
    folder = layout.homeserver / f"with-{count}"
    (folder / "workers").mkdir(parents=True, mode=0o700)
    media = uploads is not None
    where, workers = free_worker_ports(ports.homeserver), workers_of(count, media=media) if count else ()
    configs = [layout.homeserver_config, folder / "own.yaml"]
    own: dict[str, Any] = dict(settings or {})
    if count:
        for name, text in worker_files(count, where, folder, media=media).items():
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o600)
        configs.append(folder / SHARED)
    else:
        listener = yaml.safe_load(layout.homeserver_config.read_text())["listeners"][0]
        own["listeners"] = [{**listener, "port": where.main}]
    if uploads is not None:
        with (folder / "workers" / "media1.yaml").open("a", encoding="utf-8") as file:
            file.write(f"media_store_path: {uploads}\n")
    (folder / "own.yaml").write_text(yaml.safe_dump(own))
    homeserver = WorkerHomeserver(workers=workers, ports=where, log=folder / "log")
    try:
        if count:
            await _start(homeserver, "redis", [str(paths["redis-server"]), str(folder / REDIS), "--dir", str(folder)])
        await _start(homeserver, "main", _synapse(MODULE, configs))
        await _answers(homeserver, f"{homeserver.url_of('main')}/health", "main")
        for worker in workers:
            await _start(homeserver, worker.name, _synapse(WORKER, [*configs, folder / "workers" / f"{worker.name}.yaml"]))
        for worker in workers:
            await _answers(homeserver, f"{homeserver.url_of(worker.name)}/health", worker.name)
        await _start_router(homeserver, router, str(paths[router]), where, folder)
        yield homeserver
    finally:
        for process in reversed(homeserver.processes.values()):
            await _stop(process)


@contextlib.asynccontextmanager
async def another_router(homeserver: WorkerHomeserver, programs: OutsidePrograms, router: str) -> AsyncIterator[int | None]:
    """Run another router in front of the same processes; yield its port, or None if its program is missing."""
    if (program := programs.find(router)) is None:
        yield None
        return
    (folder := homeserver.log.parent / router).mkdir(mode=0o700)
    ports = replace(homeserver.ports, router=free_ports(1))
    await _start_router(homeserver, router, str(program), ports, folder)
    yield ports.router


async def provision_on(layout: Layout, ports: Ports, server: PostgresServer) -> None:
    """Make everything that a rehearsal line needs to run, with its homeserver's data in PostgreSQL."""
    provision.write_line_files(layout, ports)
    config = yaml.safe_load(layout.config.read_text())
    file = layout.secrets / "homeserver_database"
    file.write_text(server.make_database(f"homeserver{ports.homeserver}") + "\n")
    file.chmod(0o600)
    config["homeserver"]["database_url_file"] = str(file)
    layout.config.write_text(yaml.safe_dump(config))
    provision.write_line_files(layout, ports)
    await provision.make_accounts(layout, ports)


def nginx_whole(text: str, folder: Path) -> str:
    """Wrap a file for sites-enabled into a whole configuration of nginx."""
    places = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"pid {folder}/pid;\nerror_log stderr notice;\ndaemon off;\nevents {{}}\nhttp {{\n{places}\n{text}}}\n"


async def _start_router(homeserver: WorkerHomeserver, router: str, program: str, ports: WorkerPorts, folder: Path) -> None:
    (folder / "router").write_text(_router_file(router, homeserver.workers, ports, folder))
    words = ["run", "--adapter", "caddyfile", "--config"] if router == "caddy" else ["-p", str(folder), "-c"]
    await _start(homeserver, router, [program, *words, str(folder / "router")])
    await _answers(homeserver, f"http://{HOST}:{ports.router}/_matrix/client/versions", router)


def _router_file(router: str, workers: Sequence[Worker], ports: WorkerPorts, folder: Path) -> str:
    if router == "caddy":
        return caddy_router(workers, ports)
    return nginx_whole(nginx_router(workers, ports), folder)


def _synapse(module: str, configs: Sequence[Path]) -> list[str]:
    return [sys.executable, "-P", "-m", module, *(word for path in configs for word in ("--config-path", str(path)))]


async def _start(homeserver: WorkerHomeserver, name: str, command: Sequence[str]) -> None:
    with homeserver.log.open("ab") as log:
        homeserver.processes[name] = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=child_environment() | {"HOME": str(homeserver.log.parent), "PATH": "/usr/sbin:/usr/bin:/bin"},
        )


async def _answers(homeserver: WorkerHomeserver, url: str, name: str) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:

        async def is_up() -> bool:
            assert homeserver.processes[name].returncode is None, homeserver.log.read_text()[-3000:]
            try:
                async with http.get(url) as answer:
                    return answer.status == 200
            except (aiohttp.ClientError, TimeoutError):
                return False

        await wait_until(f"{name} answers", is_up, within=START_SECONDS, every=0.1)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
