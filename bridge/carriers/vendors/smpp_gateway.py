"""The common part of the gateways that an agency runs itself: Kannel and Jasmin, with an SMPP connection.

Rules of this module: such a gateway signs nothing, so a webhook must have the secret segment of the path. A number without
`+` is read as configured and never guessed, because a wrong guess texts a stranger. Words in an unknown alphabet are shown
as well as possible, and never dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from bridge.carriers.adapter import AdapterContext, CannotDelete, DeleteOutcome, WebhookRequest
from bridge.carriers.base import BaseCarrier
from bridge.carriers.http_request import TIMEOUT, CarrierHttp, Timeout
from bridge.carriers.parsing import has_path_secret, replace_unencodable
from bridge.carriers.rate_limit import Rate
from bridge.carriers.secret_strength import PathSecretFile
from bridge.carriers.sender_id import Region, parse_national_sender, parse_sender
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import CarrierSettings, NonEmpty, read_secret
from policies.segments import EXTENSION as GSM7_EXTENSION
from policies.segments import GSM7_PART, UCS2_PART, Segmentation

RATE: Final = Rate(per_second=1.0, shared=True)
"""Segments of all numbers. The operator configures the limit of the SMPP connection."""

_INTERNATIONAL = re.compile(r"[1-9][0-9]{8,14}")
_INTERNATIONAL_PREFIX = re.compile(r"00([1-9][0-9]{6,14})")
# 3GPP TS 23.038 §6.2.1, in the order of the codes; ESC is not a letter. The extension is §6.2.1.1.
_ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Mapping[int, str] = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
# Charset names of Kannel and SMPP -> Python's.
_CHARSETS: Mapping[str, str] = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-16be": "utf-16-be",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "windows-1252": "windows-1252",
    "iso-8859-5": "iso-8859-5",
    "iso-8859-8": "iso-8859-8",
}


class SmppGatewaySettings(CarrierSettings):
    """The settings of both.

    `plain_numbers`: whether digits without `+` have a country code, or are as dialled in `region`.
    """

    username: NonEmpty
    password_file: Path
    path_secret_file: PathSecretFile
    plain_numbers: Literal["international", "national"]
    region: Region


class SmppGateway(BaseCarrier):
    """The common part of both adapters."""

    send_path: ClassVar[str]
    retention: ClassVar[str]
    """What the gateway stores by default, in words for a person."""

    def __init__(self, settings: SmppGatewaySettings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        self.rate = replace(RATE, per_second=settings.texts_per_second)
        self._send_url = f"{settings.api_base}{self.send_path}"
        self._login = settings.username, read_secret(settings.password_file)
        self._path_secret, self._region = read_secret(settings.path_secret_file), settings.region
        self._status_url = f"{line.public_base_url}/carriers/{line.slug}/status/{self._path_secret}"
        self._international = settings.plain_numbers == "international"
        # The gateway counts in minutes, and 0 means no limit.
        self._minutes = max(1, line.validity // 60)
        self._http = CarrierHttp(timeout=timeout)

    def verify(self, request: WebhookRequest) -> bool:
        """Whether the path has its secret segment: there is nothing else to check."""
        return has_path_secret(request.raw_path, self._path_secret)

    async def delete_copy(self, message_id: str) -> DeleteOutcome:  # noqa: ARG002 - the answer is the same for all
        """Return `CannotDelete`: the gateway offers no deletion."""
        return CannotDelete(self.retention)

    def parse_sender(self, value: str) -> Phone | None:
        """Parse the sender. With both settings of `plain_numbers`, `00` before a country code means `+`."""
        abroad = _INTERNATIONAL_PREFIX.fullmatch(value)
        if abroad:
            return parse_sender(f"+{abroad.group(1)}")
        if not self._international:
            return parse_national_sender(value, region=self._region)
        return parse_sender(f"+{value}" if _INTERNATIONAL.fullmatch(value) else value)

    def e164_or_empty(self, value: Any) -> str:
        """Return the number of ours that was texted; empty if it is incomplete."""
        phone = self.parse_sender(value) if isinstance(value, str) else None
        return phone.reveal() if phone is not None and phone.answerable else ""


def form_bytes(value: str) -> bytes:
    """Return the bytes from which a form field was decoded (see `parsing.form_fields`). Never raises."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def splits_character(cut: Segmentation) -> bool:
    """Whether a gateway that cuts a long text at every 153rd septet or 67th unit would cut within a letter.

    A letter is an escape pair in GSM-7, a surrogate pair in UCS-2. Handsets decode each part by itself.
    """
    if cut.count == 1:
        return False
    gsm7 = cut.encoding == "gsm7"
    at, room = 0, GSM7_PART if gsm7 else UCS2_PART
    for letter in "".join(cut.parts):
        double = letter in GSM7_EXTENSION if gsm7 else letter > "\uffff"
        if double and (at + 1) % room == 0:
            return True
        at += 2 if double else 1
    return False


def decode_gsm7(coded: bytes) -> str:
    """Decode the GSM 7-bit default alphabet, one septet in each octet. Never raises."""
    text, escaped = [], False
    for octet in coded:
        if octet == 0x1B and not escaped:
            escaped = True
            continue
        if escaped:
            # A handset shows the letter of the default alphabet where the extension has none (§6.2.1).
            text.append(_EXTENSION.get(octet, _gsm7_character(octet)))
        else:
            text.append(_gsm7_character(octet))
        escaped = False
    return replace_unencodable("".join(text))


def _gsm7_character(octet: int) -> str:
    return " " if octet == 0x1B else _ALPHABET[octet] if octet < 0x80 else "\N{REPLACEMENT CHARACTER}"


def decode_text(coded: bytes, charset: str) -> str:
    """Decode words in a charset by its name; an unknown charset or malformed words as well as possible. Never raises.

    Zeros at the end are the padding of a network, which would make other words of STOP.
    """
    codec = _CHARSETS.get(charset.strip().strip('"').lower(), "utf-8")
    return replace_unencodable(coded.decode(codec, "replace").rstrip("\0"))
