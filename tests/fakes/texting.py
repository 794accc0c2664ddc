"""People who constantly text a line with two bridges, and the count of the results."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

from tests.e2e.polling import wait_until
from tests.fakes.two_bridges import TwoBridges

REGULARS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """`lost` and `doubled`: texts that reach no room, or are stored more than once. `answers`: greetings on handsets.

    `unanswered`: texters without a greeting; for `unknown` of them the line has reported an unknown outcome.
    `planted_in_logs`: texts and numbers that are in a log.
    """

    texts: int
    lost: int
    doubled: int
    answers: int
    answers_doubled: int
    unanswered: int
    unknown: int
    planted_in_logs: int

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, doubled or logged, and every missing greeting was reported."""
        wrong = self.lost or self.doubled or self.answers_doubled or self.planted_in_logs
        return not wrong and self.unanswered <= self.unknown


class Texting:
    """One text each `every` seconds; one of `new_of` is the first of a new texter. `sent`: by handset, in order."""

    def __init__(self, line: TwoBridges, *, every: float = 0.15, new_of: int = 2) -> None:
        self._line, self._every, self._new_of = line, every, new_of
        self._stops = False
        self._task = asyncio.create_task(self._text())
        self.sent: dict[str, list[str]] = {}

    @property
    def number(self) -> int:
        """Return the number of texts sent."""
        return sum(map(len, self.sent.values()))

    async def _text(self) -> None:
        for number in itertools.count():
            if self._stops:
                return
            handset = f"+1555{5560000 + (REGULARS + number if number % self._new_of == 0 else number % REGULARS):07}"
            words = f"words {number} of many"
            await self._line.carrier.text(handset, words)
            self.sent.setdefault(handset, []).append(words)
            await asyncio.sleep(self._every)

    async def wait_for(self, number: int) -> None:
        """Wait until `number` texts were sent since the beginning."""

        async def texted() -> bool | None:
            if self._task.done():
                self._task.result()
            return self.number >= number or None

        await wait_until("people have texted", texted, within=60 + number * self._every * 2)

    async def stop(self) -> None:
        """Stop texting. A text on its way to the carrier is completed: else it might be stored and not counted."""
        self._stops = True
        await self._task

    async def count(self) -> Count:
        """Wait until all texts are stored, decided and answered; stop the bridges; count."""
        line = self._line

        async def acknowledged() -> bool | None:
            for handset, texts in self.sent.items():
                if await line.carrier.texts_acknowledged(handset) != texts:
                    return None
            return True

        await wait_until("every text is acknowledged, in order", acknowledged, within=240, every=1.0)

        async def at_rest() -> bool | None:
            query = "SELECT COUNT(*) FROM inbox UNION ALL SELECT COUNT(*) FROM outbox WHERE transport = 'carrier'"
            return line.rows(query) == [(0,), (0,)] or None

        await wait_until("all is decided and sent", at_rest, within=240, every=0.5)
        await line.stop_bridges()
        copies = await line.texts_kept()
        everything = [words for texts in self.sent.values() for words in texts]
        answers = [len(await line.carrier.texts_delivered(handset)) for handset in self.sent]
        return Count(
            texts=len(everything),
            lost=sum(copies[words] == 0 for words in everything),
            doubled=sum(copies[words] > 1 for words in everything),
            answers=sum(answers),
            answers_doubled=sum(each > 1 for each in answers),
            unanswered=sum(each == 0 for each in answers),
            unknown=line.logged("sms.unknown_after_crash"),
            planted_in_logs=line.planted_in_logs(),
        )
