"""The contract every carrier adapter keeps.

Rules of this module: ids of the carrier are opaque to all code but the adapter. `verify` works on raw bytes and on the
configured public URL, never on one rebuilt from the request. `send` never repeats a request whose outcome it does not know.
Except for `list_since`, no method raises for a failure of the network or the vendor; it returns a value for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from bridge.carriers.rate_limit import Rate
from bridge.runtime.phone_number import Phone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterContext:
    """The values of its line that an adapter may need besides its own settings.

    `public_base_url` precedes the raw path in what a carrier signs; `slug` is the line's: webhooks come to
    `/carriers/SLUG/inbound` and `…/status`; `numbers` are the line's in E.164, the main one first; `validity` the seconds
    after which a carrier should give up a text, if it accepts such a limit; `clock` the wall clock in seconds since 1970.
    """

    public_base_url: str
    slug: str
    numbers: tuple[str, ...]
    validity: int
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """The carrier's request, unchanged.

    `raw_path` is the path with query exactly as on the wire; `headers` ignore case; `body` are the raw bytes.
    """

    raw_path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An attachment of a text, which is not fetched: its URL at the carrier, and its MIME type."""

    url: str = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundText:
    """A text from a handset. `message_id` is the carrier's, stable over its retries.

    `to` is the number of ours that was texted, in E.164, or empty when the carrier does not say. `at`: the carrier's time,
    if given. `drill`: the handset is a drill's, and this is its tag; only the rehearsal carrier has such.
    """

    message_id: str
    sender: Phone
    text: str = field(repr=False)
    to: str = field(default="", repr=False)
    media: tuple[Media, ...] = field(default=(), repr=False)
    at: datetime | None = None
    drill: str = ""


Status: TypeAlias = Literal["sent", "delivered", "failed", "opted_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """The state of a text we sent. All but `sent` are final; `code` is the vendor's own.

    `opted_out`: it failed because the vendor itself has received a STOP, which some vendors report only here. `reference`:
    the one with which the text was sent (`Carrier.send`), if the vendor repeats it.
    """

    message_id: str
    status: Status
    code: str = ""
    reference: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A signed request, or an item of one, that is not a text to this line: another channel, a group, an unused event.

    It is answered like a text, because a vendor that gets a refusal retries, and may stop calling; it is not stored.
    `reason` is a fixed word of ours for the log: `channel`, `group`, `event`, or `malformed` for one item that cannot be
    read beside others that can (a request with nothing else in it may be :class:`Malformed` as well). `message_id`: if the
    carrier also lists such a message, so that each is reported once. `text`: what was written to a group, if the sender is
    known; of it only a STOP counts.
    """

    reason: Literal["channel", "group", "event", "malformed"]
    message_id: str = field(default="", compare=False, repr=False)
    text: InboundText | None = field(default=None, compare=False, repr=False)


Inbound: TypeAlias = InboundText | DeliveryReport | Ignored
Listed: TypeAlias = InboundText | Ignored
"""An item of a listing: a text, or an `Ignored`, which is reported at the desk as from a webhook."""


class Malformed(Exception):  # noqa: N818 - reads as a statement: the request is malformed
    """A correctly signed request that does not follow the vendor's documentation.

    The error names the field, never its value.
    """


@dataclass(frozen=True, slots=True)
class Accepted:
    """The carrier took the text and gave it this id."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The carrier will never send this text. `opted_out`: because the texter sent STOP to the carrier itself."""

    code: str
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class TryLater:
    """The carrier certainly did not accept it now. `retry_after` in seconds, from `Retry-After` where given."""

    retry_after: float = 1.0


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """The request may or may not have had an effect (time-out, broken connection, 5xx); a person decides.

    `timed_out`: the carrier may still be working on the request.
    """

    timed_out: bool = field(default=False, compare=False)


SendOutcome: TypeAlias = Accepted | Rejected | TryLater | UnknownOutcome


@dataclass(frozen=True, slots=True)
class Deleted:
    """Confirmed gone: a check afterwards found nothing, or there was nothing (404).

    What the vendor keeps nevertheless is in `Carrier.exposure.remains`.
    """


@dataclass(frozen=True, slots=True)
class DeletionUnconfirmed:
    """The carrier accepted the request, and no check was possible.

    `retry_after`: seconds after which another request may confirm it; None if the vendor offers no check at all.
    """

    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class DeleteLater:
    """Not deleted now (409, 429, 5xx, no answer, or still there at the check); try again after that many seconds.

    A refused login counts as this, too, because a person may repair it: the caller limits the tries.
    """

    retry_after: float


@dataclass(frozen=True, slots=True)
class RetainedByCarrier:
    """The carrier will not delete it before its own term ends. `until`: the term, in words for a person.

    `days`: the term, counted from the text; None: for ever.
    """

    until: str
    days: int | None = None


@dataclass(frozen=True, slots=True)
class CannotDelete:
    """The carrier offers no deletion, and it is unknown for how long it keeps the text.

    `reason`: what it keeps, in words for a person.
    """

    reason: str


DeleteOutcome: TypeAlias = Deleted | DeletionUnconfirmed | DeleteLater | RetainedByCarrier | CannotDelete


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a carrier stores and does by itself: `quietline exposure` prints it. Each field is sentences for a person.

    A statement that is not from the vendor's own documentation or code is in `unconfirmed` alone (practices 18, 19, 22).
    """

    carrier: str
    keeps: tuple[str, ...]
    """What the carrier stores of a text, where, and for how long."""
    we_delete: tuple[str, ...]
    """What we request it to delete, and when that counts as confirmed. Empty: nothing can be deleted."""
    remains: tuple[str, ...]
    """What remains of a text after its copy is deleted: logs, backups, bills."""
    bill_shows: str
    opt_outs: str
    """Which opt-outs it enforces by itself."""
    speaks: str
    """Which texts it may send to a phone by itself."""
    signed: str
    """How its webhooks are authenticated, and what that does not cover."""
    sources: tuple[str, ...]
    unconfirmed: tuple[str, ...] = ()


class Carrier(Protocol):
    """One configured carrier. Made once at start; `close` ends its HTTP session."""

    kind: str
    """The word in the configuration, e.g. `rehearsal`."""
    can_list: bool
    """Whether `list_since` can list texts of an outage of ours."""
    can_refresh: bool
    """Whether `list_since` lists nothing, but makes the vendor redeliver missed texts by webhook."""
    exposure: Exposure
    """What the vendor stores and does; `exposure.remains`: what it keeps of a text whose copy is deleted."""
    rate: Rate
    """The rate limit of one of our numbers."""
    reference_is_id: bool
    """Whether the reference of a text is its id at the vendor (`send`)."""
    refusal_status: int
    """The status that a webhook without a valid signature is refused with. 5xx for a vendor that calls again only then."""
    challenge: str
    """The `WWW-Authenticate` of a refusal (RFC 9110 §11.6.1), for a vendor that calls first without its credentials; empty
    for a vendor that signs each request."""
    max_webhook_bytes: int
    """Bytes of the largest webhook that is accepted."""
    unordered_within: float
    """Seconds within which texts without a time may arrive in another order than they were sent: after an outage each
    arrives by a retry of its own."""
    webhook_response: tuple[str, bytes]
    """Content type and body of the 200 for a webhook. Some vendors require certain words, and some text the body to the
    handset."""

    def verify(self, request: WebhookRequest) -> bool:
        """Whether the request is signed by the carrier for our public URL. Constant time; never raises.

        For a vendor without signature: whether `raw_path` has the secret segment, and what else the vendor offers.
        """

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read a verified request. Raises :class:`Malformed`, never anything else."""

    async def send(self, to: Phone, text: str, *, number: str, reference: str) -> SendOutcome:
        """Send one text, once, from that number of ours.

        `reference`: 32 hexadecimal digits of ours, the same each time that this text is tried. The vendor gets it if its
        reports repeat it, so that they settle what became of a text whose answer was lost.
        """

    async def status(self, message_id: str) -> DeliveryReport | None:
        """Request the state of a text; None when the carrier does not know it or cannot say now."""

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        """Delete the carrier's copy of a text, either direction.

        May be called again at any time: a missing copy is `Deleted`. If the vendor has a call for it, the copy is checked
        afterwards (`copy_exists`), and only a check that finds nothing, or a 404, counts as confirmed.
        """

    async def copy_exists(self, message_id: str) -> bool | None:
        """Whether the vendor shows a copy of that text; None when it has no such call, or did not answer now."""

    def list_since(self, since: datetime) -> AsyncIterator[Listed]:
        """List what came in at or after that time, texts oldest first. Empty where `can_list` is false.

        The one exception to "never raises": an interrupted listing raises :class:`ConnectionError`, because one that ended
        early without an error would lose texts.
        """

    async def close(self) -> None:
        """End the adapter's connections."""
