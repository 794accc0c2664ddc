"""The adapter for a Jasmin gateway (0.10 to 0.12).

Rules of this module: a webhook is acknowledged by exactly `ACK/Jasmin`, and only when the text is kept. The words of a text
are read from `binary` and `coding`, as they were on the air, because `content` was converted between alphabets before.

Measured with 0.10.13 and 0.11.1 behind an SMSC of our own: `coding` is the data coding as one byte, not as digits; of texts
with a `validity-period` one in ten is dropped after it was accepted (jookies/jasmin#1179: the tenths of a second get two
digits), and the time is the gateway's local one, so that outside UTC texts expire before they leave. Therefore no validity
period is sent, and the SMPP provider's own applies. 0.11.1 forwards no delivery report (`'SubmitSM' object has no attribute
'response'` in its log): use 0.10.13, where all of them come.

Read in 0.10.13 (protocols/smpp/operations.py): Jasmin cuts a long text at every 153rd septet or 67th unit, even within a
letter; and of more than `long_content_max_parts` (5) it drops the rest silently. So a text in GSM-7 that would be damaged
is sent as UCS-2, where only an emoji can be damaged; a text that would still be damaged, or has too many parts, is refused
here: its author can send it as two.

Interface: `POST /send` → 200 `Success "UUID"`, else `Error "…"`. Inbound texts and reports by POST (GET is accepted, but
URLs end in logs), three retries 30 seconds apart, and none after a 404: then the text is lost, as in a longer outage of
ours. Long texts arrive whole, if all their parts come within five minutes; a report is about the last part, so a text in
several parts never gets further than "sent". Sources: jookies/jasmin@0aac58e (misc/doc/sources/apis/http;
protocols/http/endpoints/send.py, routing/throwers.py, managers/configs.py, managers/dlr.py, managers/listeners.py), and a
live gateway.

After four errors of the SMPP provider Jasmin tries again (`submit_error_retrial`, `submit_sm_resp_event`). It reports the
error at once, and with that forgets that reports were asked for (`submit_sm_resp_dlr_callback`): how the next tries end is
never told (jookies/jasmin#796). Such an error is no failure here, because a person would send the text again, which may
still leave. Where the gateway does not try again (`retries: false`), it is one.

Configuration: an `httpccm` to `/carriers/LINE/inbound/SECRET` with method POST, a default MO route to it, `log_privacy =
True` in each section that has it, and in `deliversm-thrower` no more than the defaults, `max_retries = 3`, `retry_delay =
30` and `http_timeout = 30`: a text has no time, so one that was delayed for hours counts as just arrived, and gets an
automatic reply. A report may be delayed for long: more `max_retries` in `dlr-thrower` do no harm. In `sm-listener`
`submit_error_retrial = {}` with `retries: false` here, and `submit_max_age_smppc_not_ready = 300`: by default a text leaves
up to ten minutes late after such an error, and up to twenty while the connection is down, also after a STOP meanwhile.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from pydantic import Field

from bridge.carriers.adapter import (
    AdapterContext,
    Exposure,
    Ignored,
    Inbound,
    InboundText,
    Malformed,
    Rejected,
    SendOutcome,
    Status,
    WebhookRequest,
)
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.http_request import TIMEOUT, HttpResponse, Timeout, send_request
from bridge.carriers.parsing import (
    error_code,
    form_fields,
    id_field,
    query_reference,
    replace_unencodable,
    string_field,
)
from bridge.carriers.vendors.smpp_gateway import (
    SmppGateway,
    SmppGatewaySettings,
    decode_gsm7,
    decode_text,
    form_bytes,
    splits_character,
)
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import BaseUrl
from policies.segments import UCS2_PART, UCS2_SINGLE, segments

EXPOSURE = Exposure(
    carrier="Jasmin (a gateway of one's own)",
    keeps=(
        "Its logs: words and numbers of every text unless `log_privacy = True`, and numbers even then, until deleted.",
        (
            "Its queues and Redis: texts under way, which report belongs to which text, and parts of long texts that wait "
            "for others. After five minutes those parts are dropped: a long text that lost one never comes at all."
        ),
        (
            "It tells the parts of long texts apart by our number and a reference from 0 to 255, not by who sent them: of "
            "two long texts within those minutes parts may get mixed up. (Most SMPP providers can put them together "
            "themselves: ask for it.)"
        ),
        (
            "A text that it cannot bring: for some minutes (`max_retries = 3`, `retry_delay = 30` in `deliversm-thrower`; "
            "leave them so), then it is lost. No text bears its time: one that was held there counts here as just arrived, "
            "and may be answered by itself."
        ),
        (
            "A text that the SMPP provider refuses for a while: for ten minutes at most. It may leave that late, which no "
            "report tells. With `submit_error_retrial = {}` in `sm-listener` it is not tried again."
        ),
        (
            "A text while the SMPP connection is down: for twenty minutes at most (`submit_max_age_smppc_not_ready` in "
            "`sm-listener`, in seconds). Then it is dropped, and nothing says so."
        ),
        (
            "A text to a phone that is off: for as long as the SMPP provider tries by itself. A time to give up cannot be "
            "told, for Jasmin throws away one in ten texts that bear one."
        ),
        "The SMPP provider behind it: what its contract says. Of Jasmin 0.11.1 no delivery report comes; use 0.10.13.",
    ),
    we_delete=(),
    remains=("Everything above: it has no deletion; whoever runs it deletes its logs.",),
    bill_shows="Nothing of its own. The SMPP provider's bill shows what its contract says.",
    opt_outs="None of its own; the SMPP provider's are its own.",
    speaks="None.",
    signed="No signature: a secret segment of the path, over TLS. Whoever learns it can forge a text.",
    sources=("github.com/jookies/jasmin@0aac58e (misc/doc, protocols/http, routing/throwers.py, managers)",),
    unconfirmed=(
        "In which alphabet a given SMPP provider writes `coding` 0; it is set by `default_alphabet`.",
        "How long a text may stand in its queues, or with the SMPP provider, while the gateway itself does not run.",
    ),
)

MAX_PARTS: Final = 5
"""Most parts of a text that Jasmin sends, unless its `long_content_max_parts` is set."""
RETRY_WINDOW: Final = 45.0
"""Seconds: its retries are 30 seconds apart (`retry_delay`), and a call takes some time."""

_SUCCESS = re.compile(rb'\s*Success "([A-Za-z0-9_-]{1,64})"\s*')


def _message_id(answer: HttpResponse) -> str | None:
    match = _SUCCESS.fullmatch(answer.body)
    return match.group(1).decode() if match else None


ERROR_CODES: Final = ErrorCodes(
    accepted_statuses=frozenset({200}),
    message_id=_message_id,
    # `Error "User throughput exceeded"`; its other errors are for people to read.
    error=lambda answer: "too-fast" if answer.status == 403 and b"throughput exceeded" in answer.body else None,
    codes={"too-fast": Verdict.RETRY_LATER},
    retry_seconds=1.0,
)

_REPORTS: Final[dict[str, Status]] = {
    "ESME_ROK": "sent",
    "ACCEPTD": "sent",
    "ENROUTE": "sent",
    # Jasmin does not know the outcome, so we do not either.
    "UNKNOWN": "sent",
    "DELIVRD": "delivered",
    "EXPIRED": "failed",
    "DELETED": "failed",
    "UNDELIV": "failed",
    "REJECTD": "failed",
}
_TEMPORARY_ERRORS: Final = frozenset({"ESME_RSYSERR", "ESME_RTHROTTLED", "ESME_RMSGQFUL", "ESME_RINVSCHED"})
"""Errors after which Jasmin tries again, by the default of `submit_error_retrial`."""
# SMPP 3.4 §5.2.19, without the default alphabet.
_CODINGS: Final = {"1": "us-ascii", "3": "iso-8859-1", "6": "iso-8859-5", "7": "iso-8859-8", "8": "utf-16be"}
_DEFAULT_CODINGS: Final = frozenset({"", "0", "240", "241", "242", "243"})
"""`coding` that means the default alphabet: none, and those with a message class (3GPP TS 23.038 §4)."""


def _data_coding(coding: str) -> str:
    """Return the data coding in digits, whether it came as digits or as one byte."""
    octets = form_bytes(coding)
    return str(octets[0]) if len(octets) == 1 and not octets.isdigit() else coding


class Settings(SmppGatewaySettings):
    """Jasmin. `default_alphabet`: the alphabet that the SMPP provider uses for `coding` 0.

    `max_parts` is `long_content_max_parts` of its `http-api`: it would drop the rest of a longer text. `retries`: False
    when `submit_error_retrial` of its `sm-listener` is empty.
    """

    kind: Literal["jasmin"]
    api_base: BaseUrl = "http://127.0.0.1:1401"
    default_alphabet: Literal["gsm0338", "iso-8859-1", "us-ascii", "utf-8"] = "gsm0338"
    max_parts: Annotated[int, Field(ge=1, le=255)] = MAX_PARTS
    retries: bool = True


class JasminCarrier(SmppGateway):
    """One line's gateway. Made inside the running event loop."""

    kind = "jasmin"
    settings = Settings
    exposure = EXPOSURE
    unordered_within = RETRY_WINDOW
    send_path = "/send"
    webhook_response = ("text/plain", b"ACK/Jasmin")
    retention = (
        "for as long as its own logs do, which you can tell to leave the words out; the SMPP provider keeps what it keeps"
    )

    def __init__(self, settings: Settings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        super().__init__(settings, line, timeout=timeout)
        self._default_alphabet, self._max_parts = settings.default_alphabet, settings.max_parts
        self._retries = settings.retries

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read a report (it has `message_status`) or a text (it has `binary`). Source: apis/http/index.rst."""
        fields = form_fields(request.body or request.raw_path.partition("?")[2])
        message_id = id_field(fields, "id")
        if "message_status" in fields:
            status, error = string_field(fields, "message_status"), fields.get("err", "")
            if self._retries and status in _TEMPORARY_ERRORS:
                status = "UNKNOWN"
            return (_parse_report(message_id, status, error, raw_path=request.raw_path),)
        phone = self.parse_sender(string_field(fields, "from"))
        if phone is None:
            return (Ignored("group"),)
        text, to = (
            self._decode_text(string_field(fields, "binary"), fields.get("coding", "")),
            self.e164_or_empty(fields.get("to")),
        )
        return (InboundText(message_id=message_id, sender=phone, text=text, to=to),)

    def _decode_text(self, binary: str, coding: str) -> str:
        try:
            octets = bytes.fromhex(binary)
        except ValueError:
            octets = None
        if octets is None:
            raise Malformed("binary: not hexadecimal")
        coding = _data_coding(coding)
        if coding not in _DEFAULT_CODINGS:
            return decode_text(octets, _CODINGS.get(coding, "utf-8"))
        if self._default_alphabet == "gsm0338":
            return decode_gsm7(octets)
        return decode_text(octets, self._default_alphabet)

    async def send(self, to: Phone, text: str, *, number: str, reference: str) -> SendOutcome:
        """`POST /send` → 200 `Success "UUID"`; 403 `Error "User throughput exceeded"`: too fast; other 4xx: never."""
        if not to.answerable:
            return Rejected("not-answerable")
        text, cut = replace_unencodable(text), segments(replace_unencodable(text))
        as_gsm7 = cut.encoding == "gsm7" and not splits_character(cut)
        parts = cut.count
        if not as_gsm7:
            units = len(text.encode("utf-16-be")) // 2
            parts = 1 if units <= UCS2_SINGLE else -(-units // UCS2_PART)
        if parts > self._max_parts:
            return Rejected("too-many-parts")
        if cut.encoding == "ucs2" and splits_character(cut):
            return Rejected("emoji-at-a-border")
        if as_gsm7:
            words = {"coding": "0", "content": text}
        else:
            words = {"coding": "8", "hex-content": text.encode("utf-16-be").hex()}
        body = {
            "username": self._login[0],
            "password": self._login[1],
            # SMPP writes addresses without `+` (§5.2.8).
            "to": to.reveal().removeprefix("+"),
            "from": number.removeprefix("+"),
            "dlr": "yes",
            "dlr-url": f"{self._status_url}?parts={parts}&ref={reference}",
            "dlr-level": "3",
            "dlr-method": "POST",
            **words,
        }
        got = await send_request(self._http, "POST", self._send_url, form=urlencode(body).encode())
        return ERROR_CODES.send_outcome(got)


def _parse_report(message_id: str, message_status: str, error: str, *, raw_path: str) -> Inbound:
    status = _REPORTS.get(message_status, "failed" if message_status.startswith("ESME_") else None)
    if status is None:
        return Ignored("event")
    if status == "delivered" and form_fields(raw_path.partition("?")[2]).get("parts") != "1":
        # The report is about the last part only.
        status = "sent"
    code = (error_code(error) or error_code(message_status)) if status == "failed" else ""
    return ERROR_CODES.delivery_report(message_id, status, code, reference=query_reference(raw_path))
