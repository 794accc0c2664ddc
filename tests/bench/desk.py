"""How quickly the desk answers, measured in a client.

Rule of this module: the instrument is a person's client, an independent one; the ceiling is one raw send by the same
process, in turns with it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import nio

from deploy.stack import provision
from tests.bench.bench_line import DEVICE, PLAIN, ROOMS, BenchLine, encrypted, mxid
from tests.bench.figures import Figure, quantile, spread
from tests.bench.load_generator import send_url
from tests.e2e.nio_client import NioClient
from tests.e2e.polling import wait_until
from tests.e2e.staff_client import Account

PAUSE: Final = 0.1
OPEN: Final = 200
COMMANDS: Final = ("!help", "!board", "!on")


class TimedSupervisor(NioClient):
    """The line's supervisor, who has no cap, with a clock that times when an answer can be read."""

    def __init__(self, homeserver: str, account: Account) -> None:
        super().__init__(homeserver, account)
        self._answers: dict[str, float] = {}
        self._shown: list[tuple[float, str]] = []
        self._client.add_event_callback(self._note, nio.RoomMessage)

    async def ask(self, room: str, words: str, *, within: float = 30) -> float:
        """Say something; return the seconds from before its encryption until the answer is decrypted."""
        started_at = time.perf_counter()
        event_id = await self.send(room, "m.room.message", {"msgtype": "m.text", "body": words})

        async def answered() -> float | None:
            return self._answers.get(event_id)

        return (
            await wait_until(f"an answer to {words.split(maxsplit=1)[0]}", answered, within=within, every=0.002)
            - started_at
        )

    async def say_quickly(self, room: str, words: str) -> None:
        """Say something, and wait only for the homeserver."""
        await self.send(room, "m.room.message", {"msgtype": "m.text", "body": words})

    async def shown(self, words: str, since: float, *, within: float) -> float:
        """Return when a message with these words was decrypted, not before `since` (`time.perf_counter`)."""

        async def there() -> float | None:
            return next((at for at, body in reversed(self._shown) if at >= since and words in body), None)

        return await wait_until("it is shown", there, within=within, every=0.002)

    async def _note(self, _room: Any, event: Any) -> None:
        self._shown = [*self._shown[-500:], (time.perf_counter(), str(event.source["content"].get("body", "")))]
        relation = event.source["content"].get("m.relates_to", {})
        if target := relation.get("m.in_reply_to", {}).get("event_id"):
            self._answers.setdefault(target, time.perf_counter())


async def desk(line: BenchLine, *, full: bool) -> list[Figure]:
    """Measure the answer to a command on a line with many open threads."""
    await line.start_bridge()
    async with supervisor_at_desk(line) as (sol, ids):
        room = ids["desk_room"]
        await line.open_threads(ROOMS)
        await line.wait_until_idle()
        await line.open_threads(OPEN)
        await line.wait_until_idle()
        for _ in range(OPEN):
            await sol.ask(room, "!claim")
        await line.wait_until_idle()
        answers: list[float] = []
        raw: list[float] = []
        for number in range(-5, 120 if full else 60):
            await asyncio.sleep(PAUSE)
            one = await _raw(line, number)
            await asyncio.sleep(PAUSE)
            answer = await sol.ask(room, COMMANDS[number % 3])
            if number >= 0:
                raw.append(one)
                answers.append(answer)
    return [
        Figure(
            name="command_p95",
            unit="ms",
            value=quantile(answers, 0.95) * 1000,
            ceiling=quantile(raw, 0.95) * 1000,
            ceiling_is="raw PUT send, p95",
            aim="ratio <= 6",
            definition=(
                "From before a client encrypts a command at the desk (!help, !board, !on) until the same client has"
                f" decrypted the answer; one at a time, in turns with raw sends, {OPEN} open threads with one advocate."
            ),
            more={"answer_ms": spread(answers), "raw_ms": spread(raw), "threads": line.handsets},
        ),
    ]


@asynccontextmanager
async def supervisor_at_desk(line: BenchLine) -> AsyncIterator[tuple[TimedSupervisor, dict[str, str]]]:
    """Log the supervisor in and bring them to the desk; yield them and the content of the bridge's own file."""
    ids: dict[str, str] = json.loads(line.layout.bridge_file.read_text(encoding="utf-8"))
    supervisor = next(a for a in provision.open_secrets(line.layout).read_accounts() if a.role == "supervisor")
    account = Account(
        user=supervisor.user, mxid=provision.mxid(supervisor.user), password=supervisor.password, role=supervisor.role
    )
    sol = TimedSupervisor(line.ports.url("homeserver"), account)
    try:
        await sol.start()
        await sol.join(ids["desk_room"])
        await sol.find(ids["desk_room"], "the bot is readable", lambda i: i.sender == ids["bot"] and "Welcome" in i.body)
        yield sol, ids
    finally:
        await sol.stop()


async def _raw(line: BenchLine, number: int) -> float:
    """Send one event of a text's size directly to the homeserver; return the seconds until its answer."""
    url = send_url(line.ports.url("homeserver"), line.rooms[number % len(line.rooms)], mxid(PLAIN), DEVICE)
    headers = {"Authorization": f"Bearer {line.token}"}
    started_at = time.perf_counter()
    async with line.http.put(url, json=encrypted(), headers=headers) as answer:
        await answer.read()
        assert answer.status == 200, f"the homeserver answered {answer.status} to a raw send"
    return time.perf_counter() - started_at
