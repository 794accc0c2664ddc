"""The canary's HTTP route: it sends texts, fetches answers, and reports its round trips, which the bridge watches.

Rules of this module: a caller without the secret gets the answer of a path that does not exist, and causes nothing: no
alarm, no log line, no row. A text that comes here is the canary's and nobody else's, is from its one number, and begins or
continues its own thread alone. An answer to it stays in memory until it is fetched; it never reaches a carrier. No vendor's
webhook is served here, and no signature is checked less for it.

The desk is told once when the canary fails, and once when it works again; the person on call is called with the first. A
restart repeats neither. Silence for two intervals is a failure as well: a dead canary must not look like a healthy line. A
test text that does not come through is told also after a smaller failure was.
"""

from __future__ import annotations

import hmac
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from bot.model.actions import DESK
from bot.model.line_incidents import CanaryFailed, CanaryRecovered, CanaryStep
from bridge.background.loop import BackgroundLoop
from bridge.carriers.adapter import Accepted, InboundText, SendOutcome
from bridge.runtime import log
from bridge.runtime.canary_keys import CANARY_PHONE
from bridge.runtime.phone_number import Phone
from bridge.services import Services
from bridge.storage.database import Database, Transaction
from bridge.storage.errors import DatabaseError
from bridge.tables import erasure_jobs, inbox, line_state

CHECK_INTERVAL: Final = 5.0
"""Seconds between two checks of the time since the last report."""
STOPS: Final = (CanaryStep.TEXT, CanaryStep.ROOM, CanaryStep.KEYS, CanaryStep.ANSWER)
"""Steps at which people's texts may stop as well. At the others the canary itself may be the cause, or it is slow."""
MAX_BYTES: Final = 1024
"""Largest request, in bytes."""
MAX_ANSWERS: Final = 8
"""The newest answers that are kept for the canary."""
OK, NOT_OK = "1", "0"
"""Values of `line_state.CANARY_OK`, and of the metric `quietline_canary_ok`."""


class CanaryWatch:
    """Call `report` for each round trip, and run `loop`.

    `silence`: seconds without a report after which the desk is told.
    """

    def __init__(self, services: Services, *, silence: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database, self._vault, self._wake = services.database, services.vault, services.wake
        self._silence, self._monotonic = silence, monotonic
        self._last_report_at = monotonic()
        self.loop = BackgroundLoop("canary_watch", self.run_once, max_sleep=CHECK_INTERVAL)

    async def report(self, step: CanaryStep | None, seconds: float) -> None:
        """Process one report. `step`: where it failed; None: success, after `seconds`. Raises what the database raises."""
        log.event("canary.reported", kind="ok" if step is None else step.value, seconds=round(seconds, 1))
        await self._record_step(step)
        self._last_report_at = self._monotonic()

    async def run_once(self) -> float:
        """Check once; return the seconds until the next check."""
        if self._monotonic() - self._last_report_at >= self._silence:
            await self._record_step(CanaryStep.SILENT)
        return CHECK_INTERVAL

    async def _record_step(self, step: CanaryStep | None) -> None:
        """Record the state, and tell the desk when it has changed."""
        event = CanaryRecovered() if step is None else CanaryFailed(step=step)
        inbox_row = await inbox.seal(self._vault, DESK, event)
        now = NOT_OK if step is not None else OK

        async def commit(transaction: Transaction) -> bool:
            before = await line_state.get(transaction, line_state.CANARY_OK)
            reported = await line_state.get(transaction, line_state.CANARY_STEP) or ""
            is_worse = step in STOPS and reported not in {stop.value for stop in STOPS}
            if before == now and not is_worse:
                return False
            await line_state.put(transaction, line_state.CANARY_OK, now)
            await line_state.put(transaction, line_state.CANARY_STEP, "" if step is None else step.value)
            # A first success is not reported.
            if is_news := before is not None or step is not None:
                await inbox.append(transaction, inbox_row)
            return is_news

        if await self._database.commit(commit):
            self._wake.engine(DESK)


class CanaryExchange:
    """The canary's handset on the line's side: the texts that were sent to it, in memory."""

    def __init__(self) -> None:
        self._answers: deque[str] = deque(maxlen=MAX_ANSWERS)

    async def send(self, to: Phone, text: str) -> SendOutcome:
        """Keep a text for the canary. Raises `ValueError` for any other phone."""
        if to != CANARY_PHONE:
            raise ValueError("not the canary's phone")
        self._answers.append(text)
        return Accepted("")

    def take(self) -> list[str]:
        """Return the texts since the last call, oldest first."""
        answers = list(self._answers)
        self._answers.clear()
        return answers


class CanaryRoute:
    """`POST {"id", "text"}`, `POST {"report", "seconds"}` and `GET`, at one path of the line.

    `exchange`: None if the canary has a handset at the carrier; then no text is accepted here. `report`: called for each
    round trip; the empty step means success.
    """

    def __init__(
        self,
        *,
        token: str,
        line: str,
        database: Database,
        exchange: CanaryExchange | None,
        accept_text: Callable[[InboundText], Awaitable[None]],
        report: Callable[[CanaryStep | None, float], Awaitable[None]],
    ) -> None:
        self._expected, self._path = f"Bearer {token}".encode(), f"/carriers/{line}/canary"
        self._database, self._exchange, self._accept_text, self._report = database, exchange, accept_text, report

    def routes(self) -> list[web.RouteDef]:
        """Return the route. It matches any method, so that every method answers as a path that does not exist does."""
        return [web.route("*", self._path, self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer the canary: 200, 400, or 503 when a text or a report was not kept. Anybody else: 404."""
        authorization = request.headers.get("Authorization", "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(authorization, self._expected) or request.method not in {"GET", "POST"}:
            raise web.HTTPNotFound
        if request.method == "GET":
            answers = [] if self._exchange is None else self._exchange.take()
            return web.json_response({"answers": answers, "erasing": await erasure_jobs.count_canary(self._database)})
        try:
            body = json.loads(await request.content.read(MAX_BYTES))
            accepted = await self._take(body)
        except (DatabaseError, OSError) as error:
            log.failure("canary.not_stored", error)
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        except (ValueError, TypeError, KeyError):
            accepted = False
        return web.Response(status=HTTPStatus.OK if accepted else HTTPStatus.BAD_REQUEST)

    async def _take(self, body: Any) -> bool:
        """Process a text or a report; return False for anything else. Raises what the database raises."""
        if "report" in body:
            await self._report(CanaryStep(body["report"]) if body["report"] else None, float(body["seconds"]))
            return True
        message_id, text = body["id"], body["text"]
        if self._exchange is None or not isinstance(message_id, str) or not isinstance(text, str):
            return False
        await self._accept_text(InboundText(message_id=message_id, sender=CANARY_PHONE, text=text))
        return True
