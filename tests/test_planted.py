"""The search for planted words finds what it has to find, so that a search without a hit says something."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from bridge.carriers.adapter import InboundText
from bridge.runtime import log
from bridge.runtime.phone_number import Phone
from tests.e2e.stack import Stack
from tests.fakes.log_watch import watched
from tests.planted import PIECE, PLANTED, Kind, Planted, assert_not_logged

WORDS = "¿estás sola? he reads my phone, and the heron is amber"
NUMBER = "+12065550142"


def planted() -> Planted:
    things = Planted()
    things.add(Kind.TEXT, WORDS, "ok")
    things.add(Kind.NUMBER, NUMBER, "22395")
    things.add(Kind.USER, "@wilhelmina:example.org")
    things.add(Kind.CODEWORD, "Ptarmigan")
    return things


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (WORDS, Kind.TEXT),
        (WORDS.upper(), Kind.TEXT),
        (json.dumps({"body": WORDS}), Kind.TEXT),
        (f"GET /?text={quote(WORDS)}", Kind.TEXT),
        (WORDS.encode("ascii", "backslashreplace").decode(), Kind.TEXT),
        (f"{WORDS[: PIECE + 4]}…", Kind.TEXT),
        (f"…{WORDS[-PIECE - 4 :]}", Kind.TEXT),
        ("from %2B12065550142", Kind.NUMBER),
        ("@wilhelmina:example.org was invited", Kind.USER),
        ("KeyError: 'ptarmigan'", Kind.CODEWORD),
    ],
)
def test_what_was_planted_is_found(line: str, kind: Kind) -> None:
    """Whole, in other letters, escaped as logs and addresses escape, and cut off; the report does not repeat it."""
    hits = planted().find({"bridge.log": f"2026-12-01 01:02:03,004 INFO quietline one.event\n{line}\n"})
    assert set(hits) == {("bridge.log", kind)}
    with pytest.raises(AssertionError, match=f"of kind {kind} in bridge.log") as raised:
        assert_not_logged({"bridge.log": line}, planted())
    assert line not in str(raised.value)


async def test_a_line_that_logged_a_text_fails_its_test_at_its_end(tmp_path: Path) -> None:
    """Whatever the test looked at itself: the end of every line searches all that its processes wrote."""
    line = Stack(tmp_path)
    line.outputs.write_text("2026-12-01 01:02:03,004 INFO quietline one.event count=1")
    (line.data / "logs").mkdir(parents=True)
    await line.end()
    PLANTED.add(Kind.TEXT, "the words of this test about a leak")
    (line.data / "logs" / "bridge.log").write_text("KeyError: 'the words of this test about a leak'")
    with pytest.raises(AssertionError, match=r"of kind text in bridge\.log"):
        await line.end()


def _logged() -> None:
    logging.getLogger("aiohttp.client").debug("sending %s", WORDS)


def _raised() -> None:
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=_caused())


def _failed() -> None:
    log.failure("some.failure", _caused())


def _grouped() -> None:
    log.failure("some.failure", ExceptionGroup("two", [_caused()]))


def _watch(leak: Callable[[], None], *, errors: bool = True) -> None:
    with watched(errors=errors):
        InboundText(message_id="1", sender=Phone(NUMBER), text=WORDS)
        leak()


def _caused() -> Exception:
    error = RuntimeError("nothing is said here")
    error.__cause__ = KeyError(WORDS)
    return error


@pytest.mark.parametrize("leak", [_logged, _raised, _failed, _grouped])
def test_a_leak_of_a_running_test_is_found(leak: Callable[[], None]) -> None:
    """In a record at DEBUG, and in the text of a cause of an exception that is logged by its type alone."""
    with pytest.raises(AssertionError, match="of kind text in"):
        _watch(leak)
    with watched():  # what came in before is not looked for
        leak()
