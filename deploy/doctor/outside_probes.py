"""Probes of the outside: the carrier, the public address, its certificate, and others' time.

Rules of this module: no text is sent and nothing is changed; no answer at the public address is no fault when only others
can reach it, and this machine cannot; a wrong answer is a fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from bridge.carriers.http_request import CarrierHttp, HttpResponse, send_request
from bridge.runtime.settings import is_loopback_host, is_private_host
from deploy.carrier.carrier_check import check_login, check_public_address, check_reachable, check_signature
from deploy.carrier.outside_view import check_certificate, check_dns
from deploy.doctor.machine_probes import is_live
from deploy.doctor.probes import NoAnswer, Probe
from deploy.inspect.check_report import CheckResult, fault, unasked, well
from deploy.preflight import clock_sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config.sections import Config

MAX_SKEW_SECONDS: Final = 60.0
"""The permitted difference, in seconds, from the carrier's clock: signatures are valid for five minutes."""
HTTPS_PORT, HTTP_PORT = 443, 80
SPLIT_VIEW: Final = (
    "Ask from another network, or give this machine's /etc/hosts the proxy's inner address for that name: then it is asked."
)


def outside_probes(config: Config, http: aiohttp.ClientSession) -> list[Probe]:
    """Return the probes of the outside."""
    kind = config.line.carrier.kind
    again = "See the vendor's status page; may this machine reach lines.0.carrier.api_base?"
    return [
        Probe(names=("carrier login",), ask=lambda: ask_login(config), do=again),
        Probe(names=("public address",), ask=lambda: ask_public_address(config, http), do=SPLIT_VIEW),
        Probe(names=("certificate",), ask=lambda: ask_certificate(config), do="Does the proxy run?", may_be_silent=True),
        Probe(names=("clock",), ask=lambda: ask_time(config), do=f"The time was not asked of {kind}.", may_be_silent=True),
    ]


async def ask_login(config: Config) -> Sequence[CheckResult]:
    """Check whether the carrier accepts our logins."""
    return [replace(await check_login(config), name="carrier login")]


async def ask_certificate(config: Config) -> Sequence[CheckResult]:
    """Check the certificate of the public address."""
    return [await check_certificate(config)]


async def ask_public_address(config: Config, http: aiohttp.ClientSession) -> Sequence[CheckResult]:
    """Call our webhook as the carrier does. Raises `NoAnswer` when the bridge does not run.

    A warning of `carrier check` about the address itself is added to a good answer.
    """
    static = check_public_address(config)
    if not static.ok:
        return [static]
    rows = await _call_public_address(config, http, static)
    if not static.warning:
        return rows
    return [replace(row, warning=True, what=f"{static.what}; {row.what}", do=static.do) if row.ok else row for row in rows]


async def _call_public_address(config: Config, http: aiohttp.ClientSession, static: CheckResult) -> Sequence[CheckResult]:
    name = static.name
    base = urlsplit(config.listen.public_base_url)
    host, port = base.hostname or "", base.port or (HTTPS_PORT if base.scheme == "https" else HTTP_PORT)
    if not await is_live(config, http):
        raise NoAnswer("cannot be tried: the bridge does not run")
    dns = await check_dns(config)
    if not dns.ok:
        return [replace(dns, name=name)]
    if not dns.asked:
        return [unasked(name, f"{static.what}; {dns.what}", dns.do)]
    try:
        _, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()
    except ConnectionRefusedError:
        what = f"nobody listens at {host}, port {port}: no text comes in"
        do = f"Start the proxy (or what stands before the bridge). {SPLIT_VIEW}"
        return _unreachable(what, do)
    except OSError:
        if is_loopback_host(host) or is_private_host(host):
            return _unreachable(f"{host} cannot be reached: no text comes in", "Does the proxy run?")
        return [unasked(name, "cannot be called from here", SPLIT_VIEW)]
    return await _call_webhook(config)


async def ask_time(config: Config) -> Sequence[CheckResult]:
    """Check that the clock is synchronised, and compare it with the carrier's, if that is another machine."""
    api, synchronisation = config.line.carrier.api_base, clock_sync.check_synchronisation()
    if is_loopback_host(urlsplit(api).hostname or ""):
        return [synchronisation]
    async with CarrierHttp() as http:
        got = await send_request(http, "GET", api)
    skew = skew_of(got.date if isinstance(got, HttpResponse) else None, time.time())
    return [synchronisation] if skew is None else [synchronisation, judge_skew(skew)]


def skew_of(date: str | None, now: float) -> float | None:
    """Return the seconds by which our clock is ahead of an HTTP `Date`; None without a date."""
    with contextlib.suppress(TypeError, ValueError):
        return now - email.utils.parsedate_to_datetime(date or "").timestamp()
    return None


def judge_skew(skew: float) -> CheckResult:
    """Judge the seconds by which our clock is ahead of the carrier's."""
    if abs(skew) <= MAX_SKEW_SECONDS:
        return well("clock", "is that of the carrier, within a minute")
    what = f"is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} the carrier's"
    do = "Have the machine's clock synchronised (`timedatectl`): signatures and everything that ends depend on it."
    return fault("clock", what, do)


async def _call_webhook(config: Config) -> Sequence[CheckResult]:
    line, name = config.line, "public address"
    url = f"{config.listen.public_base_url}/carriers/{line.slug}/status"
    async with CarrierHttp() as http:
        reached = await check_reachable(http, line, url)
        if not reached.ok:
            return _unreachable(reached.what, reached.do)
        signed = await check_signature(http, line, url)
    if not signed.ok:
        return [replace(signed, name=name)]
    return [well(name, f"{reached.what}; {signed.what}")]


def _unreachable(what: str, do: str) -> list[CheckResult]:
    silent = fault("silence", "no text can come in: see the row `public address`", do)
    return [fault("public address", what, do), silent]
