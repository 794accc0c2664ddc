"""The defaults of an adapter, for a carrier whose vendor module does not override them.

Rule of this module: the only request made here is the check of a deletion. What a vendor offers is in its own module; an
adapter that inherits a "no" from here has a vendor without that service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, ClassVar, Final

from bridge.carriers.adapter import (
    AdapterContext,
    Deleted,
    DeleteLater,
    DeleteOutcome,
    DeletionUnconfirmed,
    DeliveryReport,
    Exposure,
    Listed,
)
from bridge.carriers.http_request import CarrierHttp, HttpResponse, RequestOutcome
from bridge.runtime.request_guard import Question, guard
from bridge.runtime.settings import CarrierSettings

MAX_WEBHOOK_BYTES: Final = 4 * 1024 * 1024
"""Largest webhook, in bytes. No text is that long; the longest of a person has a few kilobytes."""

_NOTHING: tuple[Listed, ...] = ()


class BaseCarrier:
    """The common part of most adapters. An adapter sets `_http` and is made from `settings` of its own."""

    kind: str
    settings: type[CarrierSettings]
    """Its section of the configuration, from which it is made."""
    exposure: Exposure
    can_list: bool = False
    can_refresh: bool = False
    webhook_response: tuple[str, bytes] = ("text/plain", b"")
    reference_is_id: bool = False
    refusal_status: int = 403
    challenge: str = ""
    max_webhook_bytes: int = MAX_WEBHOOK_BYTES
    unordered_within: float = 0.0
    delete_retry_seconds: ClassVar[float] = 60.0
    """Seconds after which a failed deletion is requested again."""
    _http: CarrierHttp

    def __init__(self, settings: Any, line: AdapterContext) -> None:
        """Make the adapter from its settings, inside the running event loop (see `registry.make_carrier`)."""
        raise NotImplementedError  # abstract: each adapter takes settings of its own

    async def status(self, message_id: str) -> DeliveryReport | None:  # noqa: ARG002 - the answer is the same for all
        """Return None: the vendor has no call for the state of a single text."""
        return None

    async def copy_exists(self, message_id: str) -> bool | None:  # noqa: ARG002 - the answer is the same for all
        """Return None: the vendor has no call that shows a single text."""
        return None

    async def list_since(self, since: datetime) -> AsyncIterator[Listed]:  # noqa: ARG002 - the answer is the same for all
        """Yield nothing: the vendor lists no texts."""
        for text in _NOTHING:
            yield text

    def guard(self, question: Question) -> None:
        """Set the check that is made immediately before bytes of a request leave for the carrier."""
        for session in self._http.sessions:
            guard(session, question)

    async def close(self) -> None:
        """End the HTTP sessions."""
        await self._http.close()

    async def _delete_outcome(self, outcome: RequestOutcome, message_id: str) -> DeleteOutcome:
        """Classify the answer to a DELETE: 404 is confirmed, 204 is checked, any other is tried later."""
        if not isinstance(outcome, HttpResponse):
            return DeleteLater(self.delete_retry_seconds)
        if outcome.status == 404:
            return Deleted()
        if outcome.status != 204:
            return DeleteLater(outcome.try_later(self.delete_retry_seconds).retry_after)
        match await self.copy_exists(message_id):
            case False:
                return Deleted()
            case True:
                return DeleteLater(self.delete_retry_seconds)
        return DeletionUnconfirmed(self.delete_retry_seconds)


def classify_copy_answer(outcome: RequestOutcome) -> bool | None:
    """Classify the answer to a request for a copy: 200 is True, 404 is False, any other is None."""
    return {200: True, 404: False}.get(outcome.status) if isinstance(outcome, HttpResponse) else None
