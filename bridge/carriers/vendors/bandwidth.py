"""The adapter for Bandwidth (Messaging API v2).

Rules of this module: Bandwidth signs nothing, so a webhook must bear our Basic credentials *and* the secret segment of the
path; to Bandwidth we come with a token for client credentials, for its users with a password end on 2 December 2026.

Interface: `POST /users/ACCOUNT/messages` → 202 with `id`; webhooks are arrays of events, at least once each, in any order,
again for 24 hours until they are answered 2xx within 10 seconds. Long texts arrive whole. Sources: dev.bandwidth.com/docs,
messaging/{createMessage,webhooks,errors,getMessage,rateLimits}, account/applications and account/credentials/{management,
migration}; Bandwidth/python-sdk@ba8d157. Not tried against a live account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Self

import aiohttp

from bridge.carriers.adapter import (
    CannotDelete,
    DeleteOutcome,
    DeliveryReport,
    Inbound,
    Malformed,
    Rejected,
    SendOutcome,
    WebhookRequest,
)
from bridge.carriers.base import BaseCarrier
from bridge.carriers.client_credentials import TokenClient, basic_auth
from bridge.carriers.exposure import Exposure
from bridge.carriers.http_request import TIMEOUT, HttpResponse, http_session, path_segment
from bridge.carriers.parsing import constant_time_equal, has_path_secret, json_value, replace_unencodable
from bridge.carriers.rate_limit import Rate
from bridge.carriers.secret_strength import PathSecretFile
from bridge.carriers.vendors.bandwidth_events import ERROR_CODES, STATUSES, parse_event, parse_report
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import BaseUrl, CarrierSettings, NonEmpty, read_secret

RATE: Final = Rate(per_second=1.0, shared=True)
"""Segments: an account's queue empties at 60 a minute unless it was raised (docs/messaging/rateLimits)."""

EXPOSURE = Exposure(
    carrier="Bandwidth",
    keeps=(
        "Words: not stored; after the request they are in no callback and in no answer.",
        "Who texted whom and when, status, number of segments: in its message records, searchable for 14 days.",
        "Pictures that a texter sent: up to 48 hours, or until deleted.",
    ),
    we_delete=(),
    remains=("Its message records, as above: there is no deletion.", "What the telephone companies on the way keep."),
    bill_shows="One record for each segment, with both numbers and the time.",
    opt_outs=(
        "Long codes and short codes: none, STOP comes through and is obeyed here. "
        "Toll-free numbers: STOP, UNSTOP and START are obeyed by the network, before anything reaches us."
    ),
    speaks="From a toll-free number the network itself confirms STOP and UNSTOP. From other numbers nothing.",
    signed=(
        "No signature: Basic credentials and a secret segment of the path, both over TLS. "
        "Whoever learns both can forge a text."
    ),
    sources=(
        "dev.bandwidth.com/docs/messaging/createMessage",
        "dev.bandwidth.com/docs/messaging/getMessage",
        "dev.bandwidth.com/docs/messaging/webhooks",
        "dev.bandwidth.com/docs/messaging/errors",
        "dev.bandwidth.com/docs/account/applications",
        "dev.bandwidth.com/docs/account/credentials/management and …/migration (client credentials)",
        "support.bandwidth.com: 360010785613 (opt-out and opt-in words)",
        "github.com/Bandwidth/python-sdk@ba8d157",
    ),
    unconfirmed=(
        "How long message records are kept beyond the 14 days of one search.",
        "What exactly a line of the bill shows.",
        "How long a token is good, and whether it can be had too often (one is kept for as long as its answer says).",
        "That toll-free networks confirm STOP and UNSTOP by a text (read of Twilio's, not of Bandwidth's).",
    ),
)


class Settings(CarrierSettings):
    """Bandwidth. The application's inbound and outbound callbacks both get the callback credentials and the secret path.

    `client_id` and the client secret are an *API credential* of the account, with the role Messaging.
    """

    kind: Literal["bandwidth"]
    api_base: BaseUrl = "https://messaging.bandwidth.com/api/v2"
    account_id: NonEmpty
    application_id: NonEmpty
    client_id: NonEmpty
    client_secret_file: Path
    token_url: BaseUrl = "https://api.bandwidth.com/api/v1/oauth2/token"  # noqa: S105 - an address
    callback_username: NonEmpty
    callback_password_file: Path
    path_secret_file: PathSecretFile


class BandwidthCarrier(BaseCarrier):
    """One line's connection to Bandwidth. Made inside the running event loop."""

    kind = "bandwidth"
    exposure = EXPOSURE

    def __init__(
        self,
        *,
        api_base: str,
        token_url: str,
        account_id: str,
        application_id: str,
        login: tuple[str, str],
        callback_login: tuple[str, str],
        path_secret: str,
        validity: int,
        clock: Callable[[], float],
        rate: Rate = RATE,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
    ) -> None:
        self.rate = rate
        self._messages = f"{api_base}/users/{path_segment(account_id)}/messages"
        self._application_id, self._path_secret, self._validity, self._clock = application_id, path_secret, validity, clock
        self._right = basic_auth(*callback_login)
        self._http = http_session(timeout=timeout)
        self._api = TokenClient(self._http, url=token_url, login=login, clock=clock)

    @classmethod
    def make(
        cls,
        settings: Settings,
        *,
        public_base_url: str,  # noqa: ARG003 - nothing of it is signed
        slug: str,  # noqa: ARG003 - the callbacks are set at the application
        numbers: tuple[str, ...],  # noqa: ARG003 - each text says its own
        validity: int,
        clock: Callable[[], float],
    ) -> Self:
        """Make it from its settings."""
        return cls(
            api_base=settings.api_base,
            account_id=settings.account_id,
            application_id=settings.application_id,
            token_url=settings.token_url,
            login=(settings.client_id, read_secret(settings.client_secret_file)),
            callback_login=(settings.callback_username, read_secret(settings.callback_password_file)),
            path_secret=read_secret(settings.path_secret_file),
            validity=validity,
            rate=replace(RATE, per_second=settings.texts_per_second),
            clock=clock,
        )

    def verify(self, request: WebhookRequest) -> bool:
        """Check the credentials and the path. Source: docs/account/applications, `InboundCallbackCreds`."""
        path = has_path_secret(request.raw_path, self._path_secret)
        return constant_time_equal(self._right, request.headers.get("Authorization", "")) and path

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read an array of events; one that is malformed spoils no other. Source: docs/messaging/webhooks."""
        events = json_value(request.body)
        if not isinstance(events, list) or not events:
            raise Malformed("body: not an array of events")
        return tuple(parse_event(event) for event in events)

    async def send(self, to: Phone, text: str, *, number: str) -> SendOutcome:
        """`POST /users/ACCOUNT/messages` → 202 `{"id"}`; 4xx `{"type"}`; 429 when the account's queue is full."""
        if not to.answerable:
            return Rejected("not-answerable")
        expires = datetime.fromtimestamp(self._clock(), UTC).replace(microsecond=0) + timedelta(seconds=self._validity)
        body = {
            "applicationId": self._application_id,
            "to": [to.reveal()],
            "from": number,
            "text": replace_unencodable(text),
            "expiration": expires.isoformat().replace("+00:00", "Z"),
        }
        return ERROR_CODES.send_outcome(await self._api.request("POST", self._messages, json=body))

    async def status(self, message_id: str) -> DeliveryReport | None:
        """`GET /users/ACCOUNT/messages?messageId=` → 200 with `messages[0].messageStatus`."""
        got = await self._api.request("GET", f"{self._messages}?messageId={path_segment(message_id)}")
        found = got.json.get("messages") if isinstance(got, HttpResponse) and got.status == 200 else None
        for item in found if isinstance(found, list) else ():
            if isinstance(item, dict) and item.get("messageId") == message_id:
                status = STATUSES.get(str(item.get("messageStatus")))
                return parse_report(message_id, status, item.get("errorCode")) if status else None
        return None

    async def delete_copy(self, message_id: str) -> DeleteOutcome:  # noqa: ARG002 - whatever it is
        """Say what is so: there is nothing to ask for. Source: docs/messaging/getMessage."""
        return CannotDelete(
            "does not store the words; keeps both numbers and the time in its message records, and pictures for 48 hours"
        )
