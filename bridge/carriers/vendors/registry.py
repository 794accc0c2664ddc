"""The table of carriers, which the configuration, the bridge and the command read.

Rule of this module: a new carrier is one module beside this one and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, Union

from pydantic import Field

from bridge.carriers.adapter import AdapterContext, Carrier
from bridge.carriers.base import BaseCarrier
from bridge.carriers.vendors import bandwidth, jasmin, kannel, rehearsal, signalwire, smsgate, telnyx, twilio, vonage
from bridge.runtime.request_guard import Question
from bridge.runtime.settings import CarrierSettings

CARRIER_KINDS: Final[Mapping[str, type[BaseCarrier]]] = MappingProxyType(
    {
        adapter.kind: adapter
        for adapter in (
            rehearsal.RehearsalCarrier,
            twilio.TwilioCarrier,
            signalwire.SignalWireCarrier,
            telnyx.TelnyxCarrier,
            bandwidth.BandwidthCarrier,
            vonage.VonageCarrier,
            smsgate.SmsGateCarrier,
            kannel.KannelCarrier,
            jasmin.JasminCarrier,
        )
    }
)

if TYPE_CHECKING:
    AnyCarrierSettings: TypeAlias = CarrierSettings
else:
    _every = tuple(adapter.settings for adapter in CARRIER_KINDS.values())
    AnyCarrierSettings = Annotated[Union[_every], Field(discriminator="kind")] if len(_every) > 1 else _every[0]  # noqa: UP007


def make_carrier(settings: CarrierSettings, line: AdapterContext, *, before_bytes: Question | None = None) -> Carrier:
    """Make the adapter of these settings, inside the running event loop.

    `before_bytes`: a check that is made before bytes of a request leave for the carrier.
    """
    adapter: Any = CARRIER_KINDS[settings.kind](settings, line)
    if before_bytes is not None:
        adapter.guard(before_bytes)
    carrier: Carrier = adapter
    return carrier
