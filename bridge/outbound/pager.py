"""Calling whoever is on call, outside Matrix: a webhook, an e-mail, or both.

Rules of this module: what is said is that somebody is needed at the desk, and nothing else: no designation, no name, no
number, no reason that only a line for survivors would have (practice 30); a call that nobody took is told at the desk
while it is still tried, and again when it is given up, so that whoever is there can pick up a telephone.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import aiohttp

from bot.model.actions import DESK
from bot.model.line_incidents import NobodyCalled
from bridge.config import OnCall
from bridge.outbound.dispatcher import Task, TryAgain
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.runtime.settings import secret
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import inbox

WORDS: Final = "You are needed at the desk."
TOLD: Final = 60.0
"""Seconds of failing after which the desk hears of it."""
STALE: Final = 900.0
"""Seconds after which it is given up."""
AGAIN: Final = 20.0
PATIENCE: Final = aiohttp.ClientTimeout(total=10)


class Pager:
    """Performs `Page` rows: calls by every way that is configured."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        on_call: OnCall | None,
        http: aiohttp.ClientSession,
        wake_engine: Callable[[str], None],
        crash: Crash,
    ) -> None:
        self._store, self._vault, self._clock, self._on_call, self._http = store, vault, clock, on_call, http
        self._wake_engine, self._crash = wake_engine, crash

    async def perform(self, task: Task) -> None:
        """Call once. While no way takes it, it is tried again, for a quarter of an hour. Raises :class:`TryAgain`."""
        if await self.page():
            self._crash(CrashPoint.PAGED)
            await self._store.commit(lambda conn: conn.execute("DELETE FROM outbox WHERE id = $1", task.number))
            return
        failing = self._clock.wall() - task.created
        if failing >= TOLD:
            await self._tell(task, given_up=failing >= STALE)
        if failing < STALE:
            raise TryAgain(AGAIN)

    async def _tell(self, task: Task, *, given_up: bool) -> None:
        """Tell the desk once that it is tried, and once that it is given up; the row says which it knows."""
        letter = await inbox.seal(self._vault, DESK, NobodyCalled(given_up=given_up))
        query = (
            "DELETE FROM outbox WHERE id = $1 RETURNING id"
            if given_up
            else "UPDATE outbox SET state = 'told' WHERE id = $1 AND state <> 'told' RETURNING id"
        )

        async def commit(conn: Connection) -> bool:
            if fresh := await conn.fetchval(query, task.number) is not None:
                await inbox.put(conn, letter)
            return fresh

        if await self._store.commit(commit):
            log.event("oncall.given_up" if given_up else "oncall.failing")
            self._wake_engine(DESK)

    async def page(self) -> bool:
        """Call by every way there is; without a configured way nothing is done, and that is no failure."""
        if self._on_call is None:
            return True
        took: list[bool] = []
        if self._on_call.webhook_file is not None:
            took.append(await self._webhook(self._on_call.webhook_file))
        if self._on_call.email is not None:
            took.append(await asyncio.to_thread(self._email))
        return any(took) or not took

    async def _webhook(self, file: Path) -> bool:
        try:
            async with self._http.post(secret(file), json={"text": WORDS}, timeout=PATIENCE) as answer:
                return answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.failure("oncall.webhook", error)
            return False

    def _email(self) -> bool:
        email = self._on_call.email if self._on_call else None
        if email is None:
            return False
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = email.sender, ", ".join(email.to), WORDS
        message.set_content(WORDS)
        try:
            with smtplib.SMTP(email.host, email.port, timeout=10) as server:
                if email.starttls:
                    # Without a context of ours the server's certificate is not looked at, and the password follows.
                    server.starttls(context=ssl.create_default_context())
                if email.user is not None and email.password_file is not None:
                    server.login(email.user, secret(email.password_file))
                server.send_message(message)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            log.failure("oncall.email", error)
            return False
        return True
