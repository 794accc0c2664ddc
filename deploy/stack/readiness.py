"""Asking each child from outside whether it is ready.

Rule of this module: only what a child answers counts, never that its process exists; no answer is "not ready", never an
error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from types import TracebackType

TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
UNUSED_HANDSET: Final = "%2B15555550199"
"""A fictional number (555-01xx) that nobody texts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeReady:
    """What a ready bridge says of itself: the two identities and the desk."""

    bot: str
    voice: str
    desk_room: str


class ReadinessProbe:
    """One HTTP session for questions; an async context manager. URLs are given without a slash at the end."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def homeserver(self, url: str) -> bool:
        """Whether the homeserver is healthy (`GET /health`)."""
        return await self._get(f"{url}/health") is not None

    async def carrier(self, url: str) -> bool:
        """Whether the rehearsal carrier answers (`GET /api/texts`, design.md, "Contracts with the outside")."""
        return await self._get(f"{url}/api/texts?handset={UNUSED_HANDSET}") is not None

    async def bridge(self, url: str) -> BridgeReady | None:
        """Ask what the bridge says when it is ready (`GET /ready`: 200; 503 until then)."""
        body = await self._get(f"{url}/ready")
        try:
            document = json.loads(body or b"null")
            return BridgeReady(bot=str(document["bot"]), voice=str(document["voice"]), desk_room=str(document["desk_room"]))
        except (ValueError, KeyError, TypeError):
            return None

    async def _get(self, url: str) -> bytes | None:
        try:
            async with self._session.get(URL(url, encoded=True), allow_redirects=False) as response:
                body = await response.read()
                return body if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
