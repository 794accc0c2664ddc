"""An adapter beside a fake of its vendor: what such stands have in common, and how bodies near the documented are made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st

from bridge.carriers.adapter import Carrier
from bridge.carriers.http_request import Timeout
from tests.bridge.carriers.harness import CANARY, Clock, Fault, Harness
from tests.bridge.carriers.receiver import WebhookReceiver
from tests.fakes.vendor import FakeVendor

PATH = "/carriers/demo"
PATH_SECRET = "a-secret-segment-that-is-long-enough"
CLIENT_TIMEOUT = Timeout(total=60)
"""Only against hanging: what an adapter says when nobody answers in its time is in `test_http_request`."""

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8).map(lambda s: CANARY + s),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def mutated(right: Mapping[str, Any], values: st.SearchStrategy[Any] = ANY_JSON) -> st.SearchStrategy[dict[str, Any]]:
    """Draw what is right but for a field or two, which are missing or of another kind."""
    field = st.sampled_from(sorted(right))
    dropped = field.map(lambda key: {k: v for k, v in right.items() if k != key})
    replaced = st.tuples(field, values).map(lambda pair: dict(right) | {pair[0]: pair[1]})
    twice = replaced.flatmap(lambda d: st.tuples(field, values).map(lambda p: d | {p[0]: p[1]}))
    return dropped | replaced | twice


class ServedHarness(Harness):
    """One adapter beside a fake that is served as an application. `stack` ends it; `secrets`: where secret files are."""

    vendor: Any

    def __init__(self, *, receiver: WebhookReceiver, vendor: Any, base: str, stack: AsyncExitStack, secrets: Path) -> None:
        self.receiver, self.vendor, self.secrets = receiver, vendor, secrets
        self.clock = Clock()
        self._stack, self.base = stack, base
        self.carrier = self.elsewhere(base)

    async def text_from_handset(self, sender: str, text: str, *, media: tuple[tuple[str, str], ...] = ()) -> None:
        self.vendor.text_from_handset(sender, text, media)

    async def texts_at_handset(self, number: str) -> list[str]:
        return list(self.vendor.texts_at_handset.get(number, []))

    async def vendor_goes_away(self) -> None:
        await self._stack.aclose()


class VendorHarness(Harness):
    """One adapter beside its vendor's fake."""

    receiver_type: ClassVar[type[WebhookReceiver]] = WebhookReceiver

    def __init__(self, receiver: WebhookReceiver) -> None:
        self.receiver = receiver
        self.clock = Clock()
        # Some of these vendors take 204 for a refusal.
        receiver.otherwise = 200
        self.vendor = self.make_vendor()

    def make_vendor(self) -> FakeVendor:
        raise NotImplementedError  # abstract: each stand has its vendor's fake

    async def start(self) -> None:
        await self.vendor.start()
        self.carrier: Carrier = self.elsewhere(self.vendor.base)

    async def text_from_handset(self, sender: str, text: str, *, media: tuple[tuple[str, str], ...] = ()) -> None:
        self.vendor.text_from_handset(sender, text, media)

    @property
    def base(self) -> str:  # type: ignore[override]
        return self.vendor.base

    def validities(self) -> list[float]:
        return self.vendor.validities

    async def texts_at_handset(self, number: str) -> list[str]:
        return list(self.vendor.texts_at_handset[number])

    async def copies(self) -> set[str]:
        raise NotImplementedError  # asked only where the table says that the vendor has copies to delete

    async def fault(self, fault: Fault, *, times: int = 1) -> None:
        self.vendor.faults.extend([fault] * times)

    async def vendor_goes_away(self) -> None:
        await self.vendor.stop()


AnyHarness = TypeVar("AnyHarness", bound=VendorHarness)


@asynccontextmanager
async def running_harness(kind: type[AnyHarness]) -> AsyncIterator[AnyHarness]:
    """Receiver, fake and adapter, each on its own socket."""
    receiver = kind.receiver_type()
    await receiver.start()
    harness = kind(receiver)
    try:
        await harness.start()
        yield harness
    finally:
        await harness.carrier.close()
        await harness.vendor.stop()
        await receiver.stop()
