"""Fields of the family of Twilio: what is signed, and what a text is.

Rule of this module: the fields are signed exactly as they came, blank and repeated ones included; of them nothing is read
but what a text is, so that the places a vendor guesses for the sender (`FromCity`, `FromZip` …) are in no value of ours.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from multidict import MultiDict

from bridge.carriers.adapter import InboundText, Malformed, Media
from bridge.carriers.parsing import (
    e164_or_empty,
    id_field,
    parse_iso_time,
    parse_mail_time,
    replace_unencodable,
    string_field,
    utf8_bytes,
)
from bridge.carriers.sender_id import parse_sender

MAX_MEDIA: Final = 10
SIGNATURE: Final = re.compile(r"[A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}=")
"""SHA-1 or SHA-256 in base64. Whatever else stands in the header was signed by nobody."""
_COUNT = re.compile(r"[0-9]{1,2}")


def signature(key: bytes, url: bytes, fields: MultiDict[str], *, algorithm: str = "sha1") -> bytes:
    """Return the base64 signature over URL and fields, each name once in order, each of its values once in order."""
    signed = bytearray(url)
    by_name: dict[bytes, set[bytes]] = {}
    for name, value in fields.items():
        by_name.setdefault(_bytes(name), set()).add(_bytes(value))
    for wire_name, values in sorted(by_name.items()):
        for wire_value in sorted(values):
            signed += wire_name + wire_value
    return base64.b64encode(hmac.new(key, bytes(signed), algorithm).digest())


def signed_urls(public_base_url: str, raw_path: str) -> tuple[bytes, bytes]:
    """Return the URL that was called, without port and with it: the vendor's own code says that it signs either."""
    base = urlsplit(public_base_url)
    port = base.port or (443 if base.scheme == "https" else 80)
    host = base.netloc.rpartition(":")[0] if base.port else base.netloc
    return (
        utf8_bytes(f"{base.scheme}://{host}{base.path}{raw_path}"),
        utf8_bytes(f"{base.scheme}://{host}:{port}{base.path}{raw_path}"),
    )


def _bytes(field: str) -> bytes:
    return field.encode("utf-8", "surrogateescape")


def parse_inbound(fields: MultiDict[str]) -> InboundText | None:
    """Read the fields of a text; None when its sender is on another channel. Raises :class:`Malformed`."""
    message_id = id_field(fields, "MessageSid")
    phone = parse_sender(string_field(fields, "From"))
    if phone is None:
        return None
    count = fields.get("NumMedia", "0")
    media = tuple(
        Media(
            url=replace_unencodable(fields[f"MediaUrl{n}"]),
            content_type=replace_unencodable(fields.get(f"MediaContentType{n}", "")),
        )
        for n in range(min(int(count), MAX_MEDIA) if _COUNT.fullmatch(count) else 0)
        if f"MediaUrl{n}" in fields
    )
    # A picture may come without words.
    text = "" if media and "Body" not in fields else string_field(fields, "Body")
    return InboundText(message_id=message_id, sender=phone, text=text, to=e164_or_empty(fields.get("To")), media=media)


def parse_listing(items: list[Any], since: datetime) -> tuple[list[tuple[datetime, InboundText]], bool]:
    """Read a listing, newest first, into the texts since a time, oldest first; False beside them when one is unreadable.

    A text whose time cannot be read has that of the one before it, so that it is neither lost nor taken for a new one.
    """
    kept: list[InboundText] = []
    whole, past = True, False
    for item in items:
        at = _sent_at(item)
        past = past or (at is not None and at < since)
        # What is without a time and stands behind what is too old is too old.
        if past if at is None else at < since:
            continue
        try:
            text = _parse_listed(item, at)
        except Malformed:
            whole = False
        else:
            kept += [text] if text is not None else []
    texts, before = [], since
    for text in reversed(kept):
        before = text.at or before
        texts.append((before, replace(text, at=before)))
    return texts, whole


def _parse_listed(item: Any, at: datetime | None) -> InboundText | None:
    """Read a text from a listing; None when it is none to this line. Raises :class:`Malformed`."""
    if not isinstance(item, dict) or not isinstance(item.get("direction"), str):
        raise Malformed("direction: not there")
    if item["direction"] != "inbound":
        return None
    message_id, phone, text = (
        id_field(item, "sid"),
        parse_sender(string_field(item, "from")),
        replace_unencodable(str(item.get("body") or "")),
    )
    if phone is None:
        return None
    count = str(item.get("num_media") or "0")
    where = item.get("subresource_uris")
    place = replace_unencodable(str(where.get("media", ""))) if isinstance(where, dict) else ""
    return InboundText(
        message_id=message_id,
        sender=phone,
        text=text,
        to=e164_or_empty(item.get("to")),
        # How many there are is what matters: nothing of it is fetched.
        media=(Media(url=place, content_type=""),) * (min(int(count), MAX_MEDIA) if _COUNT.fullmatch(count) else 0),
        at=at,
    )


def _sent_at(item: Any) -> datetime | None:
    told = (item.get("date_sent"), item.get("date_created")) if isinstance(item, dict) else ()
    return next((at for value in told if (at := parse_mail_time(value) or parse_iso_time(value)) is not None), None)
