"""Everything that is shown in rooms leaves here, and invitations with it.

Rules of this module: an event carries its row's transaction id, so that performing a row again posts nothing twice; what
the homeserver may have forgotten is looked up first; nothing is sent in clear but reactions and pins; every event is
noted on the deletion index by the commit that takes its row away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from bot.display.thread_card import short
from bot.model.actions import (
    DESK,
    RECAP,
    THREAD,
    Confirm,
    Edit,
    Erase,
    Expel,
    GiveKeys,
    Invite,
    Mark,
    Pin,
    Post,
    Recap,
    Redact,
    RedactSaid,
    RestoreLevels,
    Retry,
    Reveal,
    SignOut,
    Speaker,
    TellAudit,
    TellDevices,
)
from bridge.erasure.carrier_copies import shown
from bridge.matrix.api.message_content import message, replacement
from bridge.matrix.room_client import Edge, Permanent, TokenRefused, Transient
from bridge.outbound import room_lookup
from bridge.outbound.dead_letter_retry import Retries
from bridge.outbound.device_trust import Trust
from bridge.outbound.dispatcher import Impossible, Task, TryAgain
from bridge.outbound.edit_throttle import EditPace
from bridge.outbound.number_reveal import Reveals
from bridge.outbound.recap import Recaps
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import audit_log, pending_reactions, room_events

GIVES_UP: Final = 120.0
"""Seconds after which it is said that somebody could not be signed out: whoever asked has to know."""
AUDITED: Final = 40
"""Entries of the audit that are shown at the desk: a screen; `quietline audit` has them all."""
OWNED: Final = "SELECT 1 FROM thread WHERE room_id = $1 AND id = $2"
REMEMBERED: Final = 20 * 3600
"""For how long, in seconds, we rely on the homeserver to know our transaction ids; it does so for 24 hours."""


class Posts:
    """Performs every row whose way is `matrix`."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        edge: Edge,
        trust: Trust,
        retries: Retries,
        lifetime: int,
        zone: str,
        wake_engine: Callable[[str], None],
        crash: Crash,
    ) -> None:
        """Make it. `lifetime`: seconds that what is said stands; `zone`: the line's time zone."""
        self._store, self._vault, self._clock, self._edge = store, vault, clock, edge
        self._trust, self._wake_engine, self._crash = trust, wake_engine, crash
        self._lifetime, self._retries = lifetime, retries
        self._pace = EditPace(store=store, vault=vault, clock=clock)
        self._recaps = Recaps(store=store, clock=clock, edge=edge, zone=zone, lifetime=lifetime, crash=crash)
        self.reveals = Reveals(store=store, vault=vault, clock=clock, edge=edge, lifetime=lifetime, crash=crash)

    async def perform(self, task: Task) -> None:
        """Do one row. Raises :class:`TryAgain` or :class:`Impossible`."""
        try:
            await self._perform(task)
        except Transient as error:
            log.event("posts.again", kind=type(task.action).__name__, status=error.status, error=error.errcode or "none")
            raise TryAgain(error.after) from None
        except TokenRefused:
            # Nobody's row is to blame; the sync ends the program.
            raise TryAgain(1.0) from None
        except Permanent as error:
            raise Impossible(error.errcode) from None

    async def _perform(self, task: Task) -> None:
        match task.action:
            case Post() as post:
                await self._send(
                    task, post.place, post.speaker, message(post), ref=post.ref, about=post.reply_to, taps=post.taps
                )
            case Edit() as edit:
                await self._edit(task, edit)
            case Mark() as mark:
                await self._mark(task, mark)
            case Pin() as pin:
                await self._pin(task, pin)
            case Invite() as invite:
                await self._invite(task, invite)
            case Expel() as expel:
                if (room := await room_lookup.room(self._store, task.owner, expel.place)) is not None:
                    await self._edge.remove(room, expel.user)
                await self._done(task)
            case GiveKeys() as give:
                await self._give(task, give)
            case Recap() as recap:
                await self._recap(task, recap)
            case RestoreLevels() as restore:
                await self._edge.restore_levels(await self._room(task, restore.place))
                await self._done(task)
            case Redact() as redact:
                await self._redact(task, redact)
            case RedactSaid() as said:
                await self._edge.redact(await self._room(task, said.place), said.event_id, task.txn)
                await self._done(task)
            case SignOut() as out:
                waited = self._clock.wall() - task.created
                body = f"{short(out.user)} {await self._trust.sign_out(out.user, last=waited > GIVES_UP)}"
                await self._send(task, DESK, Speaker.POLICY, message(Post(place=DESK, body=body, notice=False)))
            case Erase() as erase:
                await self._erase(task, erase)
            case Confirm() as confirm:
                await self._trust.confirm(confirm.user, confirm.master_key)
                await self._done(task)
            case TellDevices() as tell:
                await self._tell(task, tell, await self._trust.devices(tell.user))
            case Reveal() as reveal:
                await self.reveals.show(task, reveal)
            case Retry() as retry:
                await self._tell(task, retry, await self._retries.again(retry.short_id))
            case TellAudit() as tell:
                await self._tell(task, tell, audit_log.told(await audit_log.entries(self._store, AUDITED)))
            case _:
                raise Impossible("unknown action")

    async def _invite(self, task: Task, invite: Invite) -> None:
        """Invite whoever is at the desk now; who has left it meanwhile is being removed, and gets no keys."""
        if invite.place == THREAD:
            room: str | None = await self._room(task, invite.place)
        else:
            room = await room_lookup.room(self._store, task.owner, invite.place)
        if room is not None and await room_lookup.at_desk(self._store, invite.user):
            await self._edge.invite(room, invite.user)
            self._crash(CrashPoint.INVITED)
        await self._done(task)

    async def _give(self, task: Task, give: GiveKeys) -> None:
        """Give keys to whoever is in the room now; who has left it meanwhile gets none."""
        room = await self._room(task, give.place)
        if await room_lookup.inside(self._store, room, give.user):
            await self._edge.give_keys(room, give.user, again=give.again)
            if give.place == THREAD:
                await self._edge.give_bundle(room, give.user)
        await self._done(task)

    async def _recap(self, task: Task, recap: Recap) -> None:
        room = await self._room(task, recap.place)
        now = await self._recaps.show(task, recap, room)
        await self._done(
            task,
            room=room,
            place=recap.place,
            event_id=now.event_id,
            ref=RECAP,
            about=recap.reply_to,
            gone=now.gone,
            until=now.until,
        )

    async def _tell(self, task: Task, tell: TellDevices | TellAudit | Retry, body: str) -> None:
        post = Post(place=tell.place, body=body, reply_to=tell.reply_to)
        await self._send(
            task,
            tell.place,
            Speaker.POLICY,
            message(post),
            ref="" if isinstance(tell, Retry) else tell.ref,
            about=tell.reply_to,
        )

    async def _pin(self, task: Task, pin: Pin) -> None:
        room = await self._room(task, pin.place)
        if (target := await room_lookup.event(self._store, task.owner, pin.ref)) is not None:
            await self._edge.pin(room, target)
        await self._done(task)

    async def _send(
        self,
        task: Task,
        place: str,
        speaker: Speaker,
        content: dict[str, Any],
        *,
        ref: str = "",
        about: str = "",
        room: str | None = None,
        taps: Sequence[str] = (),
    ) -> None:
        room = room or await self._room(task, place)
        event_id = await self._sent_before(task, room, speaker)
        if event_id is None:
            event_id = await self._edge.send(room, speaker, task.txn, "m.room.message", content)
        self._crash(CrashPoint.MATRIX_SENT)
        taken = [await self._tap(task, room, event_id, key, n) for n, key in enumerate(taps)]
        await self._done(task, room=room, place=place, event_id=event_id, ref=ref, about=about, taps=taken)

    async def _tap(self, task: Task, room: str, event_id: str, key: str, number: int) -> str:
        """Put a reaction there for others to tap; returns its id, or nothing when it stands already or may not be."""
        try:
            return await self._edge.react(room, event_id, key, f"{task.txn}.tap{number}")
        except TokenRefused:
            raise
        except Permanent:
            return ""

    async def _mark(self, task: Task, mark: Mark) -> None:
        """Put the new receipt up before the old one goes, so that there is never none."""
        room = await self._room(task, mark.place)
        ref = f"mark:{mark.event_id}"
        old = await room_lookup.event(self._store, task.owner, ref)
        event_id = await self._sent_before(task, room, Speaker.POLICY)
        if event_id is None:
            try:
                event_id = await self._edge.react(room, mark.event_id, mark.receipt.value, task.txn)
            except Permanent as error:
                if error.errcode != "M_DUPLICATE_ANNOTATION":
                    raise
                await self._done(task)  # the mark stands already
                return
        self._crash(CrashPoint.MATRIX_SENT)
        if old is not None and old != event_id:
            await self._edge.redact(room, old, f"{task.txn}.old")
        gone = [old] if old is not None and old != event_id else []
        await self._done(task, room=room, place=mark.place, event_id=event_id, ref=ref, about=mark.event_id, gone=gone)

    async def _edit(self, task: Task, edit: Edit) -> None:
        """Edit in place, no message more often than every two seconds.

        While its message is still to be posted it waits for that; a message that has gone has nothing to be edited.
        """
        room = await self._room(task, edit.place)
        target = await room_lookup.event(self._store, task.owner, edit.ref)
        if target is None:
            if await self._pace.to_come(task, edit):
                raise TryAgain(1.0)
            # Asked again, because the commit that takes the post's row away is the one that notes its message.
            target = await room_lookup.event(self._store, task.owner, edit.ref)
        if target is None:
            await self._done(task)
            return
        if (wait := self._pace.wait(target)) > 0:
            if await self._pace.overtaken(task, edit):
                await self._done(task)
                return
            raise TryAgain(wait)
        content = replacement(edit, target)
        ref = room_events.EDIT + edit.ref
        await self._send(task, edit.place, Speaker.POLICY, content, ref=ref, about=target, room=room)
        self._pace.edited(target)

    async def _redact(self, task: Task, redact: Redact) -> None:
        room = await self._room(task, redact.place)
        target = await room_lookup.event(self._store, task.owner, redact.ref)
        known = [] if target is None else [target]
        if redact.place == THREAD and await self._held(task):
            await self._after_hold(task, known)
            return
        if target is not None:
            await self._edge.redact(room, target, task.txn)
        await self._done(task, gone=known)

    async def _erase(self, task: Task, erase: Erase) -> None:
        """Redact a message with whatever is on it: its edits say the same words, its receipt has lost its message."""
        room = await self._room(task, erase.place)
        query = "SELECT event_id FROM event WHERE room_id = $1 AND NOT state AND (event_id = $2 OR about = $2) ORDER BY n"
        known = [row["event_id"] for row in await self._store.fetch(query, room, erase.event_id)]
        if await self._held(task):
            await self._after_hold(task, known)
            return
        # Also when the message itself has gone before: what is on it says its words, and is in this room.
        for number, event_id in enumerate(known):
            await self._edge.redact(room, event_id, f"{task.txn}.{number}")
        await self._done(task, gone=known)

    async def _held(self, task: Task) -> bool:
        """Whether somebody holds the thread by now, perhaps for weeks: its lane must not wait for that."""
        return await self._store.fetchval("SELECT 1 FROM thread WHERE id = $1 AND held", task.owner) is not None

    async def _after_hold(self, task: Task, known: Sequence[str]) -> None:
        """Leave to the sweep what should go, which takes it as soon as nobody holds the thread."""

        async def commit(conn: Connection) -> None:
            await room_events.after_hold(conn, known)
            await conn.execute("DELETE FROM outbox WHERE id = $1", task.number)

        await self._store.commit(commit, synced=False)

    async def _sent_before(self, task: Task, room: str, speaker: Speaker) -> str | None:
        """Look for what the homeserver has of this row, when it may have forgotten the transaction id."""
        if self._clock.wall() - task.created <= REMEMBERED:
            return None
        return await self._edge.find(room, speaker, task.txn)

    async def _done(
        self,
        task: Task,
        *,
        room: str = "",
        place: str = "",
        event_id: str = "",
        ref: str = "",
        about: str = "",
        gone: Sequence[str] = (),
        taps: Sequence[str] = (),
        until: int | None = None,
    ) -> None:
        now = self._clock.wall()

        async def commit(conn: Connection) -> bool:
            tapped = False
            await room_events.forget(conn, gone)
            if event_id:
                # The conversation may be over since the room was looked up: then nobody asks for this event by its name.
                over = place == THREAD and await conn.fetchval(OWNED, room, task.owner) is None
                for noted, name, on in ((event_id, ref, about), *((tap, "", event_id) for tap in taps if tap)):
                    await room_events.note(
                        conn,
                        event_id=noted,
                        room_id=room,
                        owner="" if over else task.owner,
                        place=place,
                        ref="" if over else name,
                        about=on,
                        at=int(now * 1000),
                        now=now,
                        lifetime=self._lifetime,
                        until=until,
                    )
                if ref.startswith("in:"):
                    await shown(conn, task.owner, ref, now)
                if ref and not over:
                    tapped = await pending_reactions.hear(conn, self._vault, task.owner, event_id, ref)
            await conn.execute("DELETE FROM outbox WHERE id = $1", task.number)
            return tapped

        # Not synced: what a power cut takes back is done again, which does not show.
        if await self._store.commit(commit, synced=False):
            self._wake_engine(task.owner)

    async def _room(self, task: Task, place: str) -> str:
        return await room_lookup.standing(self._store, task, place, now=self._clock.wall())
