"""What reports do to a text of ours, and what the desk hears of strays: real database and vault, a paper carrier."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from bot.model.events import Outcome
from bot.model.line_incidents import StrayKind, StrayTextArrived
from bridge.carriers.adapter import DeliveryReport, InboundText, Status, UnknownOutcome
from bridge.erasure.carrier_copies import id_digest
from bridge.inbound.hourly_alerts import MIN_INTERVAL
from bridge.outbound.dispatcher import OutboxTask
from bridge.runtime.phone_number import Phone
from bridge.tables import outbox, sent_texts
from bridge.tables.outbox import RowState
from tests.bridge.carriers.carrier_line import CarrierLine, carrier_line
from tests.bridge.carriers.cxml_harnesses import twilio_harness
from tests.bridge.carriers.harness import AdapterRow, Clock, Fault, Trait
from tests.bridge.carriers.rows import ROWS
from tests.bridge.carriers.steps import receive_text
from tests.fakes.fake_carrier import FakeCarrier

HANDSET = "+12065550199"


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[CarrierLine]:
    async with carrier_line(tmp_path, FakeCarrier(), clock=Clock()) as opened:
        yield opened


async def queue(line: CarrierLine) -> OutboxTask:
    """Queue words for the texter."""
    await line.webhook.accept_text(InboundText(message_id="1", sender=Phone(HANDSET), text="hello"))
    owner = (await line.threads())[0]["id"]
    return await line.queue(owner, "words")


async def leave(line: CarrierLine) -> str:
    """Have a text leave; return its reference. The paper carrier calls the first one `id0`."""
    task = await queue(line)
    await line.texts.perform(task)
    return line.texts.reference(task.txn)


async def report(
    line: CarrierLine, *statuses: Status, message_id: str = "id0", code: str = "", reference: str = ""
) -> None:
    for status in statuses:
        delivery_report = DeliveryReport(message_id=message_id, status=status, code=code, reference=reference)
        await line.webhook.accept_report(delivery_report)


async def told(line: CarrierLine) -> list[Outcome]:
    return [event.outcome for event in await line.outcomes()]


def in_doubt(line: CarrierLine, *, reference_is_id: bool = False) -> None:
    """Let the answer to the next text be lost."""
    assert isinstance(line.carrier, FakeCarrier)
    line.carrier.outcomes.append(UnknownOutcome())
    line.carrier.reference_is_id = reference_is_id


async def unknown_texts(line: CarrierLine) -> int:
    """Count the texts that the line calls unknown in its figures."""
    return await sent_texts.count_unknown(line.database)


async def test_an_opt_out_that_comes_later(line: CarrierLine) -> None:
    """A report that the texter opted out at the vendor reaches the thread as that, with the vendor's code."""
    await leave(line)
    await report(line, "opted_out", code="4775")
    assert await told(line) == [Outcome.ACCEPTED, Outcome.OPTED_OUT]
    assert (await line.outcomes())[-1].code == "4775"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["sent"], [Outcome.ACCEPTED]),
        (["sent", "delivered"], [Outcome.ACCEPTED, Outcome.DELIVERED]),
        (["failed"], [Outcome.FAILED]),
        (["opted_out"], [Outcome.OPTED_OUT]),
    ],
)
async def test_a_report_settles_a_doubt(line: CarrierLine, statuses: list[Status], expected: list[Outcome]) -> None:
    """A text of which nobody knew whether it left is settled by a report under its id, also by one that it was sent."""
    in_doubt(line, reference_is_id=True)
    await report(line, *statuses, message_id=await leave(line))
    assert await told(line) == [Outcome.UNKNOWN, *expected]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["sent"], [Outcome.ACCEPTED]),
        (["sent", "sent", "delivered", "sent"], [Outcome.ACCEPTED, Outcome.DELIVERED]),
        (["delivered", "sent"], [Outcome.DELIVERED]),
        (["opted_out", "opted_out"], [Outcome.OPTED_OUT]),
    ],
)
async def test_a_report_settles_a_doubt_by_its_reference(
    line: CarrierLine, statuses: list[Status], expected: list[Outcome]
) -> None:
    """Where the carrier chose the id and its answer was lost, its reports name the text by a word of ours.

    From the first one on its copy at the carrier is that text's, and no text of the conversation is without an id.
    """
    in_doubt(line)
    reference = await leave(line)
    assert await unknown_texts(line) == 1
    await report(line, "delivered", message_id="another", reference="another")
    assert await told(line) == [Outcome.UNKNOWN]
    await report(line, *statuses, message_id="theirs", reference=reference)
    assert await told(line) == [Outcome.UNKNOWN, *expected]
    assert await unknown_texts(line) == 0
    owner = (await line.threads())[0]["id"]
    assert await line.database.fetchval("SELECT count(*) FROM copy_result") == 0
    digest = id_digest(line.vault, line.carrier.kind, "theirs")
    assert await line.database.fetchval("SELECT owner FROM carrier_copy WHERE hash = $1", digest) == owner


async def test_a_reference_is_one_texts(line: CarrierLine) -> None:
    """Of two texts in doubt each is settled by its own reports, and a report without a reference settles none."""
    references = []
    for _ in range(2):
        in_doubt(line)
        references.append(await leave(line))
    await report(line, "delivered", message_id="theirs0")
    await report(line, "failed", message_id="theirs2", reference=references[1])
    await report(line, "delivered", message_id="theirs1", reference=references[0])
    first, second, *others = await line.outcomes()
    assert [(each.ref, each.outcome) for each in others] == [
        (second.ref, Outcome.FAILED),
        (first.ref, Outcome.DELIVERED),
    ]


async def test_a_report_that_is_faster_than_our_patience(line: CarrierLine) -> None:
    """Reports that come while we still wait for the answer settle the doubt at once, or are no news of an accepted text."""
    in_doubt(line)
    task = await queue(line)
    await report(line, "sent", "delivered", message_id="theirs", reference=line.texts.reference(task.txn))
    await line.texts.perform(task)
    assert await told(line) == [Outcome.ACCEPTED, Outcome.DELIVERED]
    assert await unknown_texts(line) == 0
    await report(line, "sent", message_id="id0", reference="accepted")
    await leave(line)
    assert (await told(line))[2:] == [Outcome.ACCEPTED]
    assert await line.database.fetchval("SELECT count(*) FROM sent_text WHERE unknown = 0") == 2


SETTLED = [row for row in ROWS if Trait.SETTLES_DOUBT in row.traits]


@pytest.mark.parametrize("row", SETTLED, ids=lambda row: row.name)
async def test_each_vendor_settles_a_doubt(row: AdapterRow, tmp_path: Path) -> None:
    """From a request whose answer is lost to the vendor's own reports at the webhook: the text is found and delivered."""
    async with row.harness() as harness, carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened:
        await harness.fault(Fault.SILENT_SENT)
        await leave(opened)
        assert await told(opened) == [Outcome.UNKNOWN]
        for request in await harness.receiver.come(2):
            assert (await opened.call(request, method="POST" if request.body else "GET"))[0] == 200
        assert await told(opened) == [Outcome.UNKNOWN, Outcome.ACCEPTED, Outcome.DELIVERED]
        assert await unknown_texts(opened) == 0


@pytest.mark.parametrize("row", SETTLED, ids=lambda row: row.name)
@pytest.mark.parametrize("early", [False, True], ids=["reports-after-the-start", "reports-before"])
async def test_each_vendor_settles_a_doubt_of_a_crash(row: AdapterRow, early: bool, tmp_path: Path) -> None:
    """The process died between the request and the note of its result: the next one knows the text by its reference.

    Some vendors call again what nobody acknowledged, and another bridge of the line may have taken the reports meanwhile.
    """
    async with row.harness() as harness, carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened:
        task = await queue(opened)
        await opened.database.commit(partial(outbox.set_state, number=task.number, state=RowState.SENDING))
        reference = opened.texts.reference(task.txn)
        await harness.carrier.send(Phone(HANDSET), "words", number=harness.number, reference=reference)
        if not early:
            await opened.texts.recover()
            assert await told(opened) == [Outcome.UNKNOWN]
            assert await unknown_texts(opened) == 1
        for request in await harness.receiver.come(2):
            assert (await opened.call(request, method="POST" if request.body else "GET"))[0] == 200
        if early:
            assert await told(opened) == []
            await opened.texts.recover()
        doubt = [] if early else [Outcome.UNKNOWN]
        assert await told(opened) == [*doubt, Outcome.ACCEPTED, Outcome.DELIVERED]
        assert await unknown_texts(opened) == 0


async def test_what_is_known_is_no_news(line: CarrierLine) -> None:
    """That an accepted text was sent says nothing new, and a report that comes twice is one."""
    await leave(line)
    await report(line, "sent", "failed", "failed", "sent", "failed")
    assert await told(line) == [Outcome.ACCEPTED, Outcome.FAILED]


async def strays(line: CarrierLine) -> list[StrayKind]:
    return [event.kind for event in await line.events() if isinstance(event, StrayTextArrived)]


async def test_the_desk_hears_of_strays_once_an_hour(tmp_path: Path) -> None:
    """However many texts come over a refused channel, the desk gets one event an hour and kind, also over a restart."""
    async with twilio_harness() as harness:

        async def call(opened: CarrierLine) -> int:
            request = await receive_text(harness, "words of a stray", sender="whatsapp:+15555550101")
            return (await opened.call(request))[0]

        for expected in ([StrayKind.CHANNEL], [StrayKind.CHANNEL]):
            async with carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened:
                for _ in range(5):
                    assert await call(opened) == 200
                assert await strays(opened) == expected
                assert await opened.threads() == []
        async with carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened:
            await opened.hourly_alerts.alert(StrayTextArrived(kind=StrayKind.GROUP))
            await opened.hourly_alerts.alert(StrayTextArrived(kind=StrayKind.GROUP))
            harness.clock.ahead += MIN_INTERVAL + 1
            assert await call(opened) == 200
            assert await call(opened) == 200
            assert await strays(opened) == [StrayKind.CHANNEL, StrayKind.GROUP, StrayKind.CHANNEL]
            assert "words of a stray" not in repr(await opened.events())
