"""Checks whether the carrier answers, for a line that sends nothing for hours.

Rules of this module: it requests the front page of the carrier's address, without a login and without data about this line;
any HTTP answer counts. A refused login shows in the line's own requests, and in `quietline carrier check`.
"""

from __future__ import annotations

from typing import Final

import aiohttp

from bridge.background.loop import BackgroundLoop

ASK_INTERVAL: Final = 30.0
"""Seconds between two questions."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


class CarrierProbe:
    """Asks while its `loop` runs. `answers` is None before the first question is over."""

    def __init__(self, *, url: str, http: aiohttp.ClientSession) -> None:
        self._url, self._http = url, http
        self.answers: bool | None = None
        self.loop = BackgroundLoop("metrics.carrier_probe", self.run_once, max_sleep=ASK_INTERVAL)

    async def run_once(self) -> float:
        """Ask once; return the seconds until the next question."""
        try:
            async with self._http.get(self._url, timeout=TIMEOUT, allow_redirects=False):
                self.answers = True
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.answers = False
        return ASK_INTERVAL
