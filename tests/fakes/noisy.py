"""A process that reports errors in every way that Python and its libraries have: `python -m tests.fakes.noisy CASE LEVEL`.

Rule of this module: every report contains SECRET; the product's log is configured first.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Final

from bridge.runtime import log

SECRET: Final = "sesame 4711 words nobody may log"
THIRD_PARTIES: Final = ("mau", "mau.client", "aiohttp.access", "aiohttp.server", "asyncio", "aiosqlite", "nio", "", "py.x")


class Told(Exception):  # noqa: N818 - what a library raises with a body in it
    """An exception with content."""


def records() -> None:
    for name in THIRD_PARTIES:
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            logging.getLogger(name).log(level, "body: %s", SECRET)
            logging.getLogger(name).log(level, SECRET, stack_info=True, extra={"more": SECRET})


def refusals() -> None:
    for _ in range(1000):
        log.event("webhook.unsigned")
    for _ in range(2):
        log.event("webhook.duplicate")


def exceptions() -> None:
    try:
        uncaught()
    except Told as error:
        logging.getLogger("mau").exception(SECRET)
        log.failure("noisy.failed", error)


def bad_format() -> None:
    logging.getLogger("mau").warning("%d items", SECRET)


def warned() -> None:
    warnings.warn(SECRET, RuntimeWarning, stacklevel=1)


def unawaited() -> None:
    async def forgotten() -> None:
        """Is never awaited."""

    forgotten.__qualname__ = SECRET
    lost: object = forgotten()
    del lost
    gc.collect()


def task() -> None:
    async def fails() -> None:
        raise Told(SECRET)

    async def main() -> None:
        lost = asyncio.create_task(fails(), name=SECRET)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del lost
        gc.collect()

    asyncio.run(main(), debug=True)


def callback() -> None:
    def fails() -> None:
        raise Told(SECRET)

    async def main() -> None:
        asyncio.get_running_loop().call_soon(fails)
        asyncio.get_running_loop().call_exception_handler({"message": SECRET, "exception": Told(SECRET), "more": SECRET})
        await asyncio.sleep(0.01)

    asyncio.run(main())


def thread() -> None:
    def fails() -> None:
        raise Told(SECRET)

    running = threading.Thread(target=fails, name=SECRET)
    running.start()
    running.join()


def destructor() -> None:
    class Thing:
        def __del__(self) -> None:
            raise Told(SECRET)

    Thing()
    gc.collect()


def uncaught() -> None:
    raise Told(SECRET)


def fault() -> None:
    words = SECRET
    faulthandler.dump_traceback()
    assert words


def unknown_field() -> None:
    try:
        log.event("noisy.event", body=SECRET)
    except ValueError as error:
        sys.stderr.write(f"refused {error}\n")


CASES: Final[dict[str, Callable[[], None]]] = {
    case.__name__: case
    for case in (
        records,
        refusals,
        exceptions,
        bad_format,
        warned,
        unawaited,
        task,
        callback,
        thread,
        destructor,
        uncaught,
        fault,
        unknown_field,
    )
}


if __name__ == "__main__":
    log.configure(sys.argv[2])
    CASES[sys.argv[1]]()
