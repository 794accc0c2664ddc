"""What a carrier keeps of a line's texts, as far as it can be asked.

Rules of this module: a setting that can be read is read, for the line's own numbers; any other is reported as unreadable,
with the place where a person finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from bridge.carriers.http_request import CarrierHttp, HttpResponse, send_request
from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.runtime.settings import read_secret
from deploy.carrier.vendor_probes import bearer
from deploy.inspect.check_report import CheckResult, fault, well

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.carriers.vendors.telnyx import Settings as Telnyx
    from bridge.config.sections import PhoneLine

MANUAL_CHECKS: Final[Mapping[str, str]] = {
    "twilio": "Whether message redaction is on cannot be asked: see Messaging, Settings in its console (practice 19).",
    "vonage": (
        "Whether the account is provisioned for the Redact API shows only an hour after a text: ask Vonage's support, "
        "and see the first erasure certificates."
    ),
}
"""What a person must check at the vendor, by kind."""


async def check_copies(http: CarrierHttp, line: PhoneLine) -> CheckResult:
    """Report what we delete there; for Telnyx, whether the setting of redaction is right."""
    if line.carrier.kind == "telnyx":
        return await _check_telnyx_redaction(http, line)
    exposure = CARRIER_KINDS[line.carrier.kind].exposure
    if exposure.we_delete:
        return well("erasure", exposure.we_delete[0], MANUAL_CHECKS.get(line.carrier.kind, ""))
    what = f"{exposure.carrier} deletes nothing for us: {' '.join(exposure.keeps)}"
    return well("erasure", what, "See `quietline exposure` and the vendor checklist.")


async def _check_telnyx_redaction(http: CarrierHttp, line: PhoneLine) -> CheckResult:
    """Check the redaction setting of each messaging profile of the line's numbers.

    Level 2, the default, would blank texters' words before they reach us. Source: telnyx 4.189.0,
    `resources/phone_numbers/messaging.py`, `resources/messaging_profiles`.
    """
    settings: Any = line.carrier
    names = set()
    for number in line.all_numbers:
        name = await _messaging_profile_of(http, settings, number)
        if name is None:
            do = "Each number of the line must be in a messaging profile of this account; see also the login."
            return fault("erasure", "a number's messaging profile cannot be read", do)
        names.add(name)
    profiles = [await _get_data(http, settings, f"/messaging_profiles/{quote(name, safe='')}") for name in sorted(names)]
    if not all(isinstance(profile, dict) for profile in profiles):
        return fault("erasure", "the messaging profile cannot be read", "See the login.")
    on = [profile for profile in profiles if profile.get("redaction_enabled") is True]
    if any(profile.get("redaction_level") != 1 for profile in on):
        do = "Set redaction_level to 1 on the line's messaging profile, or texts will arrive without words."
        return fault("erasure", "redaction also blanks inbound texts (level 2)", do)
    if len(on) < len(profiles):
        do = "Ask Telnyx to allow redaction, then set redaction_enabled and redaction_level 1 on the line's profile."
        return fault("erasure", "Telnyx shows texts and numbers in its records: redaction is off", do)
    return well("erasure", "redaction is on: Telnyx masks texts and numbers where it shows them")


async def _messaging_profile_of(http: CarrierHttp, settings: Telnyx, number: str) -> str | None:
    data = await _get_data(http, settings, f"/phone_numbers/messaging?filter%5Bphone_number%5D={quote(number, safe='')}")
    for item in data if isinstance(data, list) else ():
        if isinstance(item, dict) and item.get("phone_number") == number:
            name = item.get("messaging_profile_id")
            return name if isinstance(name, str) and name else None
    return None


async def _get_data(http: CarrierHttp, settings: Telnyx, path: str) -> Any:
    got = await send_request(http, "GET", f"{settings.api_base}{path}", headers=bearer(read_secret(settings.api_key_file)))
    return got.json.get("data") if isinstance(got, HttpResponse) and got.status == 200 else None
