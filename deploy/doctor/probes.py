"""Probes that run at the same time, each with a time limit, so that one frozen part never delays the rest.

Rules of this module: every probe yields its rows, with the answer or without one. A blocking probe runs in a thread that
nothing waits for, neither the report nor the program's exit. An unexpected error is a row with the error's type, without
its text.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from deploy.inspect.check_report import CheckResult, fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

P = ParamSpec("P")
T = TypeVar("T")

LIMIT_SECONDS: Final = 4.0
"""The limit of one probe. All run at the same time, so a report takes about as long when a part is frozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe. `names`: the rows that report a missing answer; `do`: the remedy then.

    `ask` may return rows with other names as well. `may_be_silent`: no answer is no fault, because this machine may reach
    less than others.
    """

    names: tuple[str, ...]
    ask: Callable[[], Awaitable[Sequence[CheckResult]]]
    do: str
    may_be_silent: bool = False


class NoAnswer(Exception):  # noqa: N818 - the name says what happened
    """A part could not be reached. `what`: a sentence for the row, without its subject."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class DetachedThreads(ThreadPoolExecutor):
    """A daemon thread for each call: `asyncio` and the interpreter would wait for the threads of a usual pool."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call in its own thread."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - reading the future's result raises it
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""


async def in_thread(call: Callable[[], T]) -> T:
    """Run a blocking call beside the other probes; one that blocks for ever is abandoned."""
    return await asyncio.get_running_loop().run_in_executor(None, call)


def of_thread(call: Callable[[], Iterable[CheckResult]]) -> Callable[[], Awaitable[Sequence[CheckResult]]]:
    """Return the `ask` of a probe from a blocking function that yields rows."""

    async def ask() -> Sequence[CheckResult]:
        return await in_thread(lambda: list(call()))

    return ask


async def ask_all(probes: Sequence[Probe], *, seconds: float) -> list[CheckResult]:
    """Run all probes at once; return all rows, those of a probe together. `seconds`: the limit of each probe."""
    asyncio.get_running_loop().set_default_executor(DetachedThreads())
    results: list[Any] = await asyncio.gather(*(_ask(probe, seconds) for probe in probes))
    return [row for rows in results for row in rows]


async def _ask(probe: Probe, seconds: float) -> Sequence[CheckResult]:
    try:
        async with asyncio.timeout(seconds):
            return await probe.ask()
    except TimeoutError:
        what = f"gave no answer within {seconds:g} seconds"
    except NoAnswer as error:
        what = error.what
    except Exception as error:  # noqa: BLE001 - after any error the other rows are reported
        return [fault(name, f"could not be looked at ({type(error).__name__})", probe.do) for name in probe.names]
    quiet = probe.may_be_silent
    return [CheckResult(name=name, ok=quiet, asked=not quiet, what=what, do=probe.do) for name in probe.names]
