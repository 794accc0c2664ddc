"""Parses a carrier's headers, JSON, forms, ids and times.

Rules of this module: input from outside raises nothing but :class:`Malformed`, which names a field and never its value. It
is never raised inside an `except`, because the caught exception holds the value. Parsed text can be encoded as UTF-8.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from multidict import MultiDict

from bridge.carriers.adapter import Ignored, InboundText, Malformed, Media
from bridge.runtime.phone_number import E164_PATTERN, Phone

_CANNOT_BE_ENCODED = re.compile(r"[\x00\ud800-\udfff]")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_NO_SUBJECT = re.compile(r"\W*no\W*subject\W*", re.IGNORECASE)
_CODE = re.compile(r"(?!.*\d(?:[._-]?\d){6})[A-Za-z0-9._-]{1,40}")
"""No vendor's code has seven digits. A code is shown, and may be kept unsealed: a phone's number must not pass for one."""
MAX_RETRY_AFTER: Final = 3600.0
"""Seconds."""
MAX_FIELDS: Final = 500
"""Most fields of a form that are read. Vendors send about thirty; a longer form would only load the processor."""
_LAYOUT_TYPES: Final = frozenset({"application/smil", "application/smil+xml"})
MESSAGE_ID_FORM = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The form of most vendors' ids."""


def utf8_bytes(value: str) -> bytes:
    """Return the bytes of a header or path. Invalid UTF-8 arrives as lone surrogates, which must not raise an error."""
    return value.encode("utf-8", "surrogatepass")


def constant_time_equal(right: str | bytes, candidate: str | bytes) -> bool:
    """Compare a secret with a received value, in constant time."""
    return hmac.compare_digest(
        *(value if isinstance(value, bytes) else utf8_bytes(value) for value in (right, candidate)),
    )


def has_path_secret(raw_path: str, path_secret: str) -> bool:
    """Whether the path is `/carriers/LINE/inbound/SECRET` or `…/status/SECRET`, whatever query follows. Constant time."""
    return constant_time_equal(path_secret, raw_path.partition("?")[0].rpartition("/")[2])


def reference_in(value: Any) -> str:
    """Return a reference that a vendor repeats; empty if it is none."""
    return value if isinstance(value, str) and MESSAGE_ID_FORM.fullmatch(value) else ""


def query_reference(raw_path: str) -> str:
    """Return the reference in the query of an address that was given with a text (`?ref=`); else empty."""
    return reference_in(form_fields(raw_path.partition("?")[2]).get("ref"))


def replace_unencodable(text: str) -> str:
    """Return a text that databases and JSON can store: NUL and lone surrogates become U+FFFD."""
    return _CANNOT_BE_ENCODED.sub("\N{REPLACEMENT CHARACTER}", text)


def json_value(body: bytes) -> Any:
    """Return the JSON value of a body, or None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body. Raises :class:`Malformed`."""
    value = json_value(body)
    if not isinstance(value, dict):
        raise Malformed("body: not a JSON object")
    return value


def object_or_empty(body: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer, or an empty one."""
    value = json_value(body)
    return value if isinstance(value, dict) else {}


def form_fields(body: bytes | str) -> MultiDict[str]:
    """Return the fields of a form or query unchanged, including blank and repeated ones. Never raises.

    A form with more than :data:`MAX_FIELDS` fields counts as empty.
    """
    text = body if isinstance(body, str) else body.decode("utf-8", "surrogateescape")
    try:
        fields = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_FIELDS)
        return MultiDict(fields)
    except ValueError:
        return MultiDict()


def as_object(value: Any, name: str) -> dict[str, Any]:
    """Return a JSON object inside another. Raises :class:`Malformed`."""
    if not isinstance(value, dict):
        raise Malformed(f"{name}: not an object")
    return value


def string_field(body: Mapping[str, Any], name: str) -> str:
    """Return a string field, in a form that can be encoded. Raises :class:`Malformed`."""
    value = body.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{name}: not a string")
    return replace_unencodable(value)


def mms_text_field(body: Mapping[str, Any], name: str, *, has_media: bool) -> str:
    """Return the words of an MMS: its `subject`, if it has one, and below it its text. Raises :class:`Malformed`.

    A picture or a subject may come without a text. Some phones write "NoSubject" where there is none.
    """
    subject = body.get("subject")
    subject = replace_unencodable(subject).strip() if isinstance(subject, str) else ""
    if _NO_SUBJECT.fullmatch(subject):
        subject = ""
    text = "" if body.get(name) is None and (has_media or subject) else string_field(body, name)
    return "\n".join(dict.fromkeys(part for part in (subject, text) if part.strip())) if subject else text


def without_layout(media: tuple[Media, ...], text: str) -> tuple[Media, ...]:
    """Return what a person attached, without the parts of an MMS that only describe its layout (SMIL).

    They stay if nothing else came, so that something is shown. Where the type is not told, the name of the file counts:
    some networks call the layout `.xml` (github.com/chatwoot/chatwoot/pull/4206).
    """
    attachments = tuple(item for item in media if not _is_layout(item))
    return attachments if attachments or text.strip() else media


def _is_layout(item: Media) -> bool:
    kind = item.content_type.partition(";")[0].strip().lower()
    return kind in _LAYOUT_TYPES if kind else item.url.partition("?")[0].lower().endswith((".smil", ".xml"))


def group_message(message_id: Any, sender: Phone | None, words: Any) -> Ignored:
    """Return what a message to a group is for this line: ignored, but for a STOP of its sender."""
    if sender is None or not isinstance(message_id, str) or not MESSAGE_ID_FORM.fullmatch(message_id):
        return Ignored("group")
    text = replace_unencodable(words) if isinstance(words, str) else ""
    return Ignored("group", message_id, InboundText(message_id=message_id, sender=sender, text=text) if text else None)


def id_field(body: Mapping[str, Any], name: str) -> str:
    """Return a field that is an id of the vendor's form. Raises :class:`Malformed`."""
    value = body.get(name)
    if not isinstance(value, str) or not MESSAGE_ID_FORM.fullmatch(value):
        raise Malformed(f"{name}: not an id")
    return value


def error_code(value: Any, otherwise: str = "") -> str:
    """Return a vendor's error code, a number or a short word, as a string; `otherwise` when it is none of these."""
    code = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return code if isinstance(code, str) and _CODE.fullmatch(code) else otherwise


def e164_or_empty(value: Any) -> str:
    """Return the number of ours that was texted, if it is in E.164; else an empty string."""
    return value if isinstance(value, str) and E164_PATTERN.fullmatch(value) else ""


def retry_after_seconds(value: str | None, otherwise: float, *, date: str | None) -> float:
    """Return the seconds of a `Retry-After` header (RFC 9110 §10.2.3), `otherwise` when it has another form.

    A date is counted from `date`, the answer's own `Date`, so that our clock does not matter. Never less than one second,
    nor more than :data:`MAX_RETRY_AFTER`: a wrong value of a proxy must not stop the line for a day.
    """
    if value is None:
        return otherwise
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        until, now = parse_mail_time(value), parse_mail_time(date)
        if until is None or now is None:
            return otherwise
        seconds = (until - now).total_seconds()
    return min(max(seconds, 1.0), MAX_RETRY_AFTER)


def parse_iso_time(value: Any) -> datetime | None:
    """Return an ISO 8601 time with its zone, or None if it is invalid or out of range."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return _plausible(at)


def parse_mail_time(value: Any) -> datetime | None:
    """Return an RFC 2822 time (`Thu, 24 Aug 2023 05:01:45 +0000`), or None. `-0000` is UTC as well (§3.3)."""
    try:
        at = parsedate_to_datetime(value) if isinstance(value, str) else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return _plausible(at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at)


def _plausible(at: datetime | None) -> datetime | None:
    return at if at is not None and at.tzinfo is not None and 2000 <= at.year < 9000 else None
