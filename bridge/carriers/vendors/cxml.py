"""The family of Twilio: form webhooks signed over URL and fields, and its message resource of 2010.

Rules of this module: the signed string is made from the configured public URL and the raw path, never from the request;
since all fields must be sorted before anything is known of who sent them, what cannot be signed, or is larger than any
text, is refused before that; a send has no idempotency key, so what ended in doubt is unknown and is not repeated.

Sources: twilio 9.13.0 (`request_validator.py`, `rest/api/v2010/account/message`),
twilio.com/docs/messaging/guides/webhook-request, twilio.com/docs/api/errors, signalwire/docs (cXML, compatibility API).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import aiohttp

from bridge.carriers.adapter import (
    DeleteOutcome,
    DeliveryReport,
    Inbound,
    InboundText,
    NotYet,
    Rejected,
    SendOutcome,
    Status,
    Unwanted,
    WebhookRequest,
)
from bridge.carriers.base import Ordinary, shown
from bridge.carriers.client_credentials import basic
from bridge.carriers.error_codes import Sorting, Verdict
from bridge.carriers.http_request import Answer, ask, segment, session
from bridge.carriers.parsing import clean, code, form, identifier, same
from bridge.carriers.rate_limit import Rate
from bridge.carriers.vendors.cxml_fields import SIGNATURE, read_listing, signature, texted, urls
from bridge.runtime.phone_number import Phone

SORTING: Final = Sorting(
    taken=frozenset({200, 201}),
    message_id=lambda answer: answer.json.get("sid"),
    error=lambda answer: answer.json.get("code"),
    codes={
        "21610": Verdict.OPTED_OUT,
        # The number's queue is full; too many requests.
        "21611": Verdict.FOR_NOW,
        "20429": Verdict.FOR_NOW,
    },
)
TOO_EARLY: Final = 90.0
"""Seconds. A message can be deleted about a minute after it is final (20009)."""
LONGEST_VALIDITY: Final = 36_000
"""Seconds (`ValidityPeriod`). Twilio's; SignalWire's is 172800, and no pack comes near either."""
LARGEST: Final = 64 * 1024
"""Bytes of a webhook. A text of 1600 letters is some 20 KiB at most, and pictures are told by their addresses."""
RETRIED: Final = 15.0
"""Seconds that all calls of one webhook may take together (webhooks-connection-overrides; SignalWire's is the same)."""
PAGE: Final = 1000
MOST_PAGES: Final = 1000

STATUSES: Final[Mapping[str, Status]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
"""Their words for ours. The others (`accepted`, `queued`, `sending` …) say nothing new."""


class CxmlCarrier(Ordinary):
    """One line's connection to a vendor of the family, made inside the running event loop: Twilio's or SignalWire's."""

    lists = True
    answer = ("text/xml", b"<Response/>")
    patience = TOO_EARLY
    largest = LARGEST
    loose = RETRIED
    signature_header: ClassVar[str]
    media_first: ClassVar[bool] = False
    """Whether a message's media stays when the message is deleted, so that it must go before it."""

    def __init__(
        self,
        *,
        public_base_url: str,
        slug: str,
        numbers: tuple[str, ...],
        account: str,
        user: str,
        password: str,
        keys: Mapping[str, str],
        api_base: str,
        path: str,
        validity: int,
        rate: Rate,
        more: Mapping[str, str] | None = None,
        fragment: str = "",
        timeout: aiohttp.ClientTimeout,
    ) -> None:
        self.rate = rate
        self._public_base_url, self._numbers = public_base_url, numbers
        self._fragment = f"#{fragment}".encode() if fragment else b""
        self._keys = {algorithm: key.encode() for algorithm, key in keys.items()}
        self._api_base, self._messages = api_base, f"{path}/Accounts/{segment(account)}/Messages"
        self._each_time = {
            "StatusCallback": f"{public_base_url}/carriers/{slug}/status",
            "ValidityPeriod": str(min(max(validity, 1), LONGEST_VALIDITY)),
            **(more or {}),
        }
        self._http = session(timeout=timeout, headers={"Authorization": basic(user, password)})

    def verify(self, request: WebhookRequest) -> bool:
        """Check the signature, with and without the fragment that configures the vendor's retries.

        There is no time in it: a replay is stopped by the id alone.
        """
        key, told = self._keys.get(self.algorithm(request)), request.headers.get(self.signature_header, "")
        if key is None or not SIGNATURE.fullmatch(told):
            return False
        fields = form(request.body)
        # A list, so that each is compared, whichever is right.
        right = [
            same(signature(key, url + end, fields, algorithm=self.algorithm(request)), told)
            for url in urls(self._public_base_url, request.raw_path)
            for end in dict.fromkeys((b"", self._fragment))
        ]
        return any(right)

    def algorithm(self, request: WebhookRequest) -> str:  # noqa: ARG002 - Twilio's names it in a header
        """Return the hash that a request is signed with."""
        return "sha1"

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read a text, or the status of one of ours. By GET the fields are in the query."""
        fields = form(request.body) if request.body else form(request.raw_path.partition("?")[2])
        status = fields.get("MessageStatus", "received")
        if status in ("received", "receiving"):
            return (texted(fields) or Unwanted("channel"),)
        ours = STATUSES.get(status)
        if ours is None:
            return (Unwanted("event"),)
        return (SORTING.reported(identifier(fields, "MessageSid"), ours, code(fields.get("ErrorCode"))),)

    async def send(self, to: Phone, text: str, *, number: str) -> SendOutcome:
        """`POST …/Messages.json` → 201 `{"sid"}`; 4xx `{"code"}`; 429 is safe to repeat (20429)."""
        if not to.answerable:
            return Rejected("not-answerable")
        fields = {"To": to.reveal(), "From": number, "Body": clean(text), **self._each_time}
        return SORTING.sent(await ask(self._http, "POST", self._url(".json"), form=urlencode(fields).encode()))

    async def status(self, message_id: str) -> DeliveryReport | None:
        """`GET …/Messages/SID.json` → 200 with `status` and `error_code`."""
        got = await ask(self._http, "GET", self._one(message_id))
        if not isinstance(got, Answer) or got.status != 200:
            return None
        ours = STATUSES.get(str(got.json.get("status")))
        return None if ours is None else SORTING.reported(message_id, ours, code(got.json.get("error_code")))

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        """`DELETE …/Messages/SID.json` → 204; 404 when there is none; refused until the message is final (20009)."""
        if self.media_first and not await self._media_deleted(message_id):
            return NotYet(TOO_EARLY)
        return await self._erased(await ask(self._http, "DELETE", self._one(message_id)), message_id)

    async def copy_exists(self, message_id: str) -> bool | None:
        """`GET …/Messages/SID.json` → 200, or 404 when there is none."""
        return shown(await ask(self._http, "GET", self._one(message_id)))

    async def _media(self, message_id: str) -> list[Any] | None:
        """Return the ids of a message's media; None when they cannot be told."""
        got = await ask(self._http, "GET", self._url(f"/{segment(message_id)}/Media.json"))
        if not isinstance(got, Answer) or got.status not in (200, 404):
            return None
        found = got.json.get("media_list", []) if got.status == 200 else []
        return [item.get("sid") if isinstance(item, dict) else None for item in found] if isinstance(found, list) else None

    async def _media_deleted(self, message_id: str) -> bool:
        """Delete a message's media and look again: true when none is left."""
        for sid in await self._media(message_id) or ():
            if not isinstance(sid, str):
                return False
            done = await ask(self._http, "DELETE", self._url(f"/{segment(message_id)}/Media/{segment(sid)}.json"))
            if not isinstance(done, Answer) or done.status not in (204, 404):
                return False
        return await self._media(message_id) == []

    async def list_since(self, since: datetime) -> AsyncIterator[InboundText]:
        """`GET …/Messages.json?To=&DateSent>=`, for each of our numbers → `{"messages", "next_page_uri"}`, newest first.

        The vendors document a date there, no time, so the exact bound is ours. All pages are read before the first text is
        given, for the oldest comes last. Times are whole seconds, and a message's `date_sent` is when the vendor called our
        webhook, or tried to. A message that cannot be read lets the listing end as one that broke off, after the others.
        """
        since = since.astimezone(UTC).replace(microsecond=0)
        found: dict[str, tuple[datetime, InboundText]] = {}
        whole = True
        for number in self._numbers:
            texts, all_read = read_listing(await self._listed(number, since), since)
            whole = whole and all_read
            for at, text in texts:
                found.setdefault(text.message_id, (at, text))
        for _, text in sorted(found.values(), key=lambda pair: pair[0]):
            yield text
        if not whole:
            raise ConnectionError("a message of the carrier's listing cannot be read")

    async def _listed(self, number: str, since: datetime) -> list[Any]:
        """Return what the vendor lists for one number from the day before that time on, newest first."""
        day = (since - timedelta(days=1)).strftime("%Y-%m-%d")
        url = f"{self._url('.json')}?{urlencode({'To': number, 'DateSent>': day, 'PageSize': str(PAGE)})}"
        items: list[Any] = []
        asked = 0
        while url:
            page = await self._page(url)
            items += page["messages"]
            following, asked = page.get("next_page_uri"), asked + 1
            if following and (not isinstance(following, str) or not following.startswith("/") or asked > MOST_PAGES):
                raise ConnectionError("the carrier's listing has no end")
            url = self._api_base + following if following else ""
        return items

    async def _page(self, url: str) -> dict[str, Any]:
        got = await ask(self._http, "GET", url)
        if not isinstance(got, Answer) or got.status != 200 or not isinstance(got.json.get("messages"), list):
            raise ConnectionError("the carrier's listing broke off")
        return got.json

    def _one(self, message_id: str) -> str:
        return self._url(f"/{segment(message_id)}.json")

    def _url(self, rest: str) -> str:
        return f"{self._api_base}{self._messages}{rest}"
