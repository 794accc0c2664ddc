"""Probes of the machine: files, disk, the data directory, the port, and the bridge that listens on it.

Rule of this module: it reads and connects, and changes nothing; it shows a file's name and mode, never its content.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from bridge.app.run_history import RunHistory
from bridge.config.load import HEX_KEY
from bridge.runtime.settings import read_secret
from bridge.storage.errors import DatabaseError
from bridge.storage.sqlite_connection import BUSY_MS
from bridge.tables import line_state
from deploy.data_dir import offline
from deploy.data_dir.layout import HOST
from deploy.doctor.probes import NoAnswer, Probe, of_thread
from deploy.inspect import doctor_files, shared_checks
from deploy.inspect.check_report import CheckResult, fault, well
from deploy.stack.readiness import BridgeReady, count_deaths
from deploy.stack.start_conditions import is_port_free

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout

DAY: Final = 86_400.0
READ_ONLY: Final = getattr(os, "ST_RDONLY", 1)
ROLES: Final = frozenset({"leader", "standby", "starting"})
"""The roles that our bridge reports at `/ready`."""
STOPPED: Final = "Start it: `./quietline up`, or the service that runs it; `quietline check` says what would stop it."
FROZEN: Final = "Stop it and start it again; its log is in logs/bridge.log, or where the service's output goes."


def machine_probes(layout: Layout, config: Config, http: aiohttp.ClientSession, *, seconds: float) -> list[Probe]:
    """Return the probes of files, disk, data directory, port and bridge. `seconds`: the limit of each."""
    slow = "Is the disk well? A network file system that hangs is no place for a line."

    def check_files_in_thread() -> Iterator[CheckResult]:
        yield doctor_files.check_modes(layout, config)
        yield doctor_files.check_key_copies(layout, config)
        yield doctor_files.check_logs(layout)

    return [
        Probe(names=("file modes",), ask=of_thread(check_files_in_thread), do=slow),
        Probe(names=("disk",), ask=of_thread(lambda: check_disks(layout, config)), do=slow),
        Probe(names=("data directory",), ask=of_thread(lambda: [check_data_directory(config.data_dir)]), do=slow),
        Probe(names=("vault key",), ask=of_thread(lambda: [check_vault_key(config)]), do=slow),
        Probe(
            names=("restarts",),
            ask=of_thread(lambda: [check_restarts(layout, config, wait_ms=int(seconds * 500))]),
            do=slow,
        ),
        Probe(names=("bridge",), ask=lambda: ask_bridge(layout, config, http, seconds=seconds * 0.8), do=FROZEN),
    ]


def is_embedded(layout: Layout, config: Config) -> bool:
    """Whether the line has its own homeserver, whose files are in its directory.

    Files of a homeserver that the line had before it joined the agency's say nothing about the agency's.
    """
    return not config.homeserver.joined and layout.homeserver.is_dir()


def check_disks(layout: Layout, config: Config) -> Iterator[CheckResult]:
    """Check the disk of the line's directory, and that of its databases if it is another."""
    yield shared_checks.check_disk_space(layout)
    if config.data_dir.is_dir() and config.data_dir.stat().st_dev != layout.data.stat().st_dev:
        free = shutil.disk_usage(config.data_dir).free
        if free < shared_checks.MIN_FREE_BYTES:
            do = "Make room there: on a full disk texts are refused, and the carrier gives up after a while."
            yield fault("disk", f"{free // 1024**2} MiB are free where {config.data_dir} is", do)


def check_data_directory(directory: Path) -> CheckResult:
    """Whether the bridge can write to its databases' directory, and one user owns all files in it."""
    name = "data directory"
    do = f"Give {directory} back to the user that runs the line: chown -R that user, chmod u+rwX, and no read-only mount."
    try:
        own = directory.stat()
    except OSError as error:
        do = "Is data_dir in the configuration right, and is its disk mounted? The first start makes the directory."
        return fault(name, f"{directory}: {error.strerror}", do)
    if os.statvfs(directory).f_flag & READ_ONLY:
        return fault(name, f"{directory} is on a read-only file system", do)
    if not own.st_mode & stat.S_IWUSR or not os.access(directory, os.W_OK | os.X_OK):
        return fault(name, f"{directory} cannot be written", do)
    files = [path for path in directory.iterdir() if path.suffix.startswith(".db")]
    wrong = [path.name for path in files if path.stat().st_uid != own.st_uid or not path.stat().st_mode & stat.S_IWUSR]
    if wrong:
        return fault(name, f"{', '.join(sorted(wrong))} in {directory} cannot be written by the directory's owner", do)
    return well(name, "can be written, and all of it is one user's")


def check_vault_key(config: Config) -> CheckResult:
    """Whether the key exists without which nothing can be opened."""
    name, file = "vault key", config.keys.vault_key_file
    do = f"Put {file} back from where it is kept apart. A new key opens nothing: without it see `quietline restore`."
    try:
        value = read_secret(file)
    except OSError as error:
        return fault(name, f"{file}: {error.strerror}", do)
    except ValueError:
        value = ""
    if not HEX_KEY.fullmatch(value):
        return fault(name, f"{file} does not hold 32 bytes in hex", do)
    return well(name, "is where the configuration says")


def check_restarts(layout: Layout, config: Config, *, wait_ms: int = BUSY_MS) -> CheckResult:
    """Whether a part died within a day: between two deaths the restart hides it."""
    name, since = "restarts", time.time() - DAY
    counts = count_deaths(layout.deaths, since)
    try:
        with offline.read_transaction(config, busy_ms=wait_ms) as db:
            runs = RunHistory.parse(line_state.peek(db, line_state.RUNS))
    except DatabaseError:
        runs = None
    if runs is not None and (deaths := runs.deaths_since(since)) > counts.get("bridge", 0):
        counts["bridge"] = deaths
    if not counts:
        return well(name, "nothing ended by itself within a day")
    what = ", ".join(f"the {part} {count} time{'s' if count > 1 else ''}" for part, count in sorted(counts.items()))
    do = (
        f"See {layout.logs} or the service's journal around it, and whether memory ran out (`dmesg`). "
        "A day after the last time this row is well again."
    )
    return fault(name, f"ended by themselves within a day: {what}", do)


async def ask_bridge(
    layout: Layout, config: Config, http: aiohttp.ClientSession, *, seconds: float
) -> Sequence[CheckResult]:
    """Check what listens on the bridge's port: the bridge, nothing or a stranger. Raises `NoAnswer` when it is frozen."""
    port = config.listen.port
    busy = f"{port} is taken by another program: the line cannot start, or does not get its texts"
    do = (
        "End what listens there, or give listen.port another: with it the proxy, and public_base_url where it has the port."
    )
    stranger = fault("port", busy, do)
    absent = fault("bridge", "does not run: no text is taken", STOPPED)
    try:
        async with asyncio.timeout(seconds):
            role = await _role(http, f"{bridge_url(config)}/ready")
    except aiohttp.ClientConnectorError:
        if is_port_free(config.listen.host, port):
            return [absent, well("port", f"{port} is free for the bridge")]
        return [absent, stranger]
    except TimeoutError:
        if is_alive(layout):
            raise NoAnswer(
                "is there, took the connection and gives no answer: it is frozen, and no text is taken"
            ) from None
        return [absent, stranger]
    except (aiohttp.ClientError, OSError, ValueError):
        role = None
    if role is None:
        return [absent, stranger]
    ours = well("port", f"{port} is the bridge's")
    if role == "starting":
        what = "takes texts, and has not reached its homeserver or its desk since it was started"
        do = "See the rows about the homeserver; a start takes up to half a minute. Its log says what it waits for."
        return [fault("bridge", what, do), ours]
    return [well("bridge", f"runs, as {role}"), ours]


def bridge_url(config: Config) -> str:
    """Return the bridge's URL from this machine, without a slash at the end."""
    host = {"0.0.0.0": HOST, "::": "[::1]"}.get(config.listen.host, config.listen.host)
    return f"http://{host}:{config.listen.port}"


async def is_live(config: Config, http: aiohttp.ClientSession) -> bool:
    """Whether a bridge answers at this line's address."""
    try:
        async with http.get(f"{bridge_url(config)}/live", allow_redirects=False) as answer:
            return answer.status == HTTPStatus.OK
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return False


def is_alive(layout: Layout) -> bool:
    """Whether the process that wrote `bridge.json` still exists."""
    bridge = BridgeReady.read(layout.bridge_file)
    if bridge is None:
        return False
    try:
        os.kill(bridge.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _role(http: aiohttp.ClientSession, url: str) -> str | None:
    """Return the role that our bridge reports; None when another program answers."""
    async with http.get(url, allow_redirects=False) as answer:
        if answer.status not in {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}:
            return None
        content: Any = await answer.json(content_type=None)
    role = content.get("role") if isinstance(content, dict) else None
    return role if role in ROLES else None
