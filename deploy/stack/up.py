"""`quietline up`: the whole line on one machine.

Rules of this module: `ready.json` exists only while all parts answer that they are ready, and always contains the processes
that run now; a second `up` on a directory only reports that the first one runs; however this process ends, none of its
children keeps running.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.runtime.service_notifier import ServiceNotifier, ServiceState
from deploy.data_dir.atomic_files import unfinished_files, write_atomically
from deploy.data_dir.layout import CHILDREN, REAL_LINE_CHILDREN
from deploy.data_dir.secret_files import SetupError
from deploy.stack import homeserver_database
from deploy.stack.provision import (
    child_paths,
    children_of,
    homeserver_child,
    make_accounts,
    mxid,
    open_secrets,
    write_line_files,
)
from deploy.stack.readiness import BridgeReady, ReadinessProbe, record_death
from deploy.stack.start_conditions import (
    exclusive_lock,
    require_free_ports,
    require_own_homeserver,
    run_unless_stopped,
    stop_signals,
)
from deploy.stack.supervisor import Child, Supervisor, kill_stale_processes, usable_cores, with_own_core
from deploy.stack.synapse_config import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout, Ports

CANARY: Final = "canary"
"""The child of a line with a `canary` section (`deploy/canary`). No other part waits for it."""
STOP_ORDER: Final = (CANARY, "bridge", "carrier", "homeserver")
"""The order of stopping: the bridge before the parts that it still calls at its end (design.md, "Contracts with the
outside")."""

POLL_SECONDS: Final = 0.1
REMINDER_SECONDS: Final = 15.0
REWRITE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOutput:
    """The output of `up`: `progress` while it starts (a sentence without a full stop), `message` for permanent lines.

    Neither raises when the output is closed (:mod:`deploy.cli.terminal`).
    """

    progress: Callable[[str], None]
    message: Callable[[str], None]


def children(layout: Layout, *, take_over: bool = False) -> tuple[Child, ...]:
    """Describe the children. Only a rehearsal has the carrier, only a line with a `canary` section the canary.

    Their `stop_seconds` add up to less than 30 s.

    Rule: design.md, "Contracts with the outside".
    """
    return (
        homeserver_child(layout),
        Child(
            name="bridge",
            command=("deploy", "bridge", "--config", str(layout.config)),
            # Not for a restart of later: by then another bridge may have taken over rightly, or keys.db be a copy.
            until_ready=("--take-over",) if take_over else (),
            stop_seconds=14.0,
            refusal=2,
        ),
        Child(
            name="carrier",
            command=("deploy.rehearsal", "--config", str(layout.carrier)),
            stop_seconds=5.0,
            refusal=2,
        ),
        Child(
            name=CANARY,
            command=("deploy", "canary", "--config", str(layout.config)),
            stop_seconds=1.5,
            refusal=2,
            optional=True,
        ),
    )


async def up(
    layout: Layout,
    ports: Ports,
    output: StatusOutput,
    *,
    run: Sequence[Child] | None = None,
    take_over: bool = False,
) -> int:
    """Start everything, run until SIGTERM, SIGINT or SIGHUP, stop everything. Return the exit code.

    `run`: replacements for :func:`children`, with the same names. `take_over`: an option for the bridge. Raises
    :class:`SetupError` with all problems.
    """
    require_own_homeserver(layout)
    with exclusive_lock(layout), stop_signals() as stop:
        for stale in (layout.ready, *unfinished_files(layout.ready), layout.bridge_file, layout.canary_file):
            stale.unlink(missing_ok=True)  # an incomplete one may contain passwords
        if stale_names := kill_stale_processes([layout.pid(name) for name in (*CHILDREN, CANARY)]):
            raise SetupError(
                [f"{layout.run / name}: a process of an earlier run holds this and cannot be ended" for name in stale_names]
            )
        names = children_of(layout)
        require_free_ports(ports, names)
        config = write_line_files(layout, ports)
        await homeserver_database.claim_database(config, layout, take_over=take_over)
        if not await run_unless_stopped(stop, make_accounts(layout, ports, output.progress)):
            return 0
        stack = LocalStack(layout=layout, ports=ports, config=config)
        supervisor = Supervisor(
            paths=child_paths(layout),
            on_child_start=stack.on_child_start,
            on_child_death=lambda name: record_death(layout.deaths, name, time.time()),
        )
        started = children(layout, take_over=take_over) if run is None else run
        if config.homeserver.own_core:
            started = with_own_core(started, usable_cores())
        child_names = (*names, CANARY) if config.canary is not None else names
        supervisor.start(child for child in started if child.name in child_names)
        try:
            return await _run_until_stopped(stack, supervisor, stop, output)
        finally:
            try:
                ServiceNotifier.of().tell(ServiceState.STOPPING)
                stack.mark_stopping()
                output.progress("stopping")
            finally:
                await supervisor.stop(STOP_ORDER)


class LocalStack:
    """The running line as `ready.json` describes it."""

    def __init__(self, *, layout: Layout, ports: Ports, config: Config) -> None:
        self._layout = layout
        self._ports = ports
        self._config = config
        self._rehearsal = config.line.rehearsal
        self._accounts = open_secrets(layout).read_accounts() if self._rehearsal else ()
        self._pids: dict[str, int | None] = {} if self._rehearsal else {"carrier": None}
        self.names = CHILDREN if self._rehearsal else REAL_LINE_CHILDREN
        self._bridge: BridgeReady | None = None
        self._written = False
        self._stopping = False

    def on_child_start(self, name: str, pid: int) -> None:
        """Note that a child was started or restarted."""
        self._pids[name] = pid
        self._written = False
        self.write()

    def ready(self, bridge: BridgeReady) -> None:
        """Note that all parts answered as ready."""
        self._bridge = bridge
        self.write()

    def mark_stopping(self) -> None:
        """Note that the line stops: from now on there is no `ready.json`, even when a child is restarted."""
        self._stopping = True
        self._layout.ready.unlink(missing_ok=True)

    def write(self) -> None:
        """Write `ready.json` when the line is ready and the file is missing or outdated.

        On a full disk there is no file, rather than one with a dead process; the caller calls again later.
        """
        if self._bridge is None or self._written or self._stopping:
            return
        try:
            write_atomically(self._layout.ready, json.dumps(self._ready_json(self._bridge), indent=2) + "\n")
            self._written = True
        except OSError:
            self._layout.ready.unlink(missing_ok=True)

    async def bridge_lives(self, probe: ReadinessProbe) -> bool:
        """Whether the bridge answers at all."""
        return await probe.bridge_lives(self._ports.url("bridge"))

    async def ask_all(self, probe: ReadinessProbe) -> dict[str, object]:
        """Ask all children at once; return a true value by name for each that is ready."""
        asking = {"homeserver": probe.homeserver, "bridge": probe.bridge, "carrier": probe.carrier}
        answers = await asyncio.gather(*(asking[name](self._ports.url(name)) for name in self.names))
        return dict(zip(self.names, answers, strict=True))

    def reminder(self, waiting: Sequence[str], deaths: Mapping[str, int]) -> str:
        """Return who is waited for, how often each has ended, and which file says why: a bridge may wait for a person."""
        ends = [f"the {name} ended {deaths[name]} times" for name in waiting if deaths[name]]
        logs = " and ".join(str(self._layout.log(name)) for name in waiting)
        return f"Still waiting for {', '.join(waiting)}{': ' if ends else ''}{', '.join(ends)}. See {logs}."

    def read_bridge_file(self) -> BridgeReady | None:
        """Read `bridge.json` of the present bridge; None while there is none, or only an earlier bridge's."""
        bridge = BridgeReady.read(self._layout.bridge_file)
        return bridge if bridge is not None and bridge.pid == self._pids.get("bridge") else None

    def summary(self) -> list[str]:
        """Return the lines for the operator at the end of the start, without a secret."""
        if not self._rehearsal:
            return [
                "Quietline is ready.",
                f"  Carrier:                 {self._config.line.carrier.kind}; `quietline carrier check` tries it",
                f"  For any Matrix client:   {Site.of(self._config).client_url(self._ports)}",
                f"  First passwords are in:  {self._first_passwords()}",
                "  Then: `quietline trust` says who signed in, and confirms the first supervisor.",
                "  To stop: Ctrl-C, or SIGTERM to this process.",
            ]
        who = ", ".join(f"{account.user} ({account.role})" for account in self._accounts)
        return [
            "Quietline is ready.",
            f"  Handsets, in a browser:  {self._ports.url('carrier')}/",
            f"  For any Matrix client:   {self._ports.url('homeserver')}",
            f"  Accounts:                {who}",
            f"  Their passwords are in:  {self._layout.ready}",
            "  To stop: Ctrl-C, or SIGTERM to this process.",
        ]

    def _first_passwords(self) -> Path:
        accounts = open_secrets(self._layout).accounts
        return accounts if accounts.is_file() else self._layout.handout

    def _ready_json(self, bridge: BridgeReady) -> dict[str, Any]:
        """Return the content of `ready.json`; the shape is in design.md, "Contracts with the outside"."""
        phone_line = self._config.line
        return {
            "homeserver": self._ports.url("homeserver"),
            "server_name": self._config.homeserver.server_name,
            "bridge": self._ports.url("bridge"),
            "carrier": self._ports.url("carrier") if self._rehearsal else None,
            "bot": bridge.bot,
            "line": {
                "slug": phone_line.slug,
                "number": phone_line.number,
                "voice": bridge.voice,
                "desk_room": bridge.desk_room,
            },
            "accounts": [
                {
                    "user": account.user,
                    "mxid": mxid(account.user, self._config.homeserver.server_name),
                    "password": account.password,
                    "role": account.role,
                }
                for account in self._accounts
            ],
            "pids": {"up": os.getpid(), **self._pids},
        }


async def _run_until_stopped(stack: LocalStack, supervisor: Supervisor, stop: asyncio.Event, output: StatusOutput) -> int:
    """Wait until ready, report it, wait for `stop`. Raises :class:`SetupError` when a child refuses to run."""
    stopped = asyncio.ensure_future(stop.wait())
    starting = asyncio.ensure_future(_report_start(stack, supervisor, output))
    try:
        await asyncio.wait((stopped, starting, supervisor.refused), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        if supervisor.refused.done():
            refusal = supervisor.refused.result()
            raise SetupError([f"the {refusal.name} refuses to start:", refusal.text])
        return 0
    finally:
        for task in (stopped, starting):
            task.cancel()
        await asyncio.gather(stopped, starting, return_exceptions=True)


async def _report_start(stack: LocalStack, supervisor: Supervisor, output: StatusOutput) -> None:
    """Report the progress of the start until all are ready, then keep `ready.json` current. Does not return by itself."""
    await _wait_until_ready(stack, supervisor, output)
    supervisor.were_ready = True
    for sentence in stack.summary():
        output.message(sentence)
    notifier = ServiceNotifier.of()
    notifier.tell(ServiceState.READY)
    async with asyncio.TaskGroup() as group, ReadinessProbe() as probe:
        group.create_task(_notify_watchdog(stack, notifier, probe))
        while True:
            await asyncio.sleep(REWRITE_SECONDS)
            stack.write()


async def _notify_watchdog(stack: LocalStack, notifier: ServiceNotifier, probe: ReadinessProbe) -> None:
    """Notify systemd's watchdog while the bridge answers: when it hangs, systemd restarts the whole line."""
    while notifier.listens:
        if await stack.bridge_lives(probe):
            notifier.tell(ServiceState.ALIVE)
        await asyncio.sleep(notifier.interval)


async def _wait_until_ready(stack: LocalStack, supervisor: Supervisor, output: StatusOutput) -> None:
    loop = asyncio.get_running_loop()
    shown: list[str] = []
    remind = loop.time() + REMINDER_SECONDS
    async with ReadinessProbe() as probe:
        while True:
            answers = await stack.ask_all(probe)
            waiting = [name for name in stack.names if not answers[name]]
            bridge = stack.read_bridge_file()
            if bridge is None and "bridge" not in waiting:
                waiting.append("bridge")
            if not waiting and bridge is not None:
                stack.ready(bridge)
                return
            if waiting != shown:
                shown = waiting
                output.progress(f"starting: waiting for {', '.join(waiting)}")
            if loop.time() > remind:
                remind = loop.time() + REMINDER_SECONDS
                output.message(stack.reminder(waiting, supervisor.deaths))
            await asyncio.sleep(POLL_SECONDS)
