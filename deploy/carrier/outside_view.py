"""The line's public address as others see it: its name, and its certificate.

Rule of this module: no answer is no fault, because the carrier may reach more than this machine; a wrong answer is a fault.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.runtime.settings import is_loopback_host, is_private_host
from deploy.inspect.check_report import CheckResult, fault, unasked, well

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config.sections import Config

TIMEOUT_SECONDS: Final = 5.0
MIN_DAYS: Final = 7.0
"""Days for which a certificate should still be valid: programs renew it a month before its end."""
DAY: Final = 86_400.0
HTTPS_PORT: Final = 443


async def check_dns(config: Config) -> CheckResult:
    """Whether the name of the public address resolves to an address that an outside carrier can call."""
    name, host = "DNS", urlsplit(config.listen.public_base_url).hostname or ""
    if is_loopback_host(host) or is_private_host(host):
        return well(name, "the address is of this machine or its network: no name is needed")
    do = "Have listen.public_base_url's name lead to this machine or its proxy, and ask from another network."
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            addresses = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return unasked(name, "nobody here knows the name", do)
    return judge_addresses([str(address[4][0]) for address in addresses], carrier_outside=is_carrier_outside(config))


def judge_addresses(addresses: Sequence[str], *, carrier_outside: bool) -> CheckResult:
    """Return whether a carrier can call these addresses of the public name."""
    if not carrier_outside:
        return well("DNS", "the name is known, and the carrier is in a network of ours")
    unreachable = sorted({address for address in addresses if is_private_host(address.partition("%")[0])})
    if unreachable:
        what = f"the name leads to {', '.join(unreachable)}, which nobody outside can call"
        do = "Correct the name's address; where only this network answers so (split DNS), ask from another network."
        return fault("DNS", what, do)
    return well("DNS", "the name leads to an address that can be called from outside")


async def check_certificate(config: Config) -> CheckResult:
    """Whether the public address has a certificate that clients accept, and for how long."""
    name, base = "certificate", urlsplit(config.listen.public_base_url)
    if base.scheme != "https":
        return well(name, "the address is http: none is shown")
    do = "Is the name right, does the proxy run, and does it renew the certificate by itself?"
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            days = await _days_left(base.hostname or "", base.port or HTTPS_PORT)
    except ssl.SSLCertVerificationError as error:
        return fault(name, f"the certificate is refused: {error.verify_message}", do)
    except ssl.SSLError:
        return fault(name, "what answers there does not speak TLS", do)
    except (OSError, TimeoutError, UnicodeError):
        return unasked(name, "nobody answers there yet", do)
    ok = days >= MIN_DAYS
    return CheckResult(name=name, ok=ok, what=f"is taken, for {days:.0f} days more", do="" if ok else do)


def is_carrier_outside(config: Config) -> bool:
    """Whether the carrier is outside our networks."""
    theirs = urlsplit(config.line.carrier.api_base).hostname or ""
    return not (is_loopback_host(theirs) or is_private_host(theirs))


async def _days_left(host: str, port: int) -> float:
    _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    try:
        shown = writer.get_extra_info("peercert")
    finally:
        writer.transport.abort()
    return (ssl.cert_time_to_seconds(shown["notAfter"]) - time.time()) / DAY
