"""Questions that are asked at once, each with a time limit, so that one frozen part never delays the rest.

Rules of this module: every check yields its rows, with its answer or saying that there was none. A blocking check runs in a
thread that nothing waits for, neither the report nor the end of the program. An error that no question expected is a row
with the error's type, and none of its words.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from deploy.inspect.check_report import CheckResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

P = ParamSpec("P")
T = TypeVar("T")

LIMIT_SECONDS: Final = 4.0
"""For one question. All are asked at once, so it is also about how long a report takes when something is frozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question. `names`: the rows that say so when it gets no answer; `do`: what to do then.

    `ask` may return rows of other names as well. `may_be_silent`: no answer is no fault, for this machine may see less than
    others do.
    """

    names: tuple[str, ...]
    ask: Callable[[], Awaitable[Sequence[CheckResult]]]
    do: str
    may_be_silent: bool = False


class NoAnswer(Exception):  # noqa: N818 - it says what is so
    """A part could not be reached. `what`: a sentence for the row, without its subject."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class DetachedThreads(ThreadPoolExecutor):
    """A thread for each call, which ends with the program: `asyncio` and the interpreter wait for pools otherwise."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call in a thread of its own."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""


async def in_thread(call: Callable[[], T]) -> T:
    """Run what blocks beside the other questions; one that blocks for ever is left behind."""
    return await asyncio.get_running_loop().run_in_executor(None, call)


def of_thread(call: Callable[[], Iterable[CheckResult]]) -> Callable[[], Awaitable[Sequence[CheckResult]]]:
    """Make a question of a function that blocks and yields rows."""

    async def ask() -> Sequence[CheckResult]:
        return await in_thread(lambda: list(call()))

    return ask


async def ask_all(probes: Sequence[Probe], *, seconds: float) -> list[CheckResult]:
    """Ask everything at once; return all rows, those of a probe together. `seconds`: the limit of each."""
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
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rows are told
        what = f"could not be looked at ({type(error).__name__})"
        return [CheckResult(name=name, ok=False, what=what, do=probe.do) for name in probe.names]
    quiet = probe.may_be_silent
    return [CheckResult(name=name, ok=quiet, asked=not quiet, what=what, do=probe.do) for name in probe.names]
