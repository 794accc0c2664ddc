"""Several numbers of one line, and the turns that texts wait for: real database and vault, a carrier that writes down."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.model.actions import Origin
from bot.model.events import Outcome
from bot.model.line_incidents import StrayKind, StrayTextArrived
from bridge.carriers.adapter import Accepted, InboundText, SendOutcome, TryLater
from bridge.carriers.rate_limit import Rate, RateLimiter
from bridge.inbound.hourly_alerts import DAY
from bridge.outbound.dispatcher import RetryLater
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.carrier_line import PACK, CarrierLine, carrier_line
from tests.bridge.carriers.harness import Clock
from tests.fakes.fake_carrier import FakeCarrier

MAIN, SECOND = "+15555550100", "+15555550111"
HANDSET = "+12065550199"
LATE = PACK.settings.late_after_seconds


class Writing(FakeCarrier):
    """Writes down from which number each text left."""

    def __init__(self, rate: Rate) -> None:
        super().__init__()
        self.rate = rate
        self.numbers: list[str] = []

    async def send(self, to: Phone, text: str, *, number: str, reference: str) -> SendOutcome:
        outcome = await super().send(to, text, number=number, reference=reference)
        if isinstance(outcome, Accepted):
            self.numbers.append(number)
        return outcome


@pytest.fixture
def carrier() -> Writing:
    return Writing(Rate(per_second=1.0, burst=1.0))


@pytest.fixture
async def line(tmp_path: Path, carrier: Writing) -> AsyncIterator[CarrierLine]:
    async with carrier_line(tmp_path, carrier, numbers=(MAIN, SECOND), clock=Clock()) as opened:
        opened.texts._rate_limiter = RateLimiter(carrier.rate, clock=lambda: 1000.0)  # no turn comes by itself
        yield opened


async def arrive(line: CarrierLine, message_id: str, *, to: str, sender: str = HANDSET, age: float | None = None) -> str:
    """Have a text come in; `age`: seconds since it was texted, where the carrier tells it."""
    at = None if age is None else datetime.fromtimestamp(line.clock() - age, UTC)
    await line.webhook.accept_text(InboundText(message_id=message_id, sender=Phone(sender), text="hello", to=to, at=at))
    phone_hash = line.vault.phone_hash("demo", Phone(sender))
    return str(await line.database.fetchval("SELECT id FROM thread WHERE phone_hash = $1", phone_hash))


async def test_answered_from_the_number_that_was_texted(line: CarrierLine, carrier: Writing) -> None:
    """A texter is answered from the number that they texted last, and one number's turn does not hold up the other's."""
    owner = await arrive(line, "1", to=SECOND)
    await line.texts.perform(await line.queue(owner, "from the second"))
    assert await arrive(line, "2", to=MAIN) == owner
    await line.texts.perform(await line.queue(owner, "from the main one"))
    assert carrier.numbers == [SECOND, MAIN]


async def test_main_number_where_it_is_not_told(line: CarrierLine, carrier: Writing) -> None:
    """Where the carrier does not say which number was texted, the main one answers."""
    await line.texts.perform(await line.queue(await arrive(line, "1", to=""), "x"))
    assert carrier.numbers == [MAIN]


async def test_nothing_leaves_by_itself_from_another_number(
    line: CarrierLine, carrier: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    """A text to a number that is not the line's (any more) gets no automatic answer: on the phone a stranger would write.

    It is an error of the configuration, and stands in the log without the number.
    """
    caplog.set_level(logging.INFO)
    to = "+15555550199"
    await line.texts.perform(await line.queue(await arrive(line, "1", to=to), "x"))
    assert carrier.numbers == []
    assert [each.outcome for each in await line.outcomes()] == [Outcome.REFUSED]
    assert "sms.number_not_configured" in caplog.text
    assert to[1:] not in caplog.text


@pytest.mark.parametrize("to", ["", MAIN, "+15555550199"])
async def test_words_of_a_person_do_not_leave_from_another_number_unasked(
    line: CarrierLine, carrier: Writing, to: str
) -> None:
    """They waited for their turn when the line was started again with another number: they are refused, and said again."""
    await line.texts.perform(await line.queue(await arrive(line, "1", to=to), "words", Origin.ADVOCATE))
    is_other = to not in ("", MAIN)
    assert carrier.numbers == ([] if is_other else [MAIN])
    assert [each.outcome for each in await line.outcomes()] == [Outcome.REFUSED if is_other else Outcome.ACCEPTED]


async def test_texts_to_another_number_are_told_once_a_day(line: CarrierLine) -> None:
    """They are kept; the desk hears that the vendor's setting, or ours, is wrong, without number and words."""
    incident = StrayTextArrived(kind=StrayKind.OTHER_NUMBER)

    async def told() -> int:
        return sum(event == incident for event in await line.events())

    await arrive(line, "1", to=MAIN)
    await arrive(line, "2", to="")
    assert await told() == 0
    for n in range(3):
        await arrive(line, f"other{n}", to="+15555550199")
    assert await told() == 1
    assert len(await line.bodies()) == 5
    line.clock.ahead += DAY + 1
    for n in range(3):
        await arrive(line, f"later{n}", to="+15555550199")
    assert await told() == 2


async def test_a_duplicate_does_not_change_the_number(line: CarrierLine) -> None:
    """What was seen before changes nothing, not even where the answer leaves from."""
    owner = await arrive(line, "1", to=SECOND)
    await arrive(line, "2", to=MAIN)
    await arrive(line, "1", to=SECOND)
    assert await line.number_of(owner) == MAIN


@pytest.mark.parametrize(
    ("first", "second", "last"),
    [
        (0, 1800, SECOND),
        (30, 60, SECOND),
        (60, 30, MAIN),
        (None, 1800, SECOND),
        (None, 60, MAIN),
        (1800, None, MAIN),
        (None, None, MAIN),
    ],
)
async def test_the_number_that_was_texted_last(
    line: CarrierLine, first: float | None, second: float | None, last: str
) -> None:
    """A text that a listing brings late moves nothing where a later one was there before; in doubt what comes counts."""
    owner = await arrive(line, "1", to=SECOND, age=first)
    await arrive(line, "2", to=MAIN, age=second)
    assert await line.number_of(owner) == last


@pytest.mark.sqlite_only
async def test_the_number_is_sealed(line: CarrierLine, tmp_path: Path) -> None:
    """Which of the agency's numbers a person texts is theirs to keep: it stands in clear in no file."""
    await arrive(line, "1", to=SECOND)
    written = b"".join((tmp_path / name).read_bytes() for name in ("main.db", "main.db-wal", "keys.db"))
    assert len(written) > 1000
    assert SECOND[1:].encode() not in written


async def test_turns(line: CarrierLine, carrier: Writing) -> None:
    """A text whose turn has not come stays queued, unmarked, and is told exactly how long to wait."""
    owner = await arrive(line, "1", to=MAIN)
    first, second = [await line.queue(owner, body) for body in ("one", "two")]
    await line.texts.perform(first)
    with pytest.raises(RetryLater) as waits:
        await line.texts.perform(second)
    assert waits.value.in_turn
    assert waits.value.after == 1.0
    assert await line.state(second) == "queued"
    assert [text for _, text in carrier.sent] == ["one"]


async def test_segments_count(line: CarrierLine) -> None:
    """Where the vendor counts segments, a text of three makes the next one wait three turns."""
    owner = await arrive(line, "1", to=MAIN)
    long, following = await line.queue(owner, "x" * 400), await line.queue(owner, "y")
    await line.texts.perform(long)
    with pytest.raises(RetryLater) as waits:
        await line.texts.perform(following)
    assert waits.value.after == 3.0


async def test_a_waiting_text_becomes_late(line: CarrierLine, carrier: Writing) -> None:
    """However long the queue is: what waited too long is late, and makes room for what is not."""
    owner = await arrive(line, "1", to=MAIN)
    first, waiting = [await line.queue(owner, body) for body in ("one", "waits")]
    await line.texts.perform(first)
    with pytest.raises(RetryLater):
        await line.texts.perform(waiting)
    line.clock.ahead += LATE + 1
    fresh = await line.queue(owner, "fresh")
    with pytest.raises(RetryLater) as behind:
        await line.texts.perform(fresh)
    await line.texts.perform(waiting)
    assert [outcome.outcome for outcome in await line.outcomes()][-1] is Outcome.LATE
    assert await line.state(waiting) is None
    with pytest.raises(RetryLater) as alone:
        await line.texts.perform(fresh)
    assert (alone.value.after or 0) < (behind.value.after or 0)
    assert [text for _, text in carrier.sent] == ["one"]


async def test_retry_after_is_honoured(line: CarrierLine, carrier: Writing) -> None:
    """When the carrier says to come again in a minute, nothing of that number is even tried before."""
    carrier.outcomes.append(TryLater(60.0))
    owner = await arrive(line, "1", to=MAIN)
    first = await line.queue(owner, "one")
    with pytest.raises(RetryLater):
        await line.texts.perform(first)
    assert await line.state(first) == "queued"
    with pytest.raises(RetryLater) as waits:
        await line.texts.perform(await line.queue(owner, "two"))
    assert waits.value.in_turn
    assert (waits.value.after or 0) > 15
    assert carrier.sent == []
    other = await arrive(line, "2", to=SECOND, sender="+12065550177")
    await line.texts.perform(await line.queue(other, "three"))
    assert [text for _, text in carrier.sent] == ["three"]
