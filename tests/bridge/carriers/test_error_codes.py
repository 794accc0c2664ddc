"""The one place where a vendor's answers are sorted."""

from __future__ import annotations

import json

import pytest

from bridge.carriers.adapter import Accepted, DeliveryReport, Rejected, SendOutcome, Status, TryLater, UnknownOutcome
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.http_request import HttpResponse, RequestOutcome
from tests.every_row import every_row

ERROR_CODES = ErrorCodes(
    message_id=lambda answer: answer.json.get("id"),
    error=lambda answer: answer.json.get("code"),
    codes={"1": Verdict.OPTED_OUT, "2": Verdict.RETRY_LATER, "3": Verdict.UNKNOWN, "http-409": Verdict.UNKNOWN},
    retry_seconds=9.0,
)


def answer(status: int, retry_after: str | None = None, **fields: object) -> HttpResponse:
    return HttpResponse(status=status, body=json.dumps(fields).encode(), retry_after=retry_after)


@every_row(
    ("outcome", "expected"),
    [
        (answer(200, id="a"), Accepted("a")),
        (answer(200, id="a b"), UnknownOutcome()),
        (answer(204, id="a"), UnknownOutcome()),
        (answer(302), UnknownOutcome()),
        (answer(500, code="1"), UnknownOutcome()),
        (answer(400, code="1"), Rejected("1", opted_out=True)),
        (answer(400, code="2"), TryLater(9.0)),
        (answer(400, code="2", retry_after="4"), TryLater(4.0)),
        (answer(400, code="3"), UnknownOutcome()),
        (answer(400, code=4), Rejected("4")),
        (answer(400, code="some words"), Rejected("http-400")),
        # The number of a phone, whole or without its country, in place of a code: it would be shown, and kept unsealed.
        (answer(400, code="15555550147"), Rejected("http-400")),
        (answer(400, code=5550147), Rejected("http-400")),
        (answer(400, code="to-15555550147"), Rejected("http-400")),
        (answer(400, code="555-555-0147"), Rejected("http-400")),
        (answer(409), UnknownOutcome()),
        (answer(429, code="1"), TryLater(1.0)),
        (TryLater(2.0), TryLater(2.0)),
        (UnknownOutcome(), UnknownOutcome()),
    ],
)
def test_what_an_answer_means(outcome: RequestOutcome, expected: SendOutcome) -> None:
    """Taken, never, opted out, for now, or unknown; a code that nobody knows is final, and no answer is a guess."""
    assert ERROR_CODES.send_outcome(outcome) == expected


@pytest.mark.parametrize("outcome", [answer(500), answer(302), answer(400, code="3"), UnknownOutcome()])
def test_an_id_of_ours(outcome: RequestOutcome) -> None:
    """Where we choose the id, an acceptance has it, and no answer makes a doubt to an acceptance."""
    assert ERROR_CODES.send_outcome(outcome, ours="x") == UnknownOutcome()
    assert ERROR_CODES.send_outcome(answer(200), ours="x") == Accepted("x")


@every_row(
    ("status", "code", "expected"),
    [
        ("failed", "1", "opted_out"),
        ("failed", "2", "failed"),
        ("failed", "3", "sent"),
        ("failed", "", "failed"),
        ("delivered", "1", "delivered"),
        ("sent", "3", "sent"),
    ],
)
def test_what_a_report_means(status: Status, code: str, expected: Status) -> None:
    """Only a failure is looked up: it may be an opt-out, or say that the vendor does not know."""
    assert ERROR_CODES.delivery_report("a", status, code) == DeliveryReport(message_id="a", status=expected, code=code)
