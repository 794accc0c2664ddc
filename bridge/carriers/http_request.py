"""One HTTP request to a carrier.

Rules of this module: no request that may send is repeated, no redirect is followed, no cookie is kept. A request that
certainly was not sent is distinguished from one that may have had an effect, because that decides whether a text may be
sent again (design.md, "Flows"). The functions that use aiohttp import it: a carrier's settings are in the module of its
adapter, so otherwise every program that reads the configuration would load an HTTP client, which takes longer than all the
rest.

Source: RFC 9110 section 9.2.2 (GET and DELETE may be repeated); aiohttp 3.14, `client.py` (such a request is made once more
when a kept connection turns out to be closed).
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from bridge.carriers.adapter import TryLater, UnknownOutcome
from bridge.carriers.parsing import json_value, object_or_empty, retry_after_seconds, utf8_bytes

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

_UNESCAPED: Final = frozenset(f"{string.ascii_letters}{string.digits}_-".encode())
REPEATABLE: Final = frozenset({"GET", "DELETE"})
MAX_RESPONSE_BYTES: Final = 8 * 1024 * 1024
"""Most bytes of an answer that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Limits in seconds: for a request with its answer, and for opening its connection (None: no limit of its own)."""

    total: float
    connect: float | None = None


TIMEOUT: Final = Timeout(total=10, connect=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """The carrier's answer. `retry_after`, `date` and `challenge` (`WWW-Authenticate`) as in the headers."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None
    date: str | None = None
    challenge: str | None = None

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object of the body, an empty one if it is none."""
        return object_or_empty(self.body)

    @property
    def value(self) -> Any:
        """The JSON value of the body, or None."""
        return json_value(self.body)

    @property
    def outcome_unknown(self) -> bool:
        """Whether the status leaves open if the request had an effect: 5xx, a redirect, or a 408 of a proxy."""
        return self.status >= 500 or self.status < 200 or 300 <= self.status < 400 or self.status == 408

    def try_later(self, otherwise: float = 1.0) -> TryLater:
        """Return `TryLater` with the answer's `Retry-After`, else with `otherwise`, in seconds."""
        return TryLater(retry_after_seconds(self.retry_after, otherwise, date=self.date))


RequestOutcome: TypeAlias = HttpResponse | TryLater | UnknownOutcome
"""An answer; or the request was certainly not sent (`TryLater`); or that is unknown (`UnknownOutcome`)."""


class CarrierHttp:
    """An adapter's HTTP sessions. Made inside the running event loop; closed by `close`, or as a context manager."""

    def __init__(self, *, timeout: Timeout = TIMEOUT, headers: Mapping[str, str] | None = None) -> None:
        import aiohttp  # noqa: PLC0415 - see above

        limits = aiohttp.ClientTimeout(total=timeout.total, connect=timeout.connect)

        def session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
            jar = aiohttp.DummyCookieJar()
            return aiohttp.ClientSession(connector=connector, cookie_jar=jar, headers=headers, timeout=limits)

        # If the carrier closes a kept connection while we write, the outcome of a send is unknown, and a person must
        # decide. A new connection for each request is either open, or certainly transmitted nothing.
        self._sends = session(aiohttp.TCPConnector(force_close=True))
        self._repeatable = session(aiohttp.TCPConnector())

    @property
    def sessions(self) -> tuple[aiohttp.ClientSession, ...]:
        """Return both sessions."""
        return self._sends, self._repeatable

    def session_for(self, method: str) -> aiohttp.ClientSession:
        """Return the session for a method; repeatable methods use kept connections."""
        return self._repeatable if method in REPEATABLE else self._sends

    async def close(self) -> None:
        """Close the sessions."""
        for session in self.sessions:
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.close()


async def send_request(
    http: CarrierHttp,
    method: str,
    url: str,
    *,
    query: Mapping[str, str] | None = None,
    json: Any = None,
    form: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> RequestOutcome:
    """Make one request. `url` is used unchanged, with its percent-escapes; `form` is already encoded.

    `form` may be of another type, if `headers` say so. With an invalid URL (`https://a..b`) no request is made.
    """
    import aiohttp  # noqa: PLC0415 - see above

    if (target := _target(url, query)) is None:
        return TryLater()
    request_headers = {
        **({"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}),
        **(headers or {}),
    }
    try:
        async with http.session_for(method).request(
            method,
            target,
            json=json,
            data=form,
            headers=request_headers,
            allow_redirects=False,
        ) as answer:
            body = b""
            async for piece in answer.content.iter_chunked(65536):
                body += piece
                if len(body) > MAX_RESPONSE_BYTES:
                    return UnknownOutcome()
            response_headers = answer.headers
            return HttpResponse(
                status=answer.status,
                body=body,
                retry_after=response_headers.get("Retry-After"),
                date=response_headers.get("Date"),
                challenge=response_headers.get("WWW-Authenticate"),
            )
    except (aiohttp.InvalidURL, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        return TryLater()
    except TimeoutError:
        return UnknownOutcome(timed_out=True)
    except aiohttp.ClientError:
        return UnknownOutcome()


def _target(url: str, query: Mapping[str, str] | None) -> URL | None:
    from yarl import URL  # noqa: PLC0415 - see above

    try:
        target = URL(url, encoded=True)
        (target.raw_host or "").encode("idna")  # a look-up would fail in the same way
        return target.update_query(query) if query else target
    except ValueError:
        return None


def path_segment(value: str) -> str:
    """Encode an id as one path segment, whatever it contains, so that it cannot change the path."""
    return "".join(chr(b) if b in _UNESCAPED else f"%{b:02X}" for b in utf8_bytes(value))
