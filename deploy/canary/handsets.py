"""The canary's handset: by the line's own route for it, or a handset of the rehearsal carrier.

Rules of this module: a call raises `Unreachable` and nothing else, and ends after `TIMEOUT`: a frozen bridge is an answer
too. The texts are random and meaningless.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp

from bridge.runtime.canary_keys import CANARY_NUMBER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.model.line_incidents import CanaryStep

TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
POLL_SECONDS: Final = 0.5


class Unreachable(Exception):  # noqa: N818 - the name says what happened
    """The called service did not answer, or refused."""


class Handset(Protocol):
    """Sends the canary's texts and receives the answers."""

    async def text(self, message_id: str, words: str) -> None:
        """Send a text to the line. Raises `Unreachable`."""

    async def received_texts(self) -> list[str]:
        """Return received texts, perhaps some twice. Raises `Unreachable`."""


class CanaryRouteClient:
    """The line's route for the canary: its handset, and the receiver of its reports. `url`: the bridge's own listener."""

    def __init__(self, http: aiohttp.ClientSession, *, url: str, slug: str, token: str) -> None:
        self._http, self._url = http, f"{url}/carriers/{slug}/canary"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def text(self, message_id: str, words: str) -> None:
        """See `Handset.text`."""
        await self._ask("POST", {"id": message_id, "text": words})

    async def received_texts(self) -> list[str]:
        """See `Handset.received`."""
        return [str(words) for words in (await self._ask("GET")).get("answers", ())]

    async def count_erasures(self) -> int:
        """Return the number of unfinished erasures of earlier trips. Raises `Unreachable`."""
        return int((await self._ask("GET")).get("erasing", 0))

    async def report(self, step: CanaryStep | None, seconds: float) -> None:
        """Report a trip. `step`: the failed step; None: success. Raises `Unreachable`."""
        await self._ask("POST", {"report": "" if step is None else step.value, "seconds": seconds})

    async def _ask(self, method: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        content: dict[str, Any] = await _ask(self._http, method, self._url, json=body, headers=self._headers)
        return content


class RehearsalHandset:
    """A handset of the rehearsal carrier (`deploy/rehearsal/server.py`). `url`: the carrier's; `number`: the line's."""

    def __init__(self, http: aiohttp.ClientSession, *, url: str, number: str) -> None:
        self._http, self._url, self._number = http, url, number

    async def text(self, message_id: str, words: str) -> None:  # noqa: ARG002 - the carrier makes its own ids
        """See `Handset.text`."""
        body = {"from": CANARY_NUMBER, "to": self._number, "text": words}
        await _ask(self._http, "POST", f"{self._url}/api/texts", json=body)

    async def received_texts(self) -> list[str]:
        """See `Handset.received`."""
        texts = await _ask(self._http, "GET", f"{self._url}/api/texts", params={"handset": CANARY_NUMBER})
        return [text["text"] for text in texts if text["direction"] == "out"]


async def _ask(http: aiohttp.ClientSession, method: str, url: str, **request: Any) -> Any:
    """Send one request; return the JSON of the answer, or an empty object without JSON."""
    try:
        async with http.request(method, url, timeout=TIMEOUT, allow_redirects=False, **request) as answer:
            if answer.status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
                raise Unreachable
            return await answer.json() if answer.content_type == "application/json" else {}
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise Unreachable from error


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until the condition is true; the caller sets a limit. Raises what `condition` raises."""
    while not await condition():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(POLL_SECONDS)
