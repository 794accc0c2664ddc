# ruff: noqa: D401 - a promise is told in the indicative
"""What goes out: verbatim, once, and with an outcome that is never a guess.

Rule of this module: a behaviour speaks the adapter's contract and the words of `Harness` only.
"""

from __future__ import annotations

from bridge.carriers.adapter import Accepted, DeliveryReport, Rejected, SendOutcome, TryLater, UnknownOutcome
from bridge.runtime.phone_number import Phone
from policies.segments import segments
from tests.bridge.carriers.harness import Fault, Harness, Trait
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.steps import (
    HANDSET,
    ODD_TEXTS,
    listing_fails,
    not_deleted_outcome,
    other_adapter,
    send_text,
)
from tests.fakes.fake_carrier import send_words


async def send_verbatim(harness: Harness) -> None:
    """A text reaches the handset as it was written, once, and the reports about it carry its id; or it is refused."""
    for text in ODD_TEXTS[1:]:
        if text in harness.refuses:
            assert isinstance(await send_words(harness.carrier, HANDSET, text, number=harness.number), Rejected)
            continue
        message_id = await send_text(harness, text)
        assert (await harness.texts_at_handset(HANDSET))[-1] == text
        reports = [
            item
            for request in await harness.receiver.come(2 * harness.requests_for(text))
            for item in harness.carrier.parse(request)
            if isinstance(item, DeliveryReport)
        ]
        assert {report.message_id for report in reports} == {message_id}
        long = Trait.REPORTS_PARTS in harness.traits and segments(text).count > 1 and reports[1].status == "sent"
        assert [report.status for report in reports] == (["sent"] * len(reports) if long else ["sent", "delivered"])
        harness.receiver.requests.clear()
    assert await harness.texts_at_handset(HANDSET) == [text for text in ODD_TEXTS[1:] if text not in harness.refuses]


async def parts(harness: Harness) -> None:
    """A report about one part of a long text is never told as one about the text; a short text is delivered by its own."""
    harness.report_one_part()
    for text, expected in (("word " * 80, ["sent", "sent"]), ("word", ["sent", "delivered"])):
        message_id = await send_text(harness, text)
        reports = [item for request in await harness.receiver.come(2) for item in harness.carrier.parse(request)]
        statuses = [
            report.status for report in reports if isinstance(report, DeliveryReport) and report.message_id == message_id
        ]
        assert statuses == expected
        harness.receiver.requests.clear()


async def validity(harness: Harness) -> None:
    """A text bears how long it may wait at the vendor: what the line's pack says, to the minute, and never for ever."""
    for seconds in (300, 900, 30):
        harness.validity = seconds
        async with other_adapter(harness, harness.base) as carrier:
            assert isinstance(await send_words(carrier, HANDSET, "word", number=harness.number), Accepted)
        period = harness.validities()[-1]
        assert max(seconds - 60, 0) < period <= max(seconds, 60)


async def what_cannot_be_sent(harness: Harness) -> None:
    """Half of a letter's code is no reason to lose a text or to stop: it leaves as U+FFFD."""
    await send_text(harness, "a\ud83db")
    assert await harness.texts_at_handset(HANDSET) == ["a\ufffdb"]


async def send_faults(harness: Harness) -> None:
    """Each fault has its outcome, a text is on the phone only where that is so, and nothing is tried twice."""
    table: tuple[tuple[Fault, SendOutcome, list[str]], ...] = (
        (Fault.SILENT, UnknownOutcome(), []),
        (Fault.BROKEN, UnknownOutcome(), []),
        (Fault.BUSY, TryLater(1.0), []),
        (Fault.REFUSED, Rejected(harness.refused_code), []),
        (Fault.SILENT_SENT, UnknownOutcome(), ["word"]),
    )
    for fault, expected, arrived in table:
        await harness.fault(fault)
        outcome = await send_words(harness.carrier, HANDSET, "word", number=harness.number)
        assert outcome == expected
        assert await harness.texts_at_handset(HANDSET) == arrived
    await send_text(harness, "at last")
    assert await harness.texts_at_handset(HANDSET) == ["word", "at last"]


async def opted_out(harness: Harness) -> None:
    """A texter who told the vendor STOP is told apart from other refusals."""
    await harness.fault(Fault.OPTED_OUT)
    outcome = await send_words(harness.carrier, HANDSET, "word", number=harness.number)
    assert isinstance(outcome, Rejected)
    assert outcome.opted_out


async def reports_opt_out(harness: Harness) -> None:
    """Where the vendor tells only in its report that the texter said STOP to it, the report says exactly that."""
    await harness.fault(Fault.REPORTED_OPT_OUT)
    message_id = await send_text(harness)
    (request,) = await harness.receiver.come(1)
    assert harness.carrier.verify(request)
    (report,) = harness.carrier.parse(request)
    assert isinstance(report, DeliveryReport)
    assert (report.message_id, report.status) == (message_id, "opted_out")


async def doubt_is_settled(harness: Harness) -> None:
    """A send that ended in doubt and left after all is told by the vendor's report, with the reference of that text."""
    await harness.fault(Fault.SILENT_SENT)
    reference = "0123456789abcdef" * 2
    outcome = await harness.carrier.send(Phone(HANDSET), "word", number=harness.number, reference=reference)
    assert isinstance(outcome, UnknownOutcome)
    reports = [item for request in await harness.receiver.come(2) for item in harness.carrier.parse(request)]
    names = {(item.message_id, item.reference) for item in reports if isinstance(item, DeliveryReport)}
    ((message_id, word),) = names
    assert reports == [DeliveryReport(message_id=message_id, status=s) for s in ("sent", "delivered")]
    assert (message_id if harness.carrier.reference_is_id else word) == reference


async def unanswerable(harness: Harness) -> None:
    """Nothing is sent to a short code or a name, and the carrier is not even asked."""
    async with scripted_server(http_response(201, b'{"id": "1"}')) as line, other_adapter(harness, line.url) as carrier:
        for sender in ("22395", "BANK", "911"):
            assert isinstance(await send_words(carrier, sender, "word", number=harness.number), Rejected)
        assert line.requests == 0


async def nobody_there(harness: Harness) -> None:
    """With connections refused: a send may be tried later, the rest says that it does not know."""
    await harness.vendor_goes_away()
    assert isinstance(await send_words(harness.carrier, HANDSET, "word", number=harness.number), TryLater)
    assert await harness.carrier.status("1") is None
    assert isinstance(await harness.carrier.delete_copy("1"), not_deleted_outcome(harness))
    await listing_fails(harness.carrier)


async def strange_answers(harness: Harness) -> None:
    """An answer that is broken off, no HTTP, a redirect or a success without an id is in doubt; asked once (or `tries`)."""
    no_answers = (b"", b"220 mail ready\r\n", http_response(201, b'{"id": "1', promised=500))
    for answer in (
        *no_answers,
        http_response(201, b"[]"),
        http_response(201, b'{"id": null}'),
        http_response(200, b"<html>welcome to the hotel</html>"),
        http_response(302, headers="Location: /\r\n"),
        http_response(408),
        http_response(502, b"\xff\xfe"),
        http_response(503, headers="Retry-After: 1\r\n"),
    ):
        async with scripted_server(answer) as line, other_adapter(harness, line.url) as carrier:
            assert await send_words(carrier, HANDSET, "word", number=harness.number) == UnknownOutcome(), answer
            assert line.requests == (harness.tries_unanswered if answer in no_answers else harness.tries)
            assert await carrier.status("1") is None
            assert isinstance(await carrier.delete_copy("1"), not_deleted_outcome(harness))
            await listing_fails(carrier)


async def retry_after(harness: Harness) -> None:
    """`Retry-After` is honoured, in seconds or as a moment, an hour at most; without one, or with nonsense, it is soon."""
    now, until = "Date: Wed, 25 Nov 2026 10:00:00 GMT\r\n", "Retry-After: Wed, 25 Nov 2026 10:02:30 GMT\r\n"
    for header, expected in (
        ("Retry-After: 17\r\n", 17.0),
        ("Retry-After: 1.5\r\n", 1.5),
        ("Retry-After: 0\r\n", 1.0),
        ("Retry-After: 100000\r\n", 3600.0),
        (now + until, 150.0),
        (until, 1.0),
        (now + "Retry-After: Wed, 25 Nov 2026 09:00:00 GMT\r\n", 1.0),
        (now + "Retry-After: Fri, 25 Nov 2033 09:00:00 GMT\r\n", 3600.0),
        ("", 1.0),
        ("Retry-After: soon\r\n", 1.0),
    ):
        async with scripted_server(http_response(429, headers=header)) as line, other_adapter(harness, line.url) as carrier:
            assert await send_words(carrier, HANDSET, "word", number=harness.number) == TryLater(expected)


async def wrong_token(harness: Harness) -> None:
    """A refused login is a refusal: the words certainly did not leave, and waiting will not help."""
    for status in (401, 403, 404):
        async with scripted_server(http_response(status)) as line, other_adapter(harness, line.url) as carrier:
            outcome = await send_words(carrier, HANDSET, "word", number=harness.number)
            assert isinstance(outcome, Rejected)
            assert not outcome.opted_out
