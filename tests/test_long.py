"""`./quietline test --long` exits with 1 when a part did too little or found a fault."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import cast

import pytest

from tests.e2e.kill_scenario import Result, Story
from tests.fakes.takeovers import HOW, NOT_TAKEN, Takeovers
from tests.fakes.two_bridges import TwoBridges
from tests.long import __main__ as long
from tests.long import kills, takeovers


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
