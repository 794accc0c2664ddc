"""`quietline homeserver`: the line's own homeserver alone, for a container or unit beside the bridge's.

Rules of this module: it prepares the start of Synapse as `up` does, and never runs beside an `up` of the same directory;
when Synapse dies, it is restarted.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bridge.runtime.service_notifier import ServiceNotifier, ServiceState
from deploy.data_dir.layout import HOST
from deploy.data_dir.secret_files import SetupError
from deploy.stack import homeserver_database
from deploy.stack.provision import child_paths, homeserver_child, make_accounts, write_line_files
from deploy.stack.readiness import ReadinessProbe, record_death
from deploy.stack.start_conditions import (
    exclusive_lock,
    require_free_ports,
    require_own_homeserver,
    run_unless_stopped,
    stop_signals,
)
from deploy.stack.supervisor import Supervisor, kill_stale_processes
from deploy.stack.up import POLL_SECONDS, StatusOutput

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout, Ports

NAME = "homeserver"


async def run_homeserver_alone(
    layout: Layout, ports: Ports, output: StatusOutput, *, take_over: bool = False, listen: str = HOST
) -> int:
    """Start it, run until SIGTERM, SIGINT or SIGHUP, stop it. Return the exit code.

    `take_over`: as for `up`. `listen`: the address on which it listens; all addresses in a container with its own network.
    Raises :class:`SetupError` with all problems.
    """
    require_own_homeserver(layout)
    if not layout.has_config:
        raise SetupError([f"{layout.config}: is not there; `quietline init` makes a line"])
    with exclusive_lock(layout), stop_signals() as stop:
        if kill_stale_processes([layout.pid(NAME)]):
            raise SetupError([f"{layout.pid(NAME)}: a process of an earlier run holds this and cannot be ended"])
        require_free_ports(ports, [NAME])
        config = write_line_files(layout, ports, listen=listen)
        await homeserver_database.claim_database(config, layout, take_over=take_over)
        if not await run_unless_stopped(stop, make_accounts(layout, ports, output.progress)):
            return 0
        supervisor = Supervisor(
            paths=child_paths(layout),
            on_child_start=lambda _name, _pid: None,
            on_child_death=lambda name: record_death(layout.deaths, name, time.time()),
        )
        supervisor.start([homeserver_child(layout)])
        try:
            await run_unless_stopped(stop, _stay(ports, output, supervisor))
        finally:
            ServiceNotifier.of().tell(ServiceState.STOPPING)
            await supervisor.stop([NAME])
    return 0


async def _stay(ports: Ports, output: StatusOutput, supervisor: Supervisor) -> None:
    """Report when it is ready, and notify systemd's watchdog while it answers. Does not return by itself."""
    notifier, url = ServiceNotifier.of(), ports.url(NAME)
    output.progress("starting: waiting for the homeserver")
    async with ReadinessProbe() as probe:
        while not await probe.homeserver(url):
            if supervisor.refused.done():
                raise SetupError([f"the {NAME} refuses to start:", supervisor.refused.result().text])
            await asyncio.sleep(POLL_SECONDS)
        output.message(f"The homeserver is ready: {url}")
        notifier.tell(ServiceState.READY)
        while True:
            if notifier.listens and await probe.homeserver(url):
                notifier.tell(ServiceState.ALIVE)
            await asyncio.sleep(notifier.interval)
