"""The table of carriers, which the configuration, the bridge and the command read.

Rule of this module: a new carrier is one module beside this one and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, Union

from pydantic import Field

from bridge.carriers.adapter import AdapterContext, Carrier, Exposure
from bridge.carriers.base import BaseCarrier
from bridge.carriers.vendors import bandwidth, jasmin, kannel, rehearsal, signalwire, smsgate, telnyx, twilio, vonage
from bridge.runtime.request_guard import Question
from bridge.runtime.settings import CarrierSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierKind:
    """One carrier: its section of the configuration, and its adapter, which is made from `(settings, AdapterContext)`."""

    settings: type[CarrierSettings]
    adapter: type[BaseCarrier]

    @property
    def exposure(self) -> Exposure:
        """What the vendor stores and does."""
        return self.adapter.exposure


CARRIER_KINDS: Final[Mapping[str, CarrierKind]] = MappingProxyType(
    {
        "rehearsal": CarrierKind(settings=rehearsal.Settings, adapter=rehearsal.RehearsalCarrier),
        "twilio": CarrierKind(settings=twilio.Settings, adapter=twilio.TwilioCarrier),
        "signalwire": CarrierKind(settings=signalwire.Settings, adapter=signalwire.SignalWireCarrier),
        "telnyx": CarrierKind(settings=telnyx.Settings, adapter=telnyx.TelnyxCarrier),
        "bandwidth": CarrierKind(settings=bandwidth.Settings, adapter=bandwidth.BandwidthCarrier),
        "vonage": CarrierKind(settings=vonage.Settings, adapter=vonage.VonageCarrier),
        "smsgate": CarrierKind(settings=smsgate.Settings, adapter=smsgate.SmsGateCarrier),
        "kannel": CarrierKind(settings=kannel.Settings, adapter=kannel.KannelCarrier),
        "jasmin": CarrierKind(settings=jasmin.Settings, adapter=jasmin.JasminCarrier),
    }
)

if TYPE_CHECKING:
    AnyCarrierSettings: TypeAlias = CarrierSettings
else:
    _every = tuple(kind.settings for kind in CARRIER_KINDS.values())
    AnyCarrierSettings = Annotated[Union[_every], Field(discriminator="kind")] if len(_every) > 1 else _every[0]  # noqa: UP007


def make_carrier(settings: CarrierSettings, line: AdapterContext, *, before_bytes: Question | None = None) -> Carrier:
    """Make the adapter of these settings, inside the running event loop.

    `before_bytes`: a check that is made before bytes of a request leave for the carrier.
    """
    adapter: Any = CARRIER_KINDS[settings.kind].adapter(settings, line)
    if before_bytes is not None:
        adapter.guard(before_bytes)
    carrier: Carrier = adapter
    return carrier
