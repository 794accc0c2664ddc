"""Makes requests to the homeserver as one of our identities; they fail in two ways.

`Transient` is worth another try, after `retry_after` seconds if the homeserver said so; `Permanent` is not. Both carry
status and errcode only: the homeserver's error text, the path and the body are dropped here, and nothing is logged.

Source: https://spec.matrix.org/latest/client-server-api/#api-standards; MSC3202 for `device_id` of an application service.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

import aiohttp
from yarl import URL

from bridge.matrix.api.json_fields import Json, MalformedJson, dumps

Method: TypeAlias = Literal["GET", "PUT", "POST", "DELETE"]

CLIENT_API: Final = "/_matrix/client/v3"
MEDIA_API: Final = "/_matrix/media/v3"
MEDIA_CREATE_API: Final = "/_matrix/media/v1"
MAX_RETRY_AFTER: Final = 60.0
"""Seconds: whatever a homeserver asks us to wait, this is the most."""
UNKNOWN_DEVICE_WAIT: Final = 2.0
"""Seconds until a request is tried again whose device the homeserver does not know."""
LIFTED_BY_A_PERSON: Final = frozenset({"M_USER_LOCKED", "M_USER_SUSPENDED", "M_RESOURCE_LIMIT_EXCEEDED"})
"""Errors of an administrator's measure against our account or the homeserver, which may be lifted: never permanent. Source:
https://spec.matrix.org/latest/client-server-api/#common-error-codes, #account-locking, #account-suspension."""
LIFTED_WAIT: Final = 10.0

ERRCODE: Final = re.compile(r"(?!.*\d{5})(?=.{1,64}\Z)[A-Z][A-Z0-9]*(?:[._][A-Z0-9]+)+")
"""An errcode: `M_FORBIDDEN`, or with a namespace (Client-Server API, "Standard error response")."""


class HomeserverError(Exception):
    """A request failed. `status` is HTTP's, 0 when there was no answer; `errcode` is Matrix's, or empty."""

    def __init__(self, status: int, errcode: str) -> None:
        super().__init__(f"{status} {errcode}".strip())
        self.status = status
        self.errcode = errcode


class Transient(HomeserverError):  # noqa: N818 - it is a verdict
    """Worth trying again: no answer, 429, 5xx, a limit that a person can lift, or a refusal of a proxy and not of Matrix.

    `retry_after`: the requested seconds, or 0.
    """

    def __init__(self, status: int, errcode: str, retry_after: float = 0.0) -> None:
        super().__init__(status, errcode)
        self.retry_after = retry_after


class Permanent(HomeserverError):  # noqa: N818 - it is a verdict
    """The same request will fail again."""


class TokenRefused(Permanent):
    """The application service token is not accepted (`M_UNKNOWN_TOKEN`, `M_MISSING_TOKEN`): nothing can work."""


class UnknownDevice(Transient):
    """The homeserver does not know our device (`M_UNKNOWN_DEVICE`): a person deleted it, and the identity makes another.

    What waits is tried again then; nothing of it is refused for good.
    """


class IdentityInUse(HomeserverError):  # noqa: N818 - it says what is so
    """At its introduction: the homeserver has keys of this identity that are not ours, or a device that may be in use."""

    def __init__(self, user_id: str) -> None:
        super().__init__(0, "QUIETLINE_IDENTITY_IN_USE")
        self.user_id = user_id


class IdentityTakenOver(HomeserverError):  # noqa: N818 - it says what happened
    """Our device was deleted, and one that we did not make is in use: another bridge has taken over this identity."""

    def __init__(self, user_id: str) -> None:
        super().__init__(0, "QUIETLINE_REPLACED")
        self.user_id = user_id


class HomeserverClient:
    """The homeserver as seen by one appservice user. `device_id` makes transaction ids survive its restarts."""

    def __init__(self, *, session: aiohttp.ClientSession, url: str, token: str, user_id: str) -> None:
        self.user_id = user_id
        self.device_id: str | None = None
        self.suspended = False
        """While it is set, no request is made: the identity is making a new device, which the homeserver does not know
        yet."""
        self._last_date: str | None = None
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    @property
    def server_time(self) -> float | None:
        """The homeserver's clock at its last answer, in seconds since the epoch; None where it did not say.

        Source: RFC 9110, section 6.6.1 (`Date`).
        """
        try:
            return None if self._last_date is None else parsedate_to_datetime(self._last_date).timestamp()
        except (ValueError, OverflowError):
            return None

    def without_device(self) -> HomeserverClient:
        """Return a client for the same user without a device: for requests before there is one."""
        other = copy.copy(self)
        other.device_id, other.suspended = None, False
        return other

    async def request(
        self,
        method: Method,
        *path: str,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        prefix: str = CLIENT_API,
        seconds: float = 30.0,
    ) -> Json:
        """Make one request and return the object it answered. `path` parts are escaped here.

        Raises :class:`Transient`, :class:`Permanent`; `Permanent` with errcode `M_BAD_JSON` for a body that has no UTF-8.
        """
        if self.suspended:
            raise UnknownDevice(0, "QUIETLINE_NEW_DEVICE", UNKNOWN_DEVICE_WAIT)
        parameters = {"user_id": self.user_id, **(query or {})}
        if self.device_id is not None:
            parameters["device_id"] = parameters["org.matrix.msc3202.device_id"] = self.device_id
        escaped = "/".join(quote(part, safe="") for part in path)
        url = URL(f"{self._url}{prefix}/{escaped}", encoded=True).with_query(parameters)
        try:
            data = None if method == "GET" else dumps(body or {}).encode()
        except MalformedJson:
            raise Permanent(0, "M_BAD_JSON") from None
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,
            ) as response:
                status, retry, raw = response.status, response.headers.get("Retry-After"), await response.read()
                self._last_date = response.headers.get("Date")
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Transient(0, "") from None
        return _parse_response(status, retry, raw)

    async def create_media(self) -> str:
        """Get an `mxc:` address for an upload from the homeserver; unused, it expires after a day.

        Source: https://spec.matrix.org/latest/client-server-api/#post_matrixmediav1create
        """
        address = (await self.request("POST", "create", prefix=MEDIA_CREATE_API)).get("content_uri")
        if not isinstance(address, str) or not address.startswith("mxc://"):
            raise Transient(HTTPStatus.OK, "QUIETLINE_NO_ADDRESS")
        return address

    async def upload_media(self, address: str, data: bytes) -> None:
        """Upload encrypted bytes to a reserved address. Raises as `request`; once only per address."""
        server, _, media_id = address.removeprefix("mxc://").partition("/")
        path = "/".join(quote(part, safe="") for part in (server, media_id))
        url = URL(f"{self._url}{MEDIA_API}/upload/{path}", encoded=True).with_query({"user_id": self.user_id})
        headers = {**self._headers, "Content-Type": "application/octet-stream"}
        try:
            async with self._session.request(
                "PUT", url, data=data, headers=headers, timeout=aiohttp.ClientTimeout(total=30.0), allow_redirects=False
            ) as response:
                status, retry, raw = response.status, response.headers.get("Retry-After"), await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Transient(0, "") from None
        _parse_response(status, retry, raw)


def _parse_response(status: int, retry: str | None, raw: bytes) -> Json:
    try:
        value: Any = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        if not isinstance(value, dict):
            raise Transient(status, "")  # a proxy's page, or an answer cut short
        return value
    answer = value if isinstance(value, dict) else {}
    errcode = _errcode(answer.get("errcode"))
    if status == HTTPStatus.TOO_MANY_REQUESTS or errcode == "M_LIMIT_EXCEEDED":
        raise Transient(status, errcode, _retry_after(answer.get("retry_after_ms"), retry))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}:
        raise Transient(status, errcode, _retry_after(None, retry))
    if errcode in LIFTED_BY_A_PERSON:
        raise Transient(status, errcode, LIFTED_WAIT)
    if errcode == "M_UNKNOWN_DEVICE":
        raise UnknownDevice(status, errcode, UNKNOWN_DEVICE_WAIT)
    if errcode in {"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"}:
        raise TokenRefused(status, errcode)
    if not errcode and status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # Every refusal of a homeserver has an errcode: without one it comes from a proxy, which a person will repair. Only
        # a body that is too large for a proxy is a permanent refusal.
        raise Transient(status, "", _retry_after(None, retry))
    raise Permanent(status, errcode)


def _errcode(value: Any) -> str:
    # It is logged and shown, and could quote anything, such as a word of a body or a number.
    return value if isinstance(value, str) and ERRCODE.fullmatch(value) else ""


def _retry_after(milliseconds: Any, header: str | None) -> float:
    if isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool) and milliseconds >= 0:
        return min(milliseconds / 1000, MAX_RETRY_AFTER)
    if header is not None and header.isdecimal():
        return min(float(header), MAX_RETRY_AFTER)
    return 0.0
