"""Classifies a vendor's answer: accepted, refused for good, opted out, refused for now, or unknown.

Rules of this module: the meaning of codes is a table of the adapter, with all codes that do not mean "refused for good". An
answer that leaves open whether a text left means unknown. A code that is not in the table is final: a text that is sent
twice by mistake is worse than one that a person has to send again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from typing import Any, Final

from bridge.carriers.adapter import Accepted, DeliveryReport, Rejected, SendOutcome, Status, UnknownOutcome
from bridge.carriers.http_request import HttpResponse, RequestOutcome
from bridge.carriers.parsing import MESSAGE_ID_FORM, error_code

SUCCESS: Final = frozenset({200, 201, 202})


@unique
class Verdict(Enum):
    """The meaning of a vendor's code for a text. A code that is not in the table means: refused for good."""

    RETRY_LATER = "for_now"
    """Certainly not accepted, for the moment."""
    OPTED_OUT = "opted_out"
    """The texter sent STOP to the vendor itself."""
    UNKNOWN = "unknown"
    """It is unknown what happened to the text."""


VerdictByCode = Mapping[str, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCodes:
    """How to read one vendor's answers. `accepted_statuses`: the HTTP statuses that mean accepted.

    `message_id` and `error` find the id and the code in an answer, and return None or any value where there is none;
    `retry_seconds`: seconds after which a text that was refused for now is tried again, when the vendor names no time.
    """

    error: Callable[[HttpResponse], Any]
    message_id: Callable[[HttpResponse], Any]
    codes: VerdictByCode
    accepted_statuses: frozenset[int] = SUCCESS
    retry_seconds: float = 60.0

    def send_outcome(self, outcome: RequestOutcome, *, ours: str = "") -> SendOutcome:
        """Return the outcome of a send. `ours`: the text's id, if we choose it."""
        unknown = UnknownOutcome()
        if not isinstance(outcome, HttpResponse):
            return unknown if isinstance(outcome, UnknownOutcome) else outcome
        if outcome.status == 429:
            return outcome.try_later()
        if outcome.outcome_unknown:
            return unknown
        if outcome.status < 400:
            message_id = ours or self.message_id(outcome)
            is_accepted = (
                outcome.status in self.accepted_statuses
                and isinstance(message_id, str)
                and MESSAGE_ID_FORM.fullmatch(message_id)
            )
            return Accepted(str(message_id)) if is_accepted else unknown
        code = error_code(self.error(outcome), f"http-{outcome.status}")
        match self.codes.get(code):
            case Verdict.RETRY_LATER:
                return outcome.try_later(self.retry_seconds)
            case Verdict.UNKNOWN:
                return unknown
            case verdict:
                return Rejected(code, opted_out=verdict is Verdict.OPTED_OUT)

    def delivery_report(self, message_id: str, status: Status, code: str = "", *, reference: str = "") -> DeliveryReport:
        """Make a report from a vendor's status and code: a failure may be an opt-out, or unknown."""
        if status == "failed":
            match self.codes.get(code):
                case Verdict.OPTED_OUT:
                    status = "opted_out"
                case Verdict.UNKNOWN:
                    # The vendor does not know the outcome, so we do not either.
                    status = "sent"
        return DeliveryReport(message_id=message_id, status=status, code=code, reference=reference)
