"""Shows a number in two offices, for a minute.

Rules of this module: a number is opened here, goes into encrypted messages of two offices and nowhere else, and is redacted
a minute after it was granted; whatever is still shown when the program starts is redacted first. Whoever has left the desk
since the grant sees none. A grant that could not be performed within its minute shows nothing. Each message is noted before
it is requested. What a request without an answer may have shown is looked for and redacted, although the conversation, and
the row of the grant with it, may have ended meanwhile. The number has a Megolm session of its own in each office, made
before it and destroyed with it, so that a person who kept the ciphertext finds no key here. It is redacted even while the
clock is distrusted: a redaction that comes too early does no harm.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from bot.model.actions import DESK, OFFICE, RevealNumber, Speaker
from bot.wording.notice import words_of
from bridge.background.loop import BackgroundLoop
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.room_client import RoomClient
from bridge.matrix.room_keys.outbound_table import delete_sessions_since, rotate_sessions
from bridge.matrix.rooms.room_state import is_at_desk, office_of, require_room
from bridge.outbound.dispatcher import OutboxTask, PermanentFailure, RetryLater
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import number_reveals, outbox, room_events, threads
from bridge.tables.number_reveals import RevealedNumber

REVEAL_SECONDS: Final = 60.0
INTERVAL: Final = 1.0
LOOK_INTERVAL: Final = 10.0
"""Seconds between two looks for the message of a request that was not answered."""
LOOK_SECONDS: Final = 300.0
"""Seconds after the grant in which it is looked for. No request begins later than a minute after the grant."""
GONE: Final = "QUIETLINE_NOT_OUR_ROOM"
"""The error for an office that no longer exists."""


class NumberReveals:
    """Shows numbers and redacts them. `run` until cancelled."""

    def __init__(self, services: Services, *, room_client: RoomClient, lifetime: int) -> None:
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._room_client, self._lifetime, self._crash = room_client, lifetime, services.crash
        self._first = True
        self.loop = BackgroundLoop("number_reveal", self.run_once, max_sleep=INTERVAL, retry=(INTERVAL, INTERVAL))

    async def show(self, task: OutboxTask, reveal: RevealNumber) -> None:
        """Perform one grant. Raises :class:`RetryLater` while an office is missing, and what `RoomClient` raises.

        It waits for an office within the minute alone: later the row only keeps the lane from the thread's cards.
        """
        in_time = self._clock.now() - task.created < REVEAL_SECONDS
        offices = {user: await office_of(self._database, user) for user in reveal.users}
        if in_time and None in offices.values():
            # Asked again at a fixed pace: the wait for a room doubles, and the wake-up for an office names the desk.
            raise RetryLater(INTERVAL, in_turn=True)
        bodies = await self._message_bodies(task.owner, reveal) if in_time else {}
        # By their place in the grant, which is a part of each transaction id. Nobody who has left the desk since the grant
        # sees the number, although they may still be in their office.
        messages = [
            (user, RevealedNumber(f"{task.txn}.{n}", room, task.created, task.created + REVEAL_SECONDS), bodies[user])
            for n, (user, room) in enumerate(offices.items())
            if user in bodies and room is not None and await is_at_desk(self._database, user)
        ]
        for user, request, body in messages:
            # A session of its own. Its key is shared before the look at clock and desk, because that may take long.
            await self._database.commit(partial(rotate_sessions, room_id=request.room_id))
            await self._room_client.prepare_sessions(request.room_id)
            if self._clock.now() - task.created >= REVEAL_SECONDS:
                in_time = False
                break
            if not await is_at_desk(self._database, user):
                continue
            await self._database.commit(partial(number_reveals.record, shown=request))
            event_id = await self._send(task, request, body)
            self._crash(CrashPoint.REVEAL_SENT)
            # Before the next office: if that one refuses, or the conversation ends, this row is not performed again.
            await self._database.commit(partial(self._record, request=request, event_id=event_id))
        if not in_time:
            log.event("number_reveal.too_late")
        await self._database.commit(partial(outbox.drop, number=task.number))

    async def _record(self, transaction: Transaction, *, request: RevealedNumber, event_id: str) -> None:
        """Note a message that shows the number, and when it is redacted. May be repeated."""
        now = self._clock.now()
        await number_reveals.delete(transaction, request.key)
        await number_reveals.record(transaction, request._replace(key=event_id))
        await room_events.record(
            transaction,
            event_id=event_id,
            room_id=request.room_id,
            owner=DESK,
            place=OFFICE,
            at=int(now * 1000),
            now=now,
            lifetime=self._lifetime,
        )

    async def run_once(self) -> float:
        """Redact what is due, the first time all that an earlier run left; return the seconds until the next look."""
        if self._first:
            await self._database.commit(number_reveals.make_due)
            self._first = False
        await self.retract_due()
        return INTERVAL

    async def retract_due(self) -> None:
        """Redact what is due.

        A message that the homeserver cannot redact now does not keep the others shown: its error is raised after them.
        """
        failures = list[Transient]()
        for shown in await number_reveals.all_shown(self._database):
            if shown.until <= self._clock.now():
                try:
                    await self._retract(shown)
                except Transient as error:
                    failures.append(error)
        if failures:
            raise failures[0]

    async def _retract(self, shown: RevealedNumber) -> None:
        now, event_id = self._clock.now(), None if shown.is_request else shown.key
        try:
            if event_id is None:
                await require_room(self._database, shown.room_id)
                event_id = await self._room_client.find(shown.room_id, Speaker.POLICY, shown.key)
            if event_id is not None:
                await self._room_client.redact(shown.room_id, event_id, f"reveal{event_id}")
            elif now < shown.granted_at + LOOK_SECONDS:
                # The homeserver may still perform the request.
                await self._database.commit(partial(number_reveals.postpone, key=shown.key, until=now + LOOK_INTERVAL))
                return
        except TokenRefused:
            raise
        except Permanent as error:
            if error.errcode != GONE:
                log.event("number_reveal.redaction_rejected", status=error.status)
                await self._database.commit(partial(number_reveals.postpone, key=shown.key, until=now + REVEAL_SECONDS))
                return
        self._crash(CrashPoint.REVEAL_TAKEN_BACK)

        async def commit(transaction: Transaction) -> None:
            await delete_sessions_since(transaction, shown.room_id, shown.granted_at)
            await number_reveals.delete(transaction, shown.key)
            if event_id is not None:
                await number_reveals.delete(transaction, event_id)
                await room_events.delete(transaction, [event_id])

        await self._database.commit(commit)

    async def _message_bodies(self, thread: str, reveal: RevealNumber) -> dict[str, str]:
        """Return the message for each of the users, in their language."""
        sealed = await threads.sealed_phone(self._database, thread)
        if sealed is None:
            raise PermanentFailure("there is no number")
        number = (await threads.open_phone(self._vault, thread, sealed)).reveal()
        languages = dict(zip(reveal.users, reveal.languages, strict=False))
        return {
            user: words_of("reveal.shown", languages.get(user, ""), designation=reveal.designation, number=number)
            for user in reveal.users
        }

    async def _send(self, task: OutboxTask, request: RevealedNumber, body: str) -> str:
        room, txn = request.room_id, request.key
        known = self._room_client.knows_transactions_since(Speaker.POLICY, task.created)
        if (event_id := None if known else await self._room_client.find(room, Speaker.POLICY, txn)) is not None:
            return event_id
        content = {"msgtype": "m.notice", "body": body, "m.mentions": {}}
        return await self._room_client.send(room, Speaker.POLICY, txn, "m.room.message", content)
