"""Everything that is logged in this process, by whomever and at any level, and the search for planted words in it.

Rules of this module: it sees more than the product prints. Third parties are seen with their messages, and exceptions with
their texts and those of their causes, which `bridge/runtime/log.py` drops: no exception may hold a person's words or number
in the first place. What a test gives to the bridge is planted by the values in which it comes in.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

from bot.model.events import MemberNamed, MessageSent, TextArrived
from bridge.carriers.adapter import InboundText
from bridge.matrix.api.events import DecryptedMessage
from bridge.runtime import log
from bridge.runtime.phone_number import Phone
from tests.planted import Kind, Planted, assert_not_logged

INCOMING: Final[dict[type, Callable[[Planted, Any], None]]] = {
    Phone: lambda planted, phone: planted.add(Kind.NUMBER, phone.reveal()),
    InboundText: lambda planted, text: planted.add(Kind.TEXT, text.text),
    TextArrived: lambda planted, text: planted.add(Kind.TEXT, text.body),
    MessageSent: lambda planted, message: planted.add(Kind.TEXT, message.body),
    MemberNamed: lambda planted, member: planted.add(Kind.TEXT, member.name),
    DecryptedMessage: lambda planted, message: _add_content(planted, message.content),
}
FOREIGN: Final = ("aiohttp.access", "nio", "peewee", "hypothesis")
"""Loggers of programs that only tests use; and the access log, which vendors' fakes have and the product does not."""


class LogWatch(logging.Handler):
    """Keeps each different record once, with the texts of its exception and of that one's causes."""

    def __init__(self, *, errors: bool) -> None:
        super().__init__(logging.DEBUG)
        self._errors = errors
        self.lines: dict[str, dict[str, None]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        if record.name.startswith(FOREIGN):
            return
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = f"{record.msg} {record.args}"
        self.keep(record.name, text)
        if record.exc_info and record.exc_info[1] is not None:
            self.keep_error(record.name, record.exc_info[1])

    def keep(self, place: str, text: str) -> None:
        """Keep a text."""
        self.lines.setdefault(place, {})[text] = None

    def keep_error(self, place: str, error: BaseException | None) -> None:
        """Keep the texts of an exception, and of all that it was raised from, or that it holds."""
        ids = set[int]()
        rest = [error] if self._errors else []
        while rest:
            if (one := rest.pop()) is not None and id(one) not in ids:
                ids.add(id(one))
                self.keep(place, f"{type(one).__name__}: {one}")
                rest += [one.__cause__, one.__context__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]


@contextlib.contextmanager
def watched(*, errors: bool = True) -> Iterator[LogWatch]:
    """Watch everything that is logged during the block, and check then that nothing is in it that came in meanwhile.

    `errors`: also in the texts of exceptions.
    """
    watch, planted, root = LogWatch(errors=errors), Planted(), logging.getLogger()
    level = root.level
    with contextlib.ExitStack() as undo:
        for kind, plant in INCOMING.items():
            original: Callable[..., None] = vars(kind)["__init__"]
            undo.callback(setattr, kind, "__init__", original)
            setattr(kind, "__init__", _planting(original, plant, planted))  # noqa: B010 - the type has no such attribute
        undo.callback(setattr, log, "failure", log.failure)
        log.failure = _keeping(log.failure, watch)
        undo.callback(root.setLevel, level)
        root.setLevel(logging.DEBUG)
        undo.callback(root.removeHandler, watch)
        root.addHandler(watch)
        yield watch
    if watch.lines:
        assert_not_logged({name: "\n".join(lines) for name, lines in watch.lines.items()}, planted)


def _add_content(planted: Planted, content: object) -> None:
    if type(content) is dict:  # a test may have a mapping that fails when it is read
        planted.add_content(content)


def _planting(
    original: Callable[..., None], plant: Callable[[Planted, Any], None], planted: Planted
) -> Callable[..., None]:
    def init(self: object, *arguments: Any, **fields: Any) -> None:
        original(self, *arguments, **fields)
        plant(planted, self)

    return init


def _keeping(original: Callable[..., None], watch: LogWatch) -> Callable[..., None]:
    def failure(name: str, error: BaseException, /, **fields: str | float) -> None:
        watch.keep_error(name, error)
        original(name, error, **fields)

    return failure
