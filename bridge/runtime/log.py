"""The only way to log, and the limits of what is logged.

Rules of this module: a log line is an event name and allow-listed fields with opaque values; no function takes free text
from outside. One filter takes all third-party loggers, drops their messages and keeps logger, level and the types of
exceptions, because mautrix logs bodies at DEBUG and ERROR and aiohttp logs tokens (facts-matrix.md, "Logs"). The same holds
for Python's warnings and for exceptions that nothing catches, also in threads and destructors.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from typing import Final

FIELDS: Final = frozenset(
    {
        "count",
        "seconds",
        "status",
        "kind",
        "lane",
        "point",
        "attempt",
        "short_id",
        "port",
        "error",
        "where",
        "rooms",
        "jump",
    }
)
"""Fields that a log line may have: numbers, enum names, exception type names, random short ids."""

LOGGER_NAME: Final = "quietline"

HOURLY_EVENTS: Final = frozenset(
    {
        "listener.full",
        "listener.many_from_one_address",
        "webhook.malformed",
        "webhook.too_large",
        "webhook.undecodable",
        "webhook.unsigned",
    }
)
HOURLY_LOGGERS: Final = ("asyncio", "aiohttp.server", "aiohttp.web")
"""What a stranger can cause as often as they like is in the log once an hour, so that it cannot push out the rest."""
HOUR: Final = 3600.0


def event(name: str, /, level: int = logging.INFO, **fields: str | float) -> None:
    """Log one event by its fixed name. An unknown field is a bug and raises `ValueError`."""
    if unknown := fields.keys() - FIELDS:
        raise ValueError(f"not allowed in a log line: {', '.join(sorted(unknown))}")
    logger = logging.getLogger(LOGGER_NAME)
    if logger.isEnabledFor(level):
        line = " ".join([name, *(f"{key}={value}" for key, value in fields.items())])
        logger.log(level, "%s", line.encode("ascii", "backslashreplace").decode())  # a damaged row's kind may be any text


def failure(name: str, error: BaseException, /, **fields: str | float) -> None:
    """Log that something raised: the exception's type and where, never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "?"
    event(name, level=logging.ERROR, error=type(error).__name__, where=where, **fields)


class _Filter(logging.Filter):
    """Reduce a third party's record to its logger, level and exception type, and drop what was said within the hour."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == LOGGER_NAME:
            name = record.getMessage().partition(" ")[0]
            return name not in HOURLY_EVENTS or self._is_due(record, name)
        if record.levelno < logging.WARNING:
            return False
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        record.msg, record.args, record.exc_info, record.exc_text, record.stack_info = (
            f"(withheld) {kind}",
            (),
            None,
            None,
            None,
        )
        return record.name not in HOURLY_LOGGERS or self._is_due(record, kind)

    def _is_due(self, record: logging.LogRecord, kind: str) -> bool:
        key, now = (record.name, record.levelno, kind), time.monotonic()
        if now - self._said.get(key, -HOUR) < HOUR:
            return False
        self._said[key] = now
        return True


def configure(level: str) -> None:
    """Send our events to standard error. Called once by the process that owns the log."""
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    out.addFilter(_Filter())
    root = logging.getLogger()
    root.handlers[:] = [out]
    root.setLevel(level)
    logging.getLogger("aiohttp.access").disabled = True
    logging.captureWarnings(True)
    sys.excepthook = lambda _kind, error, _trace: failure("log.uncaught", error)
    threading.excepthook = lambda unhandled: _log_uncaught(unhandled.exc_value)
    sys.unraisablehook = lambda unhandled: _log_uncaught(unhandled.exc_value)


def _log_uncaught(error: BaseException | None) -> None:
    if error is not None:
        failure("log.uncaught", error)
