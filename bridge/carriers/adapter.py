"""The contract every carrier adapter keeps.

Rules of this module: ids of the carrier are opaque to everyone but the adapter; `verify` works on raw bytes and on the
configured public URL, never on one rebuilt from the request; `send` never repeats a request whose outcome it does not
know; but for `list_since`, no method raises for something the network or the vendor did, it returns a value that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from bridge.carriers.pace import Rate
from bridge.phone import Phone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """What the carrier sent, untouched.

    `raw_path` is the path with query exactly as it stood on the wire; `headers` ignore case; `body` are the raw bytes.
    """

    raw_path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Something that came with a text and is not fetched: where the carrier keeps it, and its MIME type."""

    url: str = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundText:
    """A text from a handset. `message_id` is the carrier's, stable over its retries.

    `to` is the number of ours that was texted, in E.164, or empty when the carrier does not say. `at`: the carrier's time,
    if told.
    """

    message_id: str
    sender: Phone
    text: str = field(repr=False)
    to: str = field(default="", repr=False)
    media: tuple[Media, ...] = field(default=(), repr=False)
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What became of a text we sent. `status`: `sent`, `delivered` or `failed` (final); `code` is the vendor's own."""

    message_id: str
    status: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Something signed and well formed that is no text to this line: another channel, a group, an event of no concern.

    It is answered like a text, for a vendor that is refused tries again and again, and by and by stops calling; it is kept
    nowhere. `why` is a fixed word of ours for the log: `channel`, `group` or `event`.
    """

    why: Literal["channel", "group", "event"]


Inbound: TypeAlias = InboundText | DeliveryReport | Unwanted


class Malformed(Exception):  # noqa: N818 - reads as what it is: the request is malformed
    """A correctly signed request that is not what the vendor documents. The text names the field, never its value."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The carrier took the text and gave it this id."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The carrier will never send this text. `opted_out`: because the texter said STOP to the carrier itself."""

    code: str
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class TryLater:
    """The carrier certainly did not take it now. `after` in seconds, from `Retry-After` where given."""

    after: float = 1.0


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """The request may or may not have had an effect (time-out, broken connection, 5xx): a person decides."""


SendOutcome: TypeAlias = Accepted | Rejected | TryLater | UnknownOutcome


@dataclass(frozen=True, slots=True)
class Deleted:
    """The carrier confirms that its copy is gone (or that it never had it)."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Not deletable now; try again after that many seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class Keeps:
    """The carrier cannot delete it. `until` says for how long it keeps it, in words for a person."""

    until: str


DeleteOutcome: TypeAlias = Deleted | NotYet | Keeps


class Carrier(Protocol):
    """One configured carrier. Made once at start; `close` ends its HTTP session."""

    kind: str
    """The word in the configuration, e.g. `rehearsal`."""
    lists: bool
    """Whether `list_since` can say what came while we were away."""
    rate: Rate
    """What one of our numbers may send."""
    answer: tuple[str, bytes]
    """Content type and body of the 200 that a webhook is answered with. Some vendors want certain words there, and some
    text whatever stands there to the handset."""

    def verify(self, request: WebhookRequest) -> bool:
        """Whether the request is signed by the carrier for our public URL. Constant time; never raises.

        For a vendor without signature: whether `raw_path` bears the secret segment, and whatever else the vendor offers.
        """

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read a verified request. Raises :class:`Malformed`, never anything else."""

    async def send(self, to: Phone, text: str, *, number: str) -> SendOutcome:
        """Send one text, once, from that number of ours."""

    async def status(self, message_id: str) -> DeliveryReport | None:
        """Ask what became of a text; None when the carrier does not know or cannot say now."""

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        """Delete the carrier's copy of a text, either direction."""

    def list_since(self, since: datetime) -> AsyncIterator[InboundText]:
        """Inbound texts received at or after that time, oldest first. Empty where `lists` is false.

        The one exception to "never raises": a listing that breaks off raises :class:`ConnectionError`, because one that
        ended early without a word would let texts be forgotten.
        """

    async def close(self) -> None:
        """End the adapter's connections."""
