"""`./quietline test --long` exits with 1 when a part did too little or found a fault."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from tests.e2e.kill_scenario import Result, Story
from tests.fakes.database_engine import SQLITE_ONLY
from tests.fakes.takeovers import CUT_OFF, HOW, NOT_TAKEN, Takeovers
from tests.fakes.two_bridges import TwoBridges
from tests.long import __main__ as long
from tests.long import fuzz, kills, postgresql, takeovers
from tests.long.__main__ import TAKEOVER_SECONDS, _seconds
from tests.long.failed_run_directory import failed_run_directory


def run(monkeypatch: pytest.MonkeyPatch, part: str, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["long", part, *words])
    return long.main()


def counted(texts: int) -> Result:
    return Result(texts=texts, answers=Counter({"delivered": 9}))


@pytest.mark.parametrize(("texts", "code"), [(1, 1), (9_499, 1), (9_500, 0), (10_000, 0)])
def test_few_of_the_texts_are_wrong(monkeypatch: pytest.MonkeyPatch, texts: int, code: int) -> None:
    """One text without loss proves nothing about 10,000: at least 95 % of them must arrive, also with answers."""

    async def play(load: object) -> tuple[Story, Result]:
        assert load
        return Story(conversations=[]), counted(texts)

    async def answered(*_load: object, number: int) -> tuple[Story, Result, Takeovers]:
        assert number
        record = Takeovers(line=cast("TwoBridges", None))
        record.seconds = {how: [1.0] for how in HOW}
        record.under_way[NOT_TAKEN] = 0
        record.under_way["delivered"] = 3
        return Story(conversations=[]), counted(texts), record

    monkeypatch.setattr(kills, "run", play)
    monkeypatch.setattr(takeovers, "run_answers", answered)
    assert run(monkeypatch, "kills") == code
    assert run(monkeypatch, "answers") == code


@pytest.mark.parametrize(("requests", "code"), [(1, 1), (949_999, 1), (950_000, 0)])
def test_few_of_the_requests_are_wrong(monkeypatch: pytest.MonkeyPatch, requests: int, code: int) -> None:
    """The same holds for fuzzed webhooks."""

    async def made(_requests: int, *, seconds: float) -> fuzz.Count:
        assert seconds
        return fuzz.Count(requests=requests)

    monkeypatch.setattr(fuzz, "run", made)
    assert run(monkeypatch, "fuzz") == code


def test_what_runs_when_no_part_is_named_ends_within_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is ended after its share, and the shares of the default parts are at most an hour."""
    ran: list[str] = []

    async def play(_options: object, *, name: str) -> list[tuple[str, object, bool]]:
        ran.append(name)
        return []

    monkeypatch.setattr(long, "PARTS", {name: partial(play, name=name) for name in long.PARTS})
    monkeypatch.setattr(sys, "argv", ["long"])
    assert long.main() == 0
    assert {"kills", "fuzz", "soak"} <= set(ran)
    assert sum(long.BUDGET[name] for name in ran) <= 60


def test_a_part_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A part that does not end fails after its share, and the next parts run; each figure is one line."""

    async def waits(_options: object) -> list[tuple[str, object, bool]]:
        await asyncio.sleep(10)
        return []

    async def counts(_options: object) -> list[tuple[str, object, bool]]:
        return [("texts", 1, True), ("texts lost", 0, True)]

    monkeypatch.setattr(long, "PARTS", {"soak": waits, "fuzz": counts})
    monkeypatch.setattr(long, "BUDGET", {"soak": 0.001, "fuzz": 1.0})
    assert run(monkeypatch, "soak", "fuzz") == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "soak: ended: not done after 0.001 minutes   <-- wrong"
    assert [line.rpartition(": ")[0] for line in said[1:]] == [
        "soak: minutes",
        "fuzz: texts",
        "fuzz: texts lost",
        "fuzz: minutes",
    ]


@pytest.mark.parametrize("texts", [10, 29, 300, 999, 10_000])
def test_as_many_are_planned_as_were_asked_for(texts: int) -> None:
    """The planned number is exact, also if the number of conversations does not divide it."""
    load = kills.load_for(texts, 12.0)
    assert load.conversations * (load.texts + 1) >= texts


def test_what_is_found_wrong_is_wrong_however_much_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """One lost text of 10,000 makes it exit with 1."""

    async def play(_load: object) -> tuple[Story, Result]:
        return Story(conversations=[]), Result(texts=10_000, lost=1, answers=Counter({"delivered": 9}))

    monkeypatch.setattr(kills, "run", play)
    assert run(monkeypatch, "kills") == 1


@pytest.mark.parametrize(("seconds", "is_well"), [([7.9, TAKEOVER_SECONDS], True), ([7.9, 15.1], False), ([], True)])
def test_a_takeover_that_took_too_long_is_wrong(seconds: list[float], is_well: bool) -> None:
    """One slow takeover fails whatever the others took; a kind without takeovers does not."""
    record = Takeovers(line=cast("TwoBridges", None))
    record.seconds[CUT_OFF] += seconds
    assert [good for _, _, good in _seconds(record)] == [how != CUT_OFF or is_well for how in HOW]


@pytest.mark.parametrize(
    ("reason", "figures"),
    [(SQLITE_ONLY, (1, 0, 0)), (f"{postgresql.KNOWN[0]} others", (0, 1, 0)), ("PostgreSQL is not here", (0, 0, 1))],
)
def test_a_test_that_is_left_out_for_an_unknown_reason_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    reason: str,
    figures: tuple[int, int, int],
) -> None:
    """On PostgreSQL a test may be skipped by its mark, or because this machine lacks something; another reason fails."""
    file = tmp_path / "test_left_out.py"
    file.write_text(
        f"import pytest\n\ndef test_one():\n    pytest.skip({reason!r})\n\ndef test_other():\n    pass\n", encoding="utf-8"
    )
    words = ("-p", "no:cacheprovider", "-o", "addopts=", "-rfEs", "-c", "/dev/null", "--rootdir", str(tmp_path), str(file))
    counts = postgresql.run_tests(1, *words)
    assert (counts["passed"], counts["sqlite_only"], counts["known"], counts["unknown"]) == (1, *figures)
    monkeypatch.setattr(postgresql, "run", lambda _minutes: counts)
    assert run(monkeypatch, "postgresql") == figures[2]
    assert (f"left out: 1: {reason}" in capsys.readouterr().out) == bool(figures[2])


def test_what_makes_an_sqlite_file_by_itself_has_the_mark() -> None:
    """Without the mark it would count as passed on PostgreSQL, which it does not test."""
    folder = Path(__file__).parent / "bridge"
    texts = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("test_*.py")}
    makers = {name for name, text in texts.items() if re.search(r"\bSqliteDatabase\(", text)}
    assert "storage/test_sqlite_database.py" in makers
    assert {name for name in makers if "sqlite_only" not in texts[name]} == set()


def test_the_files_of_a_run_stay_when_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files of a failed run are kept for its logs; those of a successful run are deleted."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with failed_run_directory("kills") as removed:
        (removed / "log").touch()
    assert not removed.exists()
    context = failed_run_directory("kills")
    directory = context.__enter__()
    assert not context.__exit__(OSError, OSError(), None)
    assert directory.exists()
    assert str(directory) in capsys.readouterr().err
