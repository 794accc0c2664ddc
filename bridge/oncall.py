"""Calling whoever is on call, outside Matrix: a webhook, an e-mail, or both.

Rule of this module: what is said is that somebody is needed at the desk, and nothing else: no designation, no name, no
number, no reason that only a line for survivors would have (practice 30).
"""

from __future__ import annotations

import asyncio
import smtplib
import time
from email.message import EmailMessage
from typing import Final

import aiohttp

from bridge import log
from bridge.config import OnCall
from bridge.outbox import Task, TryAgain
from bridge.settings import secret
from bridge.store import Store

WORDS: Final = "You are needed at the desk."
STALE: Final = 900.0
PATIENCE: Final = aiohttp.ClientTimeout(total=10)


class Pager:
    """Performs `Page` rows: calls by every way that is configured."""

    def __init__(self, *, store: Store, on_call: OnCall | None, http: aiohttp.ClientSession) -> None:
        self._store, self._on_call, self._http = store, on_call, http

    async def perform(self, task: Task) -> None:
        """Call once. While no way takes it, it is tried again, for a quarter of an hour."""
        if not await self.page() and time.time() - task.created < STALE:
            raise TryAgain(20.0)
        await self._store.commit(lambda conn: conn.execute("DELETE FROM outbox WHERE id = $1", task.number))

    async def page(self) -> bool:
        """Call by every way there is; without a configured way nothing is done, and that is no failure."""
        if self._on_call is None:
            return True
        took: list[bool] = []
        if self._on_call.webhook_file is not None:
            took.append(await self._webhook(secret(self._on_call.webhook_file)))
        if self._on_call.email is not None:
            took.append(await asyncio.to_thread(self._email))
        return any(took) or not took

    async def _webhook(self, url: str) -> bool:
        try:
            async with self._http.post(url, json={"text": WORDS}, timeout=PATIENCE) as answer:
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
                    server.starttls()
                if email.user is not None and email.password_file is not None:
                    server.login(email.user, secret(email.password_file))
                server.send_message(message)
        except (smtplib.SMTPException, OSError) as error:
            log.failure("oncall.email", error)
            return False
        return True
