"""What an adapter brings along to be examined: itself, a fake of its vendor, and what the vendor can do.

Rule of this module: a behaviour knows nothing of any vendor; all that differs between vendors is behind `Harness`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from bridge.carriers.adapter import AdapterContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from hypothesis.strategies import SearchStrategy

    from bridge.carriers.adapter import Carrier, WebhookRequest
    from tests.bridge.carriers.receiver import WebhookReceiver


class Trait(Enum):
    """What a vendor does. A behaviour is asked only of adapters whose vendor has the traits it needs."""

    SIGNS = auto()
    """Headers tell the vendor from a stranger."""
    SECRET_PATH = auto()
    """The last segment of its webhooks' path is a secret."""
    SIGNS_BODY = auto()
    SIGNS_URL = auto()
    SIGNS_TIME = auto()
    RETRIES = auto()
    """A webhook that was not acknowledged comes again."""
    LISTS = auto()
    DELETES = auto()
    SHOWS_COPIES = auto()
    """A single text can be looked at, so that a deletion is confirmed."""
    REPORTS_OPT_OUT = auto()
    """Its delivery reports tell that a texter said STOP to it."""
    SETTLES_DOUBT = auto()
    """A text's reference is its id or in its reports, so that a report settles a send that ended in doubt."""
    TELLS_STATUS = auto()
    KNOWS_OPT_OUT = auto()
    MEDIA = auto()
    """What comes with a text is told by its URL and MIME type."""
    TELLS_TIME = auto()
    """A text's webhook says when it was sent."""
    VALIDITY = auto()
    """A text of ours may bear how long it may wait."""
    REPORTS_PARTS = auto()
    """A report speaks of one part of a long text."""
    OTHER_CHANNELS = auto()
    """WhatsApp and the like may come to the same webhook."""


class Fault(Enum):
    """What the vendor's fake does to the next sends."""

    SILENT = auto()
    """It never answers, and the text goes nowhere."""
    SILENT_SENT = auto()
    """It never answers, and the text reaches the handset."""
    BROKEN = auto()
    """It answers 5xx."""
    BUSY = auto()
    """It asks to come again in one second."""
    REFUSED = auto()
    """It will never send this, with the code `E123`."""
    OPTED_OUT = auto()
    """It will not send this because the texter told the vendor STOP."""
    REPORTED_OPT_OUT = auto()
    """It takes this, and reports that the texter told the vendor STOP."""


class Clock:
    """The wall clock, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Harness(ABC):
    """One adapter beside its vendor's fake, both running."""

    carrier: Carrier
    receiver: WebhookReceiver
    clock: Clock
    signature_headers: tuple[str, ...]
    """Without any one of these a request is not signed."""
    traits: frozenset[Trait] = frozenset(Trait)
    """What the vendor does; the same as in its `AdapterRow`."""
    refused_code = "E123"
    tries = 1
    """How often a send is asked for when its answer is in doubt: once, but where the vendor refuses an id that it knows."""
    tries_unanswered = 1
    """How often it is asked for when no answer came at all."""
    refuses: frozenset[str] = frozenset()
    """Texts of `ODD_TEXTS` that the vendor would spoil, so that the adapter refuses them."""
    number = "+15555550100"
    """The line's."""
    validity = 300
    """Seconds after which `elsewhere` lets the vendor give up a text."""
    base: str
    """Where the vendor is."""

    @abstractmethod
    async def text_from_handset(self, sender: str, text: str, *, media: tuple[tuple[str, str], ...] = ()) -> None:
        """Text from a handset; the vendor's webhook follows. `media` are pairs of MIME type and URL."""

    def requests_for(self, text: str) -> int:
        """In how many requests the adapter sends that text."""
        return 1

    @abstractmethod
    async def texts_at_handset(self, number: str) -> list[str]:
        """Texts from the line that reached that handset, oldest first."""

    @abstractmethod
    async def copies(self) -> set[str]:
        """Ids of all texts of which the vendor holds a copy."""

    @abstractmethod
    async def fault(self, fault: Fault, *, times: int = 1) -> None:
        """Make the next sends go wrong."""

    @abstractmethod
    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        """Sign a body as the vendor would for the line's public URL, an inbound text or a `status`."""

    def signings(self, body: bytes, *, way: str) -> list[tuple[str, WebhookRequest]]:
        """Sign it in every way in which the vendor may call, each with its HTTP method."""
        return [("POST", self.sign(body, way=way))]

    def validities(self) -> list[float]:
        """Seconds that each text of ours might wait at the vendor, as it was told."""
        raise NotImplementedError  # asked only where the table says that the vendor takes a validity

    def report_one_part(self) -> None:  # noqa: B027 - most that report parts report no other
        """Have the vendor report one part of each long text from now on, and nothing of the others."""

    @abstractmethod
    def bodies(self) -> SearchStrategy[bytes]:
        """Bodies near what the vendor documents: fields missing, or of other types. Each string put in begins `CANARY`."""

    def context(self) -> AdapterContext:
        """Return what an adapter gets of its line."""
        return AdapterContext(
            public_base_url=self.receiver.url,
            slug="demo",
            numbers=(self.number,),
            validity=self.validity,
            clock=self.clock,
        )

    @abstractmethod
    def elsewhere(self, api_base: str) -> Carrier:
        """Make the same adapter for a vendor at another address."""

    @abstractmethod
    async def vendor_goes_away(self) -> None:
        """Stop the vendor: connections are refused from now on."""


CANARY = "c4n4ry!"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRow:
    """One adapter in the table."""

    name: str
    traits: frozenset[Trait]
    harness: Callable[[], AbstractAsyncContextManager[Harness]]
