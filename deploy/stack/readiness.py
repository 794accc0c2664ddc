"""Asks each child from outside whether it is ready, and keeps when children died (`run/deaths.json`).

Rule of this module: only the answer of a child counts, never that its process exists; no answer means "not ready", never an
error.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from yarl import URL

from deploy.data_dir.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

KEPT_SECONDS: Final = 7 * 86_400.0
MAX_KEPT: Final = 100


def record_death(path: Path, name: str, now: float) -> None:
    """Note that the child of that name died at that time (seconds since the epoch)."""
    deaths = _read(path)
    times = [time for time in deaths.get(name, ()) if 0 <= now - time < KEPT_SECONDS]
    deaths[name] = [*times, float(int(now))][-MAX_KEPT:]
    with contextlib.suppress(OSError):
        write_atomically(path, json.dumps(deaths) + "\n")


def count_deaths(path: Path, since: float) -> dict[str, int]:
    """Count the deaths after that time, by name of the child; children without a death are left out."""
    counts = {name: sum(time > since for time in times) for name, times in _read(path).items()}
    return {name: count for name, count in counts.items() if count}


def _read(path: Path) -> dict[str, list[float]]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): [float(time) for time in times] for name, times in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


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
