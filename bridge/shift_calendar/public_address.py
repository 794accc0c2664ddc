"""Fetches a file from an https address of the public network, and from nowhere else.

Rules of this module: each address that a connection is made to is looked at, immediately before that, whatever a name led
to when it was asked; one of this machine, of a private or local network or of another special use is not connected to. No
redirect is followed, no proxy asked, no cookie kept, nothing sent that says who asks. Bytes and time are bounded. No error
holds the address, which may be a secret.

Sources: aiohttp 3.14, `TCPConnector` (`socket_factory` is called for each connection, with the address that it is for);
IANA's registries of special-purpose addresses, as `ipaddress` has them; RFC 6052 §2.1, RFC 3056 §2 and RFC 4380 §2.6 for
addresses that hold another one.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver

from policies.shifts.content_lines import CalendarError, CalendarProblem

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
"""Seconds. One that sends a byte now and then is over after the first of them."""
PIECE: Final = 65_536
HOLDING_ANOTHER: Final = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""Networks of IPv6 whose addresses lead to one of IPv4: translation, 6to4, Teredo."""


def is_public(address: str) -> bool:
    """Whether an address is of the public network; what is none is not."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in network for network in HOLDING_ANOTHER) or ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


async def fetch(
    url: str,
    *,
    most: int,
    allowed: Callable[[str], bool] = is_public,
    resolver: AbstractResolver | None = None,
    tls: ssl.SSLContext | None = None,
    limits: aiohttp.ClientTimeout = TIMEOUT,
) -> bytes:
    """Return what is there. Raises :class:`CalendarError`: unreachable, refused, or larger than `most` bytes.

    `allowed`, `resolver`, `tls` and `limits` are other ones in tests alone.
    """
    refused: list[bool] = []

    def connect_to(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = info
        if not allowed(str(where[0])):
            refused.append(True)
            raise OSError("not an address of the public network")
        return socket.socket(family=family, type=kind, proto=protocol)

    connector = aiohttp.TCPConnector(
        resolver=resolver, socket_factory=connect_to, ssl=tls or True, use_dns_cache=False, force_close=True
    )
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
                headers={"Accept": "text/calendar", "Accept-Encoding": "identity"},
                timeout=limits,
            ) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return await _body(answer, most)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        problem = CalendarProblem.REFUSED if refused else CalendarProblem.UNREACHABLE
        raise CalendarError(problem) from None  # the other one's text may hold the address


async def _body(answer: aiohttp.ClientResponse, most: int) -> bytes:
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        raise CalendarError(CalendarProblem.REFUSED)
    if answer.status != HTTPStatus.OK or answer.headers.get("Content-Encoding", "identity") != "identity":
        raise CalendarError(CalendarProblem.UNREACHABLE)
    data = bytearray()
    async for piece in answer.content.iter_chunked(PIECE):
        data += piece
        if len(data) > most:
            raise CalendarError(CalendarProblem.LARGE)
    return bytes(data)
