"""The bridge as a process: configuration, the lock of its data directory, signals, exit codes.

Rule of this module: it makes no part of the line, and no text of an error leaves the process. SIGTERM and SIGINT are no
errors; any other end of `Bridge.run` is logged by its type and place. For a fault that a restart cannot mend, such as one
in the configuration, the person on call is called, and the process prints one sentence and exits with 2, so that it is not
restarted again and again. When a second bridge was refused, that person is told once, and not called to the desk.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from enum import Enum, unique
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import aiohttp

from bridge.app.bridge import Bridge, HandoverRequested
from bridge.app.line_files import RESTORE, CannotStart, CannotStartYet
from bridge.app.standby import wait_for_lead
from bridge.config.load import ConfigError, line_directory, load, read_call_settings
from bridge.config.packs import load_packs
from bridge.config.sections import Config, OnCall
from bridge.engine.timers import SystemClockCorrected
from bridge.inbound.listener import raise_file_limit
from bridge.matrix.api.http_client import IdentityInUse, IdentityTakenOver
from bridge.outbound import pager
from bridge.runtime import log
from bridge.runtime.crash_points import CrashHook, never_crash
from bridge.runtime.program import own_version
from bridge.runtime.service_notifier import ServiceNotifier, ServiceState
from bridge.runtime.settings import split_listen_address
from bridge.storage.errors import Corrupt
from policies import ProblemsError
from policies.pack import Pack

T = TypeVar("T")

NOWHERE: Final[Mapping[str, str | None]] = {}
LATE: Final = (
    "cryptography.hazmat.primitives.asymmetric.padding",
    "cryptography.hazmat.primitives.padding",
    "cryptography.hazmat.primitives.serialization",
)
"""Modules that carriers import at their first use (`bridge/carriers/http_request.py`). The process imports them at its
start: an upgrade may replace the files while it runs, and no text may fail, or wait, because of an import. For the same
reason it reads its own version then."""
EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE = 0, 1, 2
SWITCH_INTERVAL = 0.0002
"""Python's thread switch interval, in seconds."""
REPLACED = (
    "replaced by another bridge: the homeserver has a device of this identity that was not made here, and ours is deleted. "
    "Two bridges on one line would delete each other's for ever. Stop the other, and start this one with --take-over"
)

IN_USE = (
    "in use by another bridge: this data directory is new (is its disk mounted?), or its account cannot be read, and the "
    "homeserver has keys of this identity that are not made here, or another device, used within fifteen minutes or at a "
    "time that it does not tell. Nothing changed there; for a drill use another homeserver. If the other bridge is gone "
    "for good, or the line was restored from a backup, start this one with --take-over: it signs the other's devices out, "
    "and with a new vault key staff see a new identity"
)


def main(
    path: Path, *, crash: CrashHook = never_crash, take_over: bool = False, listen: Mapping[str, str | None] = NOWHERE
) -> int:
    """Run until SIGTERM or SIGINT. Return 0 then, 1 after a failure, 2 when a restart cannot help.

    `take_over`: see `Resources`. `listen`: HOST:PORT of `listen` and of `metrics`, in place of the configuration's.
    """
    os.umask(0o077)
    for name in LATE:
        import_module(name)
    own_version()
    try:
        config = load(path)
        pack = load_packs(config, file=path)
    except ProblemsError as error:
        return _report_problems(list(dict.fromkeys([*error.problems, *call_about_configuration(path)])))
    try:
        config = _listening_at(config, listen)
    except ConfigError as error:
        return _report_problems(error.problems)
    log.configure(config.log_level)
    raise_file_limit()
    run_directory = line_directory(path, config.data_dir) / "run"
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        opened = (config.data_dir / "lock").open("a+")  # NFS gives a shared lock to a reader, and the other to a writer
    except OSError:  # a volume that is not mounted (yet)
        sys.stderr.write(f"{config.data_dir}: cannot be written to; is its disk mounted?\n")
        return EXIT_PROBLEMS
    with opened as lock:
        # With PostgreSQL a lease says which bridge leads, and a standby uses the same directory.
        kind = fcntl.LOCK_EX if config.database is None else fcntl.LOCK_SH
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if config.database is not None:  # the command ends soon, and the next start finds the directory free
                sys.stderr.write(f"{config.data_dir}: a command works on this directory\n")
                return EXIT_PROBLEMS
            return _report_problems([f"{config.data_dir}: another bridge runs on this directory, or a command works on it"])
        except OSError as error:
            sys.stderr.write(f"{config.data_dir}: cannot be locked ({error.strerror}); it needs a file system with locks\n")
            return EXIT_PROBLEMS
        try:
            end_reason = None
            while end_reason is not _EndReason.STOPPED:
                handed_over = end_reason is _EndReason.HANDED_OVER
                end_reason = asyncio.run(
                    _run_until_stopped(config, pack, crash, run_directory, take_over=take_over, handed_over=handed_over)
                )
                take_over = False
        except CannotStart as error:
            return _refuse(error.problems, config.line.on_call, config.data_dir)
        except CannotStartYet as error:
            sys.stderr.write(f"{error}\n")
            return EXIT_PROBLEMS
        except BaseExceptionGroup as group:
            leaves = _leaf_errors(group)
            if final := _final_problems(leaves):
                if any(isinstance(leaf, IdentityInUse) for leaf in leaves):
                    return _refuse_second(final, config)
                return _refuse(final, config.line.on_call, config.data_dir)
            for leaf in leaves:
                log.failure("bridge.failed", leaf)
            return EXIT_PROBLEMS
        except Exception as error:  # noqa: BLE001 - the last handler: the text of an error must not reach the log
            log.failure("bridge.failed", error)
            return EXIT_PROBLEMS
    return EXIT_OK


@unique
class _EndReason(Enum):
    """Why a run ended: it was stopped, handed over, or must restart to use the machine's clock."""

    STOPPED = "stopped"
    HANDED_OVER = "handed over"
    CLOCK_SET_RIGHT = "clock set right"


class _StopRequested(Exception):  # noqa: N818 - not an error: a person told us to stop
    """Raised in the task group to end it."""


async def _run_until_stopped(
    config: Config, pack: Pack, crash: CrashHook, run_directory: Path, *, take_over: bool, handed_over: bool
) -> _EndReason:
    """Run; return why it ended."""
    # A thread that returns from the disk waits only so long for the interpreter, not Python's default of 5 ms.
    sys.setswitchinterval(SWITCH_INTERVAL)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    end_reason = _EndReason.STOPPED
    async with AsyncExitStack() as stack:
        lead = front = None
        if (server := config.database_url) is not None:
            led = await _result_or_stop(
                wait_for_lead(config, server, stack=stack, end=_end_at_once, handed_over=handed_over, any_keys=take_over),
                stop,
            )
            if led is None:
                log.event("bridge.stopping")
                return end_reason
            lead, front = led
        bridge = await Bridge.open(
            config=config,
            pack=pack,
            crash=crash,
            stack=stack,
            run_directory=run_directory,
            take_over=take_over,
            lead=lead,
            front=front,
        )
        # The objects made so far stay. A garbage collection of all of them would delay texts by tens of milliseconds.
        gc.collect()
        gc.freeze()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(bridge.run())
                group.create_task(_raise_when_stopped(stop))
        except* _StopRequested:
            log.event("bridge.stopping")
        except* HandoverRequested:
            log.event("bridge.handed_over")
            end_reason = _EndReason.HANDED_OVER
        except* SystemClockCorrected:
            log.event("bridge.clock_corrected")
            end_reason = _EndReason.CLOCK_SET_RIGHT
    gc.unfreeze()
    return end_reason


async def _result_or_stop(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """Return the result of the work; None when the stop came first."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def _end_at_once(why: str) -> NoReturn:
    """End this process, which leads no longer: it closes and writes nothing, because it must have no effect any more."""
    sys.stderr.write(f"this bridge does not lead its line any more: {why}. It ends at once; started again it waits.\n")
    sys.stderr.flush()
    os._exit(EXIT_PROBLEMS)


def _listening_at(config: Config, listen: Mapping[str, str | None]) -> Config:
    """Return the configuration with other listen addresses, for a second bridge on one machine. Raises `ConfigError`."""
    changes: dict[str, object] = {}
    try:
        if address := listen.get("listen"):
            host, port = split_listen_address(address)
            changes["listen"] = config.listen.model_copy(update={"host": host, "port": port})
        if (address := listen.get("metrics")) and config.metrics is not None:
            split_listen_address(address)
            changes["metrics"] = config.metrics.model_copy(update={"listen": address})
    except ValueError as error:
        raise ConfigError([f"--listen, --metrics-listen: {error}"]) from None
    return config.model_copy(update=changes)


async def _raise_when_stopped(stop: asyncio.Event) -> None:
    await stop.wait()
    ServiceNotifier.of().tell(ServiceState.STOPPING)
    raise _StopRequested


def call_about_configuration(path: Path) -> list[str]:
    """Call the person on call about a refused configuration or its packs, once an hour. Return why nobody can be called.

    While SQLite's bridge runs on the directory, or a command works there, nobody is called: the line is not dead, or a
    person is at work on it. Of bridges that share it each calls: none of the others would call once it is needed.
    """
    try:
        settings = read_call_settings(path)
    except ConfigError as error:
        return error.problems
    if settings.on_call is not None and settings.on_call.is_configured and not _is_locked(settings.data_dir / "lock"):
        log.configure("INFO")
        _call_once_an_hour(settings.on_call, settings.data_dir)
    return []


def _is_locked(file: Path) -> bool:
    """Whether another process has a data directory for itself. A pipe in the place of the lock is not waited for."""
    try:
        number = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(number)
    return False


def _refuse(problems: list[str], on_call: OnCall | None, data_dir: Path) -> int:
    """Report faults that a restart cannot mend, and call the person on call."""
    code = _report_problems(problems)
    _call_once_an_hour(on_call, data_dir)
    return code


def _call_once_an_hour(on_call: OnCall | None, data_dir: Path) -> None:
    """Call, unless a way has accepted a call within the hour."""
    if pager.may_call_again(data_dir, time.time()):
        asyncio.run(_call(on_call, data_dir))


def _refuse_second(problems: list[str], config: Config) -> int:
    """Refuse a second bridge; the first still runs.

    It calls once from its directory, in other words, because the line may have been cloned; a rehearsal line calls nobody.
    It counts as the call of that hour, so that no other call to the desk follows.
    """
    code = _report_problems(problems)
    pager.may_call_again(config.data_dir, time.time())  # notes the time
    if config.line.rehearsal:
        pager.note_accepted_call(config.data_dir)
    else:
        asyncio.run(_call(config.line.on_call, config.data_dir, second=True))
    return code


async def _call(on_call: OnCall | None, data_dir: Path, *, second: bool = False) -> None:
    async with aiohttp.ClientSession() as http:
        if second:
            await pager.call_as_second(on_call, http, data_dir=data_dir)
        elif not await pager.call(on_call, http):
            return
    pager.note_accepted_call(data_dir)


def _report_problems(problems: list[str]) -> int:
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return EXIT_USAGE


def _final_problems(leaves: list[BaseException]) -> list[str]:
    """Return the faults that a restart cannot mend; empty when there are none."""
    problems: list[str] = []
    for leaf in leaves:
        match leaf:
            case CannotStart(problems=start_problems):
                problems += start_problems
            case Corrupt():
                problems.append(f"the line's database is damaged and cannot be relied on any more. {RESTORE}.")
            case IdentityTakenOver(user_id=user_id):
                problems.append(f"{user_id}: {REPLACED}")
            case IdentityInUse(user_id=user_id):
                problems.append(f"{user_id}: {IN_USE}")
    return problems


def _leaf_errors(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaf_errors(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
