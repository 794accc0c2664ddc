"""Asks each child from outside whether it is ready.

Rule of this module: only the answer of a child counts, never that its process exists; no answer means "not ready", never an
error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
UNUSED_HANDSET: Final = "%2B15555550199"
"""A fictional number (555-01xx) that nobody texts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeReady:
    """The content of a ready bridge's `run/bridge.json`: its two identities, the desk and its process."""

    bot: str
    voice: str
    desk_room: str
    pid: int

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read `bridge.json`; return None when it does not exist or has another form."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                bot=str(content["bot"]),
                voice=str(content["voice"]),
                desk_room=str(content["desk_room"]),
                pid=int(content["pid"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


class ReadinessProbe:
    """One HTTP session for the probes; an async context manager. URLs have no slash at the end."""

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

    async def bridge(self, url: str) -> bool:
        """Whether the bridge is ready (`GET /ready`: 200; 503 until then)."""
        return await self._get(f"{url}/ready") is not None

    async def bridge_lives(self, url: str) -> bool:
        """Whether the bridge's process answers at all (`GET /live`), also without its homeserver."""
        return await self._get(f"{url}/live") is not None

    async def client_api(self, url: str) -> bool:
        """Whether a homeserver answers clients (`GET /_matrix/client/versions`)."""
        return await self._get(f"{url}/_matrix/client/versions") is not None

    async def _get(self, url: str) -> bytes | None:
        try:
            async with self._session.get(URL(url, encoded=True), allow_redirects=False) as response:
                body = await response.read()
                return body if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
