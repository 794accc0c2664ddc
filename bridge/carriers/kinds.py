"""Which carriers there are: the one table that the configuration, the bridge and the command read.

Rule of this module: a new carrier is one file beside this one and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, Union

from pydantic import Field

from bridge.carriers import bandwidth, jasmin, kannel, rehearsal, signalwire, smsgate, telnyx, twilio, vonage
from bridge.carriers.adapter import Carrier
from bridge.carriers.exposure import Exposure
from bridge.settings import CarrierSection


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One carrier. `make(settings, *, public_base_url, slug, numbers, validity, clock)` is the adapter's own."""

    settings: type[CarrierSection]
    make: Callable[..., Carrier]
    exposure: Exposure


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "rehearsal": Kind(settings=rehearsal.Settings, make=rehearsal.RehearsalCarrier.make, exposure=rehearsal.EXPOSURE),
        "twilio": Kind(settings=twilio.Settings, make=twilio.TwilioCarrier.make, exposure=twilio.EXPOSURE),
        "signalwire": Kind(
            settings=signalwire.Settings, make=signalwire.SignalWireCarrier.make, exposure=signalwire.EXPOSURE
        ),
        "telnyx": Kind(settings=telnyx.Settings, make=telnyx.TelnyxCarrier.make, exposure=telnyx.EXPOSURE),
        "bandwidth": Kind(settings=bandwidth.Settings, make=bandwidth.BandwidthCarrier.make, exposure=bandwidth.EXPOSURE),
        "vonage": Kind(settings=vonage.Settings, make=vonage.VonageCarrier.make, exposure=vonage.EXPOSURE),
        "smsgate": Kind(settings=smsgate.Settings, make=smsgate.SmsGateCarrier.make, exposure=smsgate.EXPOSURE),
        "kannel": Kind(settings=kannel.Settings, make=kannel.KannelCarrier.make, exposure=kannel.EXPOSURE),
        "jasmin": Kind(settings=jasmin.Settings, make=jasmin.JasminCarrier.make, exposure=jasmin.EXPOSURE),
    }
)

if TYPE_CHECKING:
    AnySettings: TypeAlias = CarrierSection
else:
    _every = tuple(kind.settings for kind in KINDS.values())
    AnySettings = Annotated[Union[_every], Field(discriminator="kind")] if len(_every) > 1 else _every[0]  # noqa: UP007


def make(
    settings: CarrierSection,
    *,
    public_base_url: str,
    slug: str,
    numbers: tuple[str, ...],
    validity: int,
    clock: Callable[[], float],
) -> Carrier:
    """Make the adapter of these settings, inside the running event loop.

    `public_base_url` stands before the raw path in what a carrier signs; `slug` is the line's, so that webhooks come to
    `/carriers/SLUG/inbound` and `…/status`; `numbers` are the line's in E.164, the main one first; `validity` the seconds
    after which a carrier is to give up a text, where it can be told; `clock` the wall clock in seconds since 1970.
    """
    kind = KINDS[settings.kind]
    return kind.make(settings, public_base_url=public_base_url, slug=slug, numbers=numbers, validity=validity, clock=clock)
