"""The adapter for a Kannel gateway (1.4, 1.5).

Rules of this module: Kannel texts our answer to its `sms-service` to the phone, so the answer is empty, and the service
*must* have `max-messages = 0` and `omit-empty = true`, or the gateway texts a survivor by itself. Words are sent in the
body of a request, never in a URL, because URLs end in logs.

Interface: `POST /cgi-bin/sendsms` with `X-Kannel-*` headers → 202. It returns no id: ours is in the `dlr-url`. Inbound
texts by `post-url`, reports by GET. (A `get-url` is accepted as well, but do not run a line with it: a survivor's words
would be in the log of every proxy, and a long text is too long for some.) By default it does not retry (`http-request-retry
= 0`): a text that comes during an outage of ours is lost; set it. Long texts arrive whole with
`sms-combine-concatenated-mo`, the default; a report is about the first part only, so a text in several parts never gets
further than "sent". Sources: the user guide, "SMSBox" and "Delivery Reports"; gw/smsbox.c, gw/urltrans.c, gw/sms.c in
pruiz/kannel@cdbcfc1; and release 1.4.5 itself, which the tests run (`tests/fakes/kannel_program.py`).

Kannel cuts a long text by octets. In GSM-7 it keeps an escape pair whole; in UCS-2 it cuts an emoji at the border of two
parts in half, and handsets that decode each part separately show two replacement characters. Only such a text is cut here
and sent part by part, each with its own header (3GPP TS 23.040 §9.2.3.24.1): a handset shows none of it until all parts
have come. If the first is refused, nothing left; if a later one is, it is unknown what the handset shows.

Kannel accepts a text of more than `max-messages` parts and drops the rest without a word (`sms_split` in gw/sms.c): a text
of more than `MAX_PARTS` is refused here.

Configuration, with `/carriers/LINE/inbound/SECRET` for `URL`:

    group = sms-service: keyword = default, catch-all = true, max-messages = 0, omit-empty = true, send-sender = true,
                         post-url = "URL?id=%I"
    group = sendsms-user: concatenation = true, max-messages = 10
    group = smsbox:      http-request-retry = 8640, http-queue-delay = 10, no access-log
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

from bridge.carriers.adapter import (
    Accepted,
    AdapterContext,
    Exposure,
    Ignored,
    Inbound,
    InboundText,
    Malformed,
    Rejected,
    SendOutcome,
    Status,
    UnknownOutcome,
    WebhookRequest,
)
from bridge.carriers.error_codes import ErrorCodes
from bridge.carriers.http_request import TIMEOUT, HttpResponse, Timeout, send_request
from bridge.carriers.parsing import error_code, form_fields, id_field, parse_iso_time, replace_unencodable, string_field
from bridge.carriers.vendors.smpp_gateway import SmppGateway, SmppGatewaySettings, decode_text, form_bytes, splits_character
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import BaseUrl
from policies.segments import segments

EXPOSURE = Exposure(
    carrier="Kannel (a gateway of one's own)",
    keeps=(
        "Its access log: words and numbers of every text, until the log is deleted. Without `access-log` there is none.",
        "Its store: texts that have not left, until they do.",
        "The SMPP provider behind it: what its contract says.",
    ),
    we_delete=(),
    remains=("Everything above: it has no deletion; whoever runs it deletes its logs.",),
    bill_shows="Nothing of its own. The SMPP provider's bill shows what its contract says.",
    opt_outs="None of its own (a black list may be configured); the SMPP provider's are its own.",
    speaks=(
        'Whatever a webhook is answered, and sentences like "Empty reply from service provider", unless `max-messages = 0` '
        "and `omit-empty = true` stand in its sms-service."
    ),
    signed="No signature: a secret segment of the path, over TLS. Whoever learns it can forge a text.",
    sources=("Kannel user guide 1.5", "github.com/pruiz/kannel@cdbcfc1 (gw/smsbox.c, gw/urltrans.c, gw/sms.c)"),
    unconfirmed=(
        "What a given SMPP provider does to texts; between that and us, release 1.4.5 was tried.",
        "Whether a text is lost of which the provider's receipt says UNKNOWN: Kannel reports it as failed, like UNDELIV.",
    ),
)

ERROR_CODES: Final = ErrorCodes(
    accepted_statuses=frozenset({202}),
    message_id=lambda answer: None,  # noqa: ARG005 - the id is ours
    error=lambda answer: None,  # noqa: ARG005 - its errors are for people to read
    codes={},
)

_REPORTS: Final[dict[str, Status]] = {"1": "delivered", "2": "failed", "4": "sent", "8": "sent", "16": "failed"}
_REPORT_MASK: Final = "27"
"""Delivered, not delivered, at the SMS centre, refused by it. Without 4 (queued), which brings nothing new."""
_TEMPORARY_FAILURE: Final = (503, b"Temporal failure, try again later.")
_LOGIN_REFUSED: Final = (403, b"Authorization failed for sendsms")
"""Nothing was accepted before this answer. At each start smsbox opens its port before it has read its users, and refuses
every login for a moment; so the refusal is permanent only if it was the only answer for `STARTING_SECONDS`."""
MAX_PARTS: Final = 10
"""`max-messages` of our `sendsms-user`, as above."""
STARTING_SECONDS: Final = 20.0
LOGIN_REFUSED_CODE: Final = "login-refused"
_EPOCH = re.compile(r"[0-9]{1,10}")


class Settings(SmppGatewaySettings):
    """Kannel. `username` and `password_file` are those of a `sendsms-user`."""

    kind: Literal["kannel"]
    api_base: BaseUrl = "http://127.0.0.1:13013"


class KannelCarrier(SmppGateway):
    """One line's gateway. Made inside the running event loop. `clock`: seconds, monotonic."""

    kind = "kannel"
    settings = Settings
    reference_is_id = True
    exposure = EXPOSURE
    send_path = "/cgi-bin/sendsms"
    retention = "for as long as its own access log does, which you can switch off; the SMPP provider keeps what it keeps"

    def __init__(self, settings: Settings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        super().__init__(settings, line, timeout=timeout)
        self._clock: Callable[[], float] = time.monotonic
        self._refused: tuple[float, float] | None = None
        """When the first and the last of the answers came that refuse our login, since any other."""

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read a report (it has `dlr`), or a text: from the query (`text`), or from the body with `X-Kannel-*` headers."""
        path, _, query = request.raw_path.partition("?")
        fields = form_fields(query)
        if "dlr" in fields:
            status = _REPORTS.get(fields["dlr"])
            if status is None:
                return (Ignored("event"),)
            if status == "delivered" and fields.get("parts") != "1":
                # The report is about the first part only.
                status = "sent"
            code = error_code(fields.get("err", "")) if status == "failed" else ""
            return (ERROR_CODES.delivery_report(id_field(fields, "id"), status, code),)
        if path.rstrip("/").rpartition("/")[0].endswith("/status"):
            raise Malformed("dlr: not there")
        headers = request.headers
        if "text" in fields:
            words, charset = form_bytes(fields["text"]), fields.get("charset", "")
            source, to, at = fields.get("from"), fields.get("to"), _parse_epoch(fields.get("at", ""))
        else:
            words, charset = request.body, headers.get("Content-Type", "").partition("charset=")[2]
            source, to, at = (
                headers.get("X-Kannel-From"),
                headers.get("X-Kannel-To"),
                parse_iso_time(f"{headers.get('X-Kannel-Time', '')}+00:00"),
            )
        phone = self.parse_sender(string_field({"from": source}, "from"))
        if phone is None:
            return (Ignored("group"),)
        text = decode_text(words, charset)
        message_id = id_field(fields, "id")
        return (InboundText(message_id=message_id, sender=phone, text=text, to=self.e164_or_empty(to), at=at),)

    async def send(self, to: Phone, text: str, *, number: str, reference: str) -> SendOutcome:
        """`POST /cgi-bin/sendsms` → 202; 4xx never.

        503 "Temporal failure" and a login that is refused at first: try later.
        """
        if not to.answerable:
            return Rejected("not-answerable")
        text = replace_unencodable(text)
        cut = segments(text)
        if cut.count > MAX_PARTS:
            return Rejected("too-many-parts")
        headers = {
            "X-Kannel-Username": self._login[0],
            "X-Kannel-Password": self._login[1],
            "X-Kannel-From": number,
            "X-Kannel-To": to.reveal(),
            "X-Kannel-Coding": "0" if cut.encoding == "gsm7" else "2",
            "X-Kannel-Validity": str(self._minutes),
            "X-Kannel-DLR-Mask": _REPORT_MASK,
            # Kannel fills in %d and %B: the outcome, and the SMS centre's error.
            "X-Kannel-DLR-Url": f"{self._status_url}?id={reference}&parts={cut.count}&dlr=%d&err=%B",
            "Content-Type": "text/plain; charset=UTF-8",
        }
        if cut.encoding == "gsm7" or not splits_character(cut):
            # If Kannel cuts the text into several parts, other parts may have been accepted.
            return await self._send(text, headers, reference, alone=cut.count == 1)
        split = secrets.randbelow(256)
        for part, words in enumerate(cut.parts, 1):
            header = {"X-Kannel-UDH": bytes((5, 0, 3, split, cut.count, part)).hex()}
            outcome = await self._send(words, headers | header, reference, alone=True)
            if not isinstance(outcome, Accepted):
                return outcome if part == 1 else UnknownOutcome()
        return Accepted(reference)

    async def _send(self, text: str, headers: Mapping[str, str], message_id: str, *, alone: bool) -> SendOutcome:
        """Make one request. `alone`: the text has one part on the air, so a refusal is about all of it."""
        got = await send_request(self._http, "POST", self._send_url, form=text.encode(), headers=headers)
        answer = (got.status, got.body.strip()) if isinstance(got, HttpResponse) else None
        if isinstance(got, HttpResponse) and answer == _LOGIN_REFUSED:
            return got.try_later() if self._may_be_starting() else Rejected(LOGIN_REFUSED_CODE)
        self._refused = None
        if isinstance(got, HttpResponse) and alone and answer == _TEMPORARY_FAILURE:
            return got.try_later()
        return ERROR_CODES.send_outcome(got, ours=message_id)

    def _may_be_starting(self) -> bool:
        """Note that our login is refused; return whether it was accepted, or not used, within `STARTING_SECONDS`."""
        now = self._clock()
        first, last = self._refused or (now, now)
        if now - last > STARTING_SECONDS:
            first = now
        self._refused = first, now
        return now - first < STARTING_SECONDS


def _parse_epoch(value: str) -> datetime | None:
    return datetime.fromtimestamp(int(value), UTC) if _EPOCH.fullmatch(value) else None
