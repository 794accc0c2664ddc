"""Authentication: only the bridges of this homeserver's lines get an answer, each with its application service's token.

Rule of this module: the token is compared first, in constant time, and read only from the header (a URL is logged); it
identifies the line. Nothing is logged.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from synapse.module_api import DirectServeJsonResource
from synapse.module_api.errors import SynapseError

from quietline_synapse.rooms import NOT_OURS, refusal
from quietline_synapse.settings import LineSettings, ModuleSettings

VERSION: Final = "1"
BEARER: Final = b"Bearer "


class AuthenticatedResource(DirectServeJsonResource):  # type: ignore[misc]
    """A web resource for a line's bridge. `answer` accepts a fixed list of paths."""

    isLeaf = True  # noqa: N815 - Twisted's name: this resource gets all requests below its path

    def __init__(self, settings: ModuleSettings) -> None:
        super().__init__()
        self._settings = settings

    async def answer(self, line: LineSettings, method: str, path: list[str], request: Any) -> dict[str, Any]:
        """Answer a request of a line's bridge. `path`: the segments after this resource's own path."""
        raise NotImplementedError  # abstract: the main process accepts more paths than a worker that keeps the uploads

    async def _async_render_GET(self, request: Any) -> tuple[int, dict[str, Any]]:  # noqa: N802 - Synapse's name
        return HTTPStatus.OK, await self._answer("GET", request)

    async def _async_render_POST(self, request: Any) -> tuple[int, dict[str, Any]]:  # noqa: N802
        return HTTPStatus.OK, await self._answer("POST", request)

    async def _async_render_PUT(self, request: Any) -> tuple[int, dict[str, Any]]:  # noqa: N802
        return HTTPStatus.OK, await self._answer("PUT", request)

    async def _async_render_DELETE(self, request: Any) -> tuple[int, dict[str, Any]]:  # noqa: N802
        return HTTPStatus.OK, await self._answer("DELETE", request)

    async def _answer(self, method: str, request: Any) -> dict[str, Any]:
        line = self._authenticate(request.requestHeaders.getRawHeaders(b"Authorization") or [])
        try:
            path = [part.decode("utf-8") for part in request.postpath]
        except UnicodeDecodeError:
            raise unrecognized_error() from None
        if any("\0" in part for part in path):  # no id contains it, and PostgreSQL does not accept it
            raise refusal(NOT_OURS)
        return await self.answer(line, method, path, request)

    def _authenticate(self, headers: list[bytes]) -> LineSettings:
        if len(headers) != 1 or not headers[0].startswith(BEARER):
            raise SynapseError(HTTPStatus.UNAUTHORIZED, "No token", "M_MISSING_TOKEN")
        line = self._settings.line_of_token(headers[0].removeprefix(BEARER))
        if line is None:
            raise SynapseError(HTTPStatus.UNAUTHORIZED, "Wrong token", "M_UNKNOWN_TOKEN")
        return line


def unrecognized_error() -> SynapseError:
    """Return the error for a path that is not on the list."""
    return SynapseError(HTTPStatus.NOT_FOUND, "Unrecognized request", "M_UNRECOGNIZED")
