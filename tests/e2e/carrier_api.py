"""The rehearsal carrier as an outside check uses it: only its documented API.

Rule: design.md, "Contracts with the outside".

Rule of this module: it remembers every text, so that a leak test can search for them where they must not be.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from datetime import datetime
from typing import Any

import aiohttp

from tests.e2e.polling import STEP_TIMEOUT, shorten, wait_until
from tests.planted import PLANTED, Kind

_NUMBERS = itertools.count(5550200)


def handset() -> str:
    """Return an invented number that no other test uses: +1 (206) 555-xxxx."""
    return f"+1206{next(_NUMBERS)}"


class CarrierApi:
    """One rehearsal carrier. `planted`: all numbers and texts that this object sent."""

    def __init__(self, url: str, line: str) -> None:
        self.url = url
        self.line = line
        self.planted: set[str] = set()

    async def text(self, sender: str, text: str, *, media: list[dict[str, str]] | None = None) -> str:
        """Text the line from a handset; return the carrier's id."""
        self.planted |= {sender, text}
        PLANTED.add(Kind.NUMBER, sender)
        PLANTED.add(Kind.TEXT, text)
        body: dict[str, Any] = {"from": sender, "to": self.line, "text": text}
        if media:
            body["media"] = media
        async with aiohttp.ClientSession() as http, http.post(f"{self.url}/api/texts", json=body) as answer:
            content = await answer.json()
        assert answer.status == 202, f"the carrier answered {answer.status} to a text"
        return str(content["id"])

    async def texts(self, number: str) -> list[dict[str, Any]]:
        """Return everything that one handset shows, oldest first, in the carrier's own form."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/api/texts", params={"handset": number}) as answer,
        ):
            texts: list[dict[str, Any]] = await answer.json()
        return texts

    async def texts_delivered(self, number: str) -> list[str]:
        """Return the texts that reached one handset, oldest first."""
        return [t["text"] for t in await self.texts(number) if t["direction"] == "out"]

    async def texts_acknowledged(self, number: str) -> list[str]:
        """Return the texts of one handset that the line has acknowledged, oldest first."""
        texts = await self.texts(number)
        return [t["text"] for t in texts if t["direction"] == "in" and t["status"] == "delivered"]

    async def records(self) -> list[dict[str, Any]]:
        """Return every copy that the carrier still has."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/api/records") as answer:
            copies: list[dict[str, Any]] = await answer.json()
        return copies

    async def fault(self, **fault: Any) -> None:
        """Set faults: `send`, `times` and `inbound`, as documented by the carrier."""
        async with aiohttp.ClientSession() as http, http.post(f"{self.url}/api/faults", json=fault) as answer:
            assert answer.status == 200, f"the carrier answered {answer.status} to a fault"

    async def send_faults_left(self) -> int:
        """Return how many further requests to send will get the fault that was set."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/api/faults") as answer:
            faults: dict[str, Any] = await answer.json()
        return int(faults["times"])

    async def wait_for_delivery(self, number: str, text: str, *, within: float = STEP_TIMEOUT) -> None:
        """Wait until a text is on the handset."""

        async def probe() -> bool | None:
            return text in await self.texts_delivered(number) or None

        async def seen() -> str:
            return ", ".join(shorten(t) for t in await self.texts_delivered(number)) or "nothing"

        await wait_until(f"the handset has {shorten(text)!r}", probe, within=within, seen=seen)

    async def wait_for_acknowledgements(self, number: str, count: int, *, within: float = STEP_TIMEOUT) -> None:
        """Wait until the line has acknowledged that many texts of the handset."""

        async def probe() -> bool | None:
            return len(await self.texts_acknowledged(number)) >= count or None

        async def seen() -> str:
            counts = Counter(t["status"] for t in await self.texts(number) if t["direction"] == "in")
            return ", ".join(f"{status}: {times}" for status, times in counts.items()) or "nothing"

        await wait_until(f"the line acknowledged {count} text(s) of the handset", probe, within=within, seen=seen)

    async def wait_until_settled(self, number: str, count: int, *, within: float = STEP_TIMEOUT) -> None:
        """Wait until `count` texts of the handset were acknowledged or given up; the line gets the latter by a listing."""

        async def probe() -> bool | None:
            statuses = [t["status"] for t in await self.texts(number) if t["direction"] == "in"]
            return sum(status in {"delivered", "failed"} for status in statuses) >= count or None

        await wait_until(f"the carrier is done with {count} text(s) of the handset", probe, within=within)

    async def answered_after(self, number: str) -> float:
        """Return the seconds between the last text of a handset and the last text to it, by the carrier's times."""
        texts = await self.texts(number)
        last = {way: max(datetime.fromisoformat(t["at"]) for t in texts if t["direction"] == way) for way in ("in", "out")}
        return (last["out"] - last["in"]).total_seconds()

    async def texts_delivered_after(self, number: str, *, after: float) -> list[str]:
        """Return the texts on the handset after `after` seconds in which more may arrive."""
        await asyncio.sleep(after)
        return await self.texts_delivered(number)
