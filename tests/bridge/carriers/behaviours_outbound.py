# ruff: noqa: D401 - a promise is told in the indicative
"""What goes out: verbatim, once, and with an outcome that is never a guess.

Rule of this module: a behaviour speaks the adapter's contract and the words of `Stand` only.
"""

from __future__ import annotations

from bridge.carriers.adapter import Accepted, DeliveryReport, Rejected, SendOutcome, TryLater, UnknownOutcome
from bridge.runtime.phone_number import Phone
from policies.segments import segments
from tests.bridge.carriers.receiver import http, wire
from tests.bridge.carriers.stand import Fault, Stand, Trait
from tests.bridge.carriers.steps import HANDSET, ODD_TEXTS, breaks_off, in_doubt, not_deleted, other, sent


async def send_verbatim(stand: Stand) -> None:
    """A text reaches the handset as it was written, once, and the reports about it carry its id."""
    for text in ODD_TEXTS[1:]:
        message_id = await sent(stand, text)
        assert (await stand.arrived(HANDSET))[-1] == text
        reports = [
            item
            for request in await stand.receiver.come(2)
            for item in stand.carrier.parse(request)
            if isinstance(item, DeliveryReport)
        ]
        assert {report.message_id for report in reports} == {message_id}
        long = Trait.REPORTS_PARTS in stand.traits and segments(text).count > 1 and reports[1].status == "sent"
        assert [report.status for report in reports] == ["sent", "sent" if long else "delivered"]
        stand.receiver.requests.clear()
    assert await stand.arrived(HANDSET) == list(ODD_TEXTS[1:])


async def parts(stand: Stand) -> None:
    """A report about one part of a long text is never told as one about the text; a short text is delivered by its own."""
    stand.report_one_part()
    for text, expected in (("word " * 80, ["sent", "sent"]), ("word", ["sent", "delivered"])):
        message_id = await sent(stand, text)
        reports = [item for request in await stand.receiver.come(2) for item in stand.carrier.parse(request)]
        told = [
            report.status for report in reports if isinstance(report, DeliveryReport) and report.message_id == message_id
        ]
        assert told == expected
        stand.receiver.requests.clear()


async def validity(stand: Stand) -> None:
    """A text bears how long it may wait at the vendor: what the line's pack says, to the minute, and never for ever."""
    for seconds in (300, 900, 30):
        stand.validity = seconds
        async with other(stand, stand.base) as carrier:
            assert isinstance(await carrier.send(Phone(HANDSET), "word", number=stand.number), Accepted)
        told = stand.validities()[-1]
        assert max(seconds - 60, 0) < told <= max(seconds, 60)


async def what_cannot_be_sent(stand: Stand) -> None:
    """Half of a letter's code is no reason to lose a text or to stop: it leaves as U+FFFD."""
    await sent(stand, "a\ud83db")
    assert await stand.arrived(HANDSET) == ["a\ufffdb"]


async def send_faults(stand: Stand) -> None:
    """Each fault has its outcome, a text is on the phone only where that is so, and nothing is tried twice."""
    table: tuple[tuple[Fault, SendOutcome, list[str]], ...] = (
        (Fault.SILENT, UnknownOutcome(), []),
        (Fault.BROKEN, UnknownOutcome(), []),
        (Fault.BUSY, TryLater(1.0), []),
        (Fault.REFUSED, Rejected(stand.refused_code), []),
        (Fault.SILENT_SENT, UnknownOutcome(), ["word"]),
    )
    for fault, expected, arrived in table:
        await stand.fault(fault)
        outcome = await stand.carrier.send(Phone(HANDSET), "word", number=stand.number)
        assert in_doubt(stand, outcome) if isinstance(expected, UnknownOutcome) else outcome == expected
        assert await stand.arrived(HANDSET) == arrived
    await sent(stand, "at last")
    assert await stand.arrived(HANDSET) == ["word", "at last"]


async def opted_out(stand: Stand) -> None:
    """A texter who told the vendor STOP is told apart from other refusals."""
    await stand.fault(Fault.OPTED_OUT)
    outcome = await stand.carrier.send(Phone(HANDSET), "word", number=stand.number)
    assert isinstance(outcome, Rejected)
    assert outcome.opted_out


async def reports_opt_out(stand: Stand) -> None:
    """Where the vendor tells only in its report that the texter said STOP to it, the report says exactly that."""
    await stand.fault(Fault.REPORTED_OPT_OUT)
    message_id = await sent(stand)
    (request,) = await stand.receiver.come(1)
    assert stand.carrier.verify(request)
    (report,) = stand.carrier.parse(request)
    assert isinstance(report, DeliveryReport)
    assert (report.message_id, report.status) == (message_id, "opted_out")


async def doubt_is_settled(stand: Stand) -> None:
    """A send that ended in doubt and left after all is told by the vendor's report under the id that the doubt bears."""
    await stand.fault(Fault.SILENT_SENT)
    outcome = await stand.carrier.send(Phone(HANDSET), "word", number=stand.number)
    assert isinstance(outcome, UnknownOutcome)
    reports = [item for request in await stand.receiver.come(2) for item in stand.carrier.parse(request)]
    assert reports == [DeliveryReport(message_id=outcome.message_id, status=s) for s in ("sent", "delivered")]


async def unanswerable(stand: Stand) -> None:
    """Nothing is sent to a short code or a name, and the carrier is not even asked."""
    async with wire(http(201, b'{"id": "1"}')) as line, other(stand, line.url) as carrier:
        for sender in ("22395", "BANK", "911"):
            assert isinstance(await carrier.send(Phone(sender), "word", number=stand.number), Rejected)
        assert line.requests == 0


async def nobody_there(stand: Stand) -> None:
    """With connections refused: a send may be tried later, the rest says that it does not know."""
    await stand.vendor_goes_away()
    assert isinstance(await stand.carrier.send(Phone(HANDSET), "word", number=stand.number), TryLater)
    assert await stand.carrier.status("1") is None
    assert isinstance(await stand.carrier.delete_copy("1"), not_deleted(stand))
    await breaks_off(stand.carrier)


async def strange_answers(stand: Stand) -> None:
    """An answer that is broken off, no HTTP, a redirect or a success without an id is in doubt; asked once (or `tries`)."""
    for answer in (
        b"",
        b"220 mail ready\r\n",
        http(201, b'{"id": "1', promised=500),
        http(201, b"[]"),
        http(201, b'{"id": null}'),
        http(200, b"<html>welcome to the hotel</html>"),
        http(302, headers="Location: /\r\n"),
        http(408),
        http(502, b"\xff\xfe"),
        http(503, headers="Retry-After: 1\r\n"),
    ):
        async with wire(answer) as line, other(stand, line.url) as carrier:
            assert in_doubt(stand, await carrier.send(Phone(HANDSET), "word", number=stand.number)), answer
            assert line.requests == stand.tries
            assert await carrier.status("1") is None
            assert isinstance(await carrier.delete_copy("1"), not_deleted(stand))
            await breaks_off(carrier)


async def retry_after(stand: Stand) -> None:
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
        async with wire(http(429, headers=header)) as line, other(stand, line.url) as carrier:
            assert await carrier.send(Phone(HANDSET), "word", number=stand.number) == TryLater(expected)


async def wrong_token(stand: Stand) -> None:
    """A refused login is a refusal: the words certainly did not leave, and waiting will not help."""
    for status in (401, 403, 404):
        async with wire(http(status)) as line, other(stand, line.url) as carrier:
            outcome = await carrier.send(Phone(HANDSET), "word", number=stand.number)
            assert isinstance(outcome, Rejected)
            assert not outcome.opted_out
