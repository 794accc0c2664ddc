"""Where the calendar is: a file of this machine, or an https address.

Rules of this module: reading never waits for longer than a bound, also on a drive that hangs, and reads no more than a
calendar may have; only an ordinary file is read (a pipe would wait for its writer). What an address is, is in no error.
An https address is asked at the public network alone: each address that a connection is made to is looked at immediately
before that, whatever a name led to when it was asked, and one of this machine, of a private or local network or of another
special use is not connected to.

Sources: aiohttp 3.14, `TCPConnector` (`socket_factory` is called for each connection, with the address that it is for);
IANA's registries of special-purpose addresses, as `ipaddress` has them; RFC 6052 §2.1, RFC 3056 §2 and RFC 4380 §2.6 for
addresses that hold another one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeAlias, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver

from bridge.config.sections import ShiftCalendar
from bridge.runtime.settings import public_url_problem, read_secret
from policies.shifts.content_lines import MOST_BYTES, CalendarError, CalendarProblem

Mark: TypeAlias = tuple[int, ...] | None
"""What tells one state of a source from another without reading it; None where that cannot be told."""
BOUND: Final = 10.0
"""Seconds until a call counts as one that hangs."""
FETCH_LIMITS: Final = aiohttp.ClientTimeout(total=30, connect=10)
"""Seconds. One that sends a byte now and then is over after the first of them."""
PIECE: Final = 65_536
HOLDING_ANOTHER: Final = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""Networks of IPv6 whose addresses lead to one of IPv4: translation, 6to4, Teredo."""
T = TypeVar("T")


class StillHanging(Exception):  # noqa: N818 - it says what is so
    """The call has not ended within its bound, or the one before it has not ended yet."""


class BoundedThread:
    """Makes calls that may hang, one at a time. `bound`: seconds for one.

    A file of a network drive that hangs holds its thread until the drive is back, and nothing ends that. So no second call
    is begun while one hangs, and the thread is a daemon: the end of the process does not wait for it, as it would for one
    of the event loop's own (`asyncio.run`, `shutdown_default_executor`).
    """

    def __init__(self, bound: float = BOUND) -> None:
        self._bound = bound
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Return what a call returns, and raise what it raises. Raises :class:`StillHanging`."""
        if self._thread is not None and self._thread.is_alive():
            raise StillHanging
        loop = asyncio.get_running_loop()
        done: asyncio.Future[tuple[T] | Exception] = loop.create_future()

        def set_result_once(result: tuple[T] | Exception) -> None:
            if not done.done():
                done.set_result(result)

        def call() -> None:
            result: tuple[T] | Exception
            try:
                result = (work(),)
            except Exception as error:  # noqa: BLE001 - it is raised where the call is waited for
                result = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(set_result_once, result)

        self._thread = threading.Thread(target=call, name="calendar file", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(self._bound):
                result = await done
        except TimeoutError:
            raise StillHanging from None
        self._thread = None
        if isinstance(result, Exception):
            raise result
        return result[0]


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
    limits: aiohttp.ClientTimeout = FETCH_LIMITS,
) -> bytes:
    """Return what is at an https address. Raises :class:`CalendarError`: unreachable, refused, or larger than `most` bytes.

    No redirect is followed, no proxy asked, no cookie kept, and nothing sent says who asks.
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


class Fetch(Protocol):
    """What gets the bytes of an address (`fetch`)."""

    async def __call__(self, url: str, *, most: int) -> bytes:
        """Return them. Raises :class:`CalendarError`."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file that another program, or a person, writes.

    Seconds: `every` between two looks, `retry_seconds` after one that failed, `alert_after` until supervisors are told.
    `is_outside`: no answer may be a network's fault.
    """

    file: Path
    every: float = 5.0
    retry_seconds: float = 5.0
    alert_after: float = 60.0
    is_outside: ClassVar[bool] = False
    thread: BoundedThread = field(default_factory=BoundedThread, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What tells it from another source; for a keyed hash alone."""
        return f"file {self.file}"

    async def mark(self) -> Mark:
        """Return the mark of its state now. Raises :class:`CalendarError`."""
        return await _run_in_thread(self.thread, self._mark)

    async def read(self) -> bytes:
        """Return what is there, one byte more than a calendar may have at most. Raises :class:`CalendarError`."""
        return await _run_in_thread(self.thread, self._read)

    def _mark(self) -> Mark:
        try:
            stat = self.file.stat()
        except (OSError, ValueError):
            raise CalendarError(CalendarProblem.UNREACHABLE) from None
        # The time of a change of mode as well: who may read it decides whether it can be read.
        return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev)

    def _read(self) -> bytes:
        try:
            with os.fdopen(os.open(self.file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
                if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                    raise CalendarError(CalendarProblem.NOT_A_CALENDAR)
                return opened.read(MOST_BYTES + 1)
        except (OSError, ValueError):
            raise CalendarError(CalendarProblem.UNREACHABLE) from None


@dataclass(frozen=True, slots=True)
class AddressSource:
    """An https address, which stands in a file as a secret: whoever knows it reads who works when. Like a file else."""

    file: Path
    fetch: Fetch = fetch
    every: float = 1800.0
    retry_seconds: float = 300.0
    alert_after: float = 3600.0
    is_outside: ClassVar[bool] = True
    thread: BoundedThread = field(default_factory=BoundedThread, repr=False, compare=False)

    @property
    def name(self) -> str:
        """As of a file. Raises `OSError` or `ValueError` where the secret cannot be read."""
        return f"address {read_secret(self.file)}"

    async def mark(self) -> Mark:
        """As of a file; it cannot be told."""
        return None

    async def read(self) -> bytes:
        """As of a file."""
        try:
            url = await _run_in_thread(self.thread, lambda: read_secret(self.file))
        except (OSError, ValueError):
            raise CalendarError(CalendarProblem.UNREACHABLE) from None
        if public_url_problem(url):  # it was another one at the start
            raise CalendarError(CalendarProblem.REFUSED)
        return await self.fetch(url, most=MOST_BYTES)


async def _run_in_thread(thread: BoundedThread, work: Callable[[], T]) -> T:
    try:
        return await thread.run(work)
    except StillHanging:
        raise CalendarError(CalendarProblem.UNREACHABLE) from None


Source: TypeAlias = FileSource | AddressSource


def source_of(settings: ShiftCalendar) -> Source:
    """Return what the configuration names."""
    if settings.address_file is not None:
        return AddressSource(settings.address_file)
    if settings.file is not None:
        return FileSource(settings.file)
    raise ValueError("neither a file nor an address")  # the configuration is not valid then
