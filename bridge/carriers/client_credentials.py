"""Makes requests with a token that a vendor gives for client credentials, valid for a limited time (RFC 6749 §4.4).

Rules of this module: no request is made without a token; without one the request counts as certainly not sent. A 401 means
that nothing was done: only then is a request repeated, once, with a new token. Callers that need a token at the same time
share one request for it, and its failure; after :data:`START_WITHIN` no caller waits any longer, because a text must not
leave late. A token is kept in memory only.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Any, Final

from bridge.carriers.adapter import TryLater
from bridge.carriers.http_request import CarrierHttp, HttpResponse, RequestOutcome, send_request

RETRY_SECONDS: Final = 5.0
"""Seconds after which a token is requested again after a failure."""
START_WITHIN: Final = 10.0
"""Seconds from a call of `request` within which its last HTTP request begins; if none has begun by then, none was sent."""
DEFAULT_LIFETIME: Final = 300
"""Seconds for which a token counts as valid when the vendor does not say."""
MAX_LIFETIME: Final = 86_400
"""The most seconds for which a token counts as valid, whatever the vendor says."""
RENEWAL_MARGIN: Final = 60
"""Seconds before its end at which a token is renewed."""
GRANT_FORM: Final = b"grant_type=client_credentials"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,8192}=*")


def basic_auth(user: str, password: str) -> str:
    """Return an `Authorization` header of the Basic scheme (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def access_token(answer: HttpResponse) -> str | None:
    """Return the token in a vendor's answer; None if it has none that is valid in a header."""
    token = answer.json.get("access_token") if answer.status == 200 else None
    return token if isinstance(token, str) and _TOKEN.fullmatch(token) else None


class TokenClient:
    """One login. `url`: the token endpoint; `login`: the client's id and secret; `clock` in seconds."""

    def __init__(self, http: CarrierHttp, *, url: str, login: tuple[str, str], clock: Callable[[], float]) -> None:
        self._http, self._url, self._clock = http, url, clock
        self._login = basic_auth(*login)
        self._token, self._expires_at = "", 0.0
        self._lock = asyncio.Lock()
        self._failed: tuple[float, RequestOutcome] | None = None

    async def request(self, method: str, url: str, *, json: Any = None) -> RequestOutcome:
        """Make one request, and after a 401 once more. If the login is refused, its answer is returned."""
        refused: RequestOutcome | None = None
        loop = asyncio.get_running_loop()
        until = loop.time() + START_WITHIN
        for _ in range(2):
            try:
                async with asyncio.timeout_at(until):
                    token = await self._valid_token()
            except TimeoutError:
                return TryLater(RETRY_SECONDS)
            if not isinstance(token, str):
                return token
            if loop.time() >= until:
                return TryLater(RETRY_SECONDS)
            refused = await send_request(self._http, method, url, json=json, headers={"Authorization": f"Bearer {token}"})
            if not isinstance(refused, HttpResponse) or refused.status != 401:
                return refused
            if self._token == token:
                self._token = ""
        return refused if refused is not None else TryLater(RETRY_SECONDS)

    async def _valid_token(self) -> str | RequestOutcome:
        loop = asyncio.get_running_loop()
        came = loop.time()
        async with self._lock:
            if self._token and self._clock() < self._expires_at:
                return self._token
            if self._failed is not None and self._failed[0] >= came:
                return self._failed[1]
            got: str | RequestOutcome = TryLater(RETRY_SECONDS)
            try:
                got = await self._fetch_token()
            finally:
                if not isinstance(got, str):
                    self._failed = loop.time(), got
            return got

    async def _fetch_token(self) -> str | RequestOutcome:
        got = await send_request(self._http, "POST", self._url, form=GRANT_FORM, headers={"Authorization": self._login})
        if not isinstance(got, HttpResponse):
            return TryLater(RETRY_SECONDS)
        if 400 <= got.status < 500 and got.status != 429 and not got.outcome_unknown:
            return got
        token, lasts = access_token(got), got.json.get("expires_in")
        if token is None:
            return got.try_later(RETRY_SECONDS)
        lasts = min(lasts, MAX_LIFETIME) if type(lasts) is int and lasts > 0 else DEFAULT_LIFETIME
        self._token, self._expires_at = token, self._clock() + lasts - min(RENEWAL_MARGIN, lasts / 2)
        return token
