"""Calls the person on call, outside Matrix: a webhook, an e-mail, or both.

Rules of this module: a page says that a person is needed at the desk, and nothing else: no designation, no name, no number,
no reason that only a line for survivors would have (practice 30). One page says instead what happened: a second bridge was
refused. A page that fails causes an alarm at the desk while it is still tried, and another when it is given up, so that a
person there can use a telephone.

A call that one way has accepted is noted at once, and is not repeated. When the result is unknown, because the bridge died
or lost the lead during the call, the next leader makes the call again: two calls are a nuisance, none is worse. A bridge
that has lost the lead calls nobody: the lease is checked immediately before bytes leave, also for an e-mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import hdrs

from bot.model.actions import DESK, PageOnCall
from bot.model.line_incidents import PageFailed
from bot.wording.notice import words_of
from bridge.background.loop import retry_until_done
from bridge.config.sections import Email, OnCall
from bridge.outbound.dispatcher import OutboxTask, RetryLater
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.request_guard import Question
from bridge.runtime.settings import read_secret
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.errors import Unavailable
from bridge.tables import inbox, line_state, outbox

MESSAGE: Final = words_of("page.needed", "")
SECOND_MESSAGE: Final = words_of("page.second", "")
TEST_MESSAGE: Final = words_of("page.test", "")
"""In the first language; a page that the desk requests is in the line's language (`staff_language`)."""
ALERT_AFTER: Final = 60.0
"""Seconds of failed tries after which the desk is told."""
GIVE_UP_AFTER: Final = 900.0
"""Seconds after which a page is given up."""
RETRY_SECONDS: Final = 20.0
CALL_INTERVAL_SECONDS: Final = 3600.0
FIRST_INTERVAL_SECONDS: Final = 60.0
LONGEST_INTERVAL_SECONDS: Final = 300.0
MOST_TRIES: Final = 100
LAST_CALL: Final = "last_call"
"""The file of the data directory whose time is that of the last call of a line that does not run (`unaccepted_calls`)."""
SECOND_CALL: Final = "second_call"
"""The file of the data directory which shows that a refused second bridge has called."""
SMTPS_PORT: Final = 465
"""The port of mail servers on which TLS begins at once (RFC 8314, 3.3)."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
STOP_TIMEOUT: Final = 11.0
"""Seconds that an orderly stop waits for a call under way: as long as for requests to the carrier (`sms_sender`)."""


class Pager:
    """Performs `PageOnCall` rows: calls by every configured way."""

    def __init__(
        self,
        services: Services,
        *,
        on_call: OnCall | None,
        http: aiohttp.ClientSession,
        before_bytes: Question | None = None,
    ) -> None:
        """`before_bytes`: called before each part of an e-mail leaves; for a webhook `http` makes that check."""
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake, self._crash, self._on_call, self._http = services.wake, services.crash, on_call, http
        self._before_bytes = before_bytes
        self._calling: set[asyncio.Task[None]] = set()
        self._started_at = services.clock.now()

    async def perform(self, task: OutboxTask) -> None:
        """Call once. A call that no way accepts is tried again, for a quarter of an hour. Raises :class:`RetryLater`.

        A test is called once, and its result is left for the caller. Raises `LeadLost` if another bridge leads.
        """
        # A call that has begun is finished, so that an orderly stop leaves no call with an unknown result.
        calling = asyncio.create_task(self._perform(task))
        self._calling.add(calling)
        calling.add_done_callback(self._calling.discard)
        await asyncio.shield(calling)

    async def wait_for_calls(self) -> None:
        """Wait for calls that are under way. For an orderly stop."""
        if self._calling:
            await asyncio.wait(self._calling, timeout=STOP_TIMEOUT)

    async def _perform(self, task: OutboxTask) -> None:
        if isinstance(task.action, PageOnCall) and task.action.test:
            await self._perform_test(task, task.action.test, task.action.language)
            return
        language = task.action.language if isinstance(task.action, PageOnCall) else ""
        if await self._page(task, language):
            return
        # A page from before a downtime is tried as long as any other: the network may come later than the line.
        failing = self._clock.now() - max(task.created, self._started_at)
        if failing >= ALERT_AFTER:
            await self._alert_desk(task, given_up=failing >= GIVE_UP_AFTER)
        if failing < GIVE_UP_AFTER:
            raise RetryLater(RETRY_SECONDS)

    async def _page(self, task: OutboxTask, language: str) -> bool:
        """Call by every way; return whether one accepted the call. No configured way is no failure: nothing is done.

        Only the note that it was accepted is retried, never the call.
        """
        taken_count = ways = 0
        refused = list[str]()
        message = words_of("page.needed", language)
        async for way, is_taken in _calls(self._on_call, self._http, message=message, before_bytes=self._before_bytes):
            ways, taken_count = ways + 1, taken_count + is_taken
            refused += [] if is_taken else [way]
            if is_taken and taken_count == 1:
                self._crash(CrashPoint.PAGED)
                await self._delete_row(task)
        if not ways:
            await self._delete_row(task)
        with contextlib.suppress(Unavailable, OSError):
            await self._database.commit(partial(self._note_refused, refused=refused))
        return bool(taken_count) or not ways

    async def _note_refused(self, transaction: Transaction, *, refused: Sequence[str]) -> None:
        """Note which ways did not accept a call, for `quietline doctor`: another may have, and nobody would notice."""
        await line_state.put(transaction, line_state.PAGE_REFUSED, " ".join(refused))

    async def _delete_row(self, task: OutboxTask) -> None:
        note = partial(self._database.commit, lambda transaction: outbox.delete(transaction, task.number))
        await retry_until_done("pager", note)

    async def _perform_test(self, task: OutboxTask, test: str, language: str) -> None:
        message = words_of("page.test", language)
        ways = await call_each(self._on_call, self._http, message=message, before_bytes=self._before_bytes)
        result = json.dumps({"test": test, "ways": ways})

        async def commit(transaction: Transaction) -> None:
            await outbox.delete(transaction, task.number)
            await line_state.put(transaction, line_state.ALARM_TEST_RESULT, result)
            await self._note_refused(transaction, refused=[way for way, is_taken in ways.items() if not is_taken])

        await self._database.commit(commit)
        log.event("pager.tested", count=sum(ways.values()))

    async def _alert_desk(self, task: OutboxTask, *, given_up: bool) -> None:
        """Tell the desk once that a page fails, and once that it is given up; the row records what was told."""
        inbox_row = await inbox.seal(self._vault, DESK, PageFailed(given_up=given_up))
        write = outbox.delete if given_up else outbox.mark_reported

        async def commit(transaction: Transaction) -> bool:
            if fresh := await write(transaction, task.number):
                await inbox.append(transaction, inbox_row)
            return fresh

        if await self._database.commit(commit):
            log.event("pager.given_up" if given_up else "pager.failing")
            self._wake.engine(DESK)


def retry_interval(tries: int) -> float:
    """Return the seconds after so many calls in a row that no way accepted: 1, 2, 4, then always 5 minutes.

    A service may ring and answer with an error all the same, so a call each minute may be a telephone that rings each
    minute. Never later, because nobody may have heard of a line that is down, and a network comes back without notice.
    """
    return min(FIRST_INTERVAL_SECONDS * 2.0 ** (tries - 1), LONGEST_INTERVAL_SECONDS)


def may_call_again(data_dir: Path, now: float) -> bool:
    """Whether a line that does not run may call, even if it is started again and again.

    It may an hour after a call that a way accepted, and after `retry_interval` otherwise. The call is noted here before it
    is made, and counts as one that no way accepted until `note_accepted_call`: a crash in between repeats it.
    """
    note, tries = data_dir / LAST_CALL, unaccepted_calls(data_dir)
    interval = retry_interval(tries) if tries else CALL_INTERVAL_SECONDS
    with contextlib.suppress(OSError):
        if 0 <= now - note.stat().st_mtime < interval:
            return False
    with contextlib.suppress(OSError):
        note.unlink(missing_ok=True)  # the account of the line may delete root's file, and cannot change its time
        note.touch(mode=0o600)
        os.truncate(note, min(tries + 1, MOST_TRIES))  # which needs no room on a full disk
    return True


def unaccepted_calls(data_dir: Path) -> int:
    """Return how many calls of a line that does not run no way has accepted since the last accepted one (file size)."""
    with contextlib.suppress(OSError):
        return (data_dir / LAST_CALL).stat().st_size
    return 0


def note_accepted_call(data_dir: Path) -> None:
    """Note that a way has accepted the call of a line that does not run: the next one is made in an hour."""
    with contextlib.suppress(OSError):
        os.truncate(data_dir / LAST_CALL, 0)


async def call(on_call: OnCall | None, http: aiohttp.ClientSession) -> bool:
    """Call once, by every configured way; return False when none accepted the call. Without any way nothing is done."""
    took = [is_taken async for _, is_taken in _calls(on_call, http, message=MESSAGE, before_bytes=None)]
    return any(took) or not took


async def call_as_second(on_call: OnCall | None, http: aiohttp.ClientSession, *, data_dir: Path) -> None:
    """Call as a second bridge that was refused: once per directory, when a way has accepted the call.

    An accepted call is noted there at once: a crash before that repeats the call, and never loses it.
    """
    note = data_dir / SECOND_CALL
    if note.exists():
        return
    async for _, is_taken in _calls(on_call, http, message=SECOND_MESSAGE, before_bytes=None):
        if is_taken:
            with contextlib.suppress(OSError):
                note.touch()


async def call_each(
    on_call: OnCall | None, http: aiohttp.ClientSession, *, message: str, before_bytes: Question | None = None
) -> dict[str, bool]:
    """Call once, by every configured way; return for each, `webhook` and `email`, whether it accepted all of the call."""
    return {way: took async for way, took in _calls(on_call, http, message=message, before_bytes=before_bytes)}


async def _calls(
    on_call: OnCall | None, http: aiohttp.ClientSession, *, message: str, before_bytes: Question | None
) -> AsyncIterator[tuple[str, bool]]:
    """Call by one way after the other; yield for each whether it accepted the call, before the next one is tried.

    An e-mail that the server takes for some addressees only is yielded twice: as accepted, and as refused.
    """
    if on_call is not None and on_call.webhook_file is not None:
        yield "webhook", await _call_webhook(on_call.webhook_file, http, message)
    if on_call is not None and on_call.email is not None:
        ask = partial(_ask_from_thread, asyncio.get_running_loop(), before_bytes)
        for is_taken in await asyncio.to_thread(_send_email, on_call.email, message, ask):
            yield "email", is_taken


async def _call_webhook(file: Path, http: aiohttp.ClientSession, text: str) -> bool:
    try:
        async with http.post(read_secret(file), json={"text": text}, timeout=TIMEOUT) as answer:
            # After most redirects the last request is a GET of some page, which calls nobody.
            return answer.status < 300 and answer.method == hdrs.METH_POST
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        log.failure("pager.webhook_failed", error)
        return False


def _ask_from_thread(loop: asyncio.AbstractEventLoop, question: Question | None) -> None:
    if question is not None:
        asyncio.run_coroutine_threadsafe(_await_question(question), loop).result()


async def _await_question(question: Question) -> None:
    await question()


class _CheckingSmtp(smtplib.SMTP):
    """A client that checks before each part that it sends, including the mail's own words: a server is slow at times."""

    def __init__(self, email: Email, ask: Callable[[], None], **tls: Any) -> None:
        self._ask = ask
        super().__init__(email.host, email.port, timeout=10, **tls)

    def send(self, s: Any) -> None:
        """Send a command, or a mail."""
        self._ask()
        super().send(s)


class _CheckingSmtps(_CheckingSmtp, smtplib.SMTP_SSL):
    """The same, over TLS from the first byte."""


def _message_id(sender: str) -> str:
    """Return a new id in the sender's domain: by default it would show this machine's name."""
    return make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2] or "localhost")


def _send_email(email: Email, text: str, ask: Callable[[], None]) -> tuple[bool, ...]:
    """Send the mail; return whether the server took it, and False as well if it refused some addressees."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = email.sender, ", ".join(email.to), text
    # Large mail providers refuse a mail without these two (RFC 5322, 3.6), after the agency's own server has accepted it.
    message["Date"], message["Message-ID"] = format_datetime(datetime.now(UTC)), _message_id(email.sender)
    message.set_content(text)
    results: tuple[bool, ...] = ()
    try:
        # Without a context the server's certificate would not be verified, and the password is sent next.
        context, begins_with_tls = ssl.create_default_context(), email.port == SMTPS_PORT
        with _CheckingSmtps(email, ask, context=context) if begins_with_tls else _CheckingSmtp(email, ask) as server:
            if email.starttls and not begins_with_tls:
                server.starttls(context=context)
            if email.user is not None and email.password_file is not None:
                server.login(email.user, read_secret(email.password_file))
            refused = server.send_message(message)
            results = (True, False) if refused else (True,)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        # A server that accepted the mail and then ends the session with an error has accepted it.
        if not results:
            log.failure("pager.email_failed", error)
    return results or (False,)
