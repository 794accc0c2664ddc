"""The search for planted words finds what it has to find, so that a search without a hit says something."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.stack import Stack
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
