"""Sends everything that is shown in rooms, and invitations.

Rules of this module: an event carries the transaction id of its row, so that performing a row again posts nothing twice;
what the homeserver may have forgotten is looked up first. Only reactions and pins are sent in clear. The commit that
deletes a row also notes its event on the deletion index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bot.model.actions import (
    DESK,
    RECAP,
    THREAD,
    ConfirmIdentity,
    EditMessage,
    EraseMessage,
    Invite,
    KickMember,
    PinMessage,
    RedactEvent,
    RedactMessage,
    RestorePowerLevels,
    RetryDeadLetter,
    RevealNumber,
    SendMessage,
    SendRecap,
    ShareRoomKeys,
    ShowAudit,
    ShowDevices,
    ShowReceipt,
    SignOut,
    Speaker,
)
from bot.wording.notice import words_of
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.api.message_body import edit_content, message_content
from bridge.matrix.room_client import RoomClient
from bridge.matrix.rooms import room_state
from bridge.outbound import room_lookup
from bridge.outbound.dead_letter_retry import DeadLetterRetry
from bridge.outbound.device_trust import DeviceTrustCommands
from bridge.outbound.dispatcher import OutboxTask, PermanentFailure, RetryLater
from bridge.outbound.edit_throttle import EditThrottle
from bridge.outbound.message_redaction import MessageRedaction
from bridge.outbound.message_renewal import MessageRenewal
from bridge.outbound.number_reveal import NumberReveals
from bridge.outbound.recap import RecapSender
from bridge.outbound.room_refusals import RoomRefusals
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Sync, Transaction
from bridge.storage.errors import ConstraintViolation
from bridge.tables import audit_log, carrier_copies, early_reactions, outbox, room_events

SIGN_OUT_TIMEOUT: Final = 120.0
"""Seconds after which the person who requested a sign-out is told that it failed."""
AUDIT_ENTRIES: Final = 40
"""Audit entries that are shown at the desk: one screen; `quietline audit` shows all."""
FORBIDDEN_RETRY: Final = 3.0
"""Seconds until a refused row is tried again in a room that one of our identities is not in."""


class RoomSender:
    """Performs every row whose transport is `matrix`."""

    def __init__(
        self,
        services: Services,
        *,
        room_client: RoomClient,
        device_trust: DeviceTrustCommands,
        dead_letter_retry: DeadLetterRetry,
        lifetime: int,
        zone: str,
        room_refusals: RoomRefusals,
    ) -> None:
        """`lifetime`: seconds for which messages are kept; `zone`: the line's time zone."""
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake, self._crash, self._room_client = services.wake, services.crash, room_client
        self._measurements, self._room_refusals = services.measurements, room_refusals
        self._device_trust, self._lifetime, self._dead_letter_retry = device_trust, lifetime, dead_letter_retry
        self._zone, self._edit_throttle = zone, EditThrottle(services)
        self._message_redaction = MessageRedaction(services, room_client=room_client, edit_throttle=self._edit_throttle)
        self._message_renewal = MessageRenewal(services, room_client=room_client)
        self._recap_sender = RecapSender(services, room_client=room_client, zone=zone, lifetime=lifetime)
        self.number_reveals = NumberReveals(services, room_client=room_client, lifetime=lifetime)

    async def perform(self, task: OutboxTask) -> None:
        """Perform one row. Raises :class:`RetryLater` or :class:`PermanentFailure`."""
        try:
            await self._perform(task)
        except Transient as error:
            kind, code = type(task.action).__name__, error.errcode or "none"
            log.event("room_sender.homeserver_retry", kind=kind, status=error.status, error=code)
            await self._room_refusals.report(error)
            raise RetryLater(error.retry_after) from None
        except TokenRefused:
            # The row is not the cause; the sync ends the program.
            raise RetryLater(1.0) from None
        except Permanent as error:
            if await self._room_refusals.must_retry(task, error):
                raise RetryLater(FORBIDDEN_RETRY) from None
            await self._room_refusals.report_final(task)
            raise PermanentFailure(error.errcode) from None

    async def _perform(self, task: OutboxTask) -> None:
        match task.action:
            case SendMessage() as post:
                await self._send(
                    task,
                    post.place,
                    post.speaker,
                    message_content(post),
                    ref=post.ref,
                    about=post.reply_to,
                    reactions=post.reactions,
                )
                self._measurements.record_text_shown(post.ref)
            case EditMessage() as edit:
                await self._edit(task, edit)
            case ShowReceipt() as mark:
                await self._show_receipt(task, mark)
            case PinMessage() as pin:
                await self._pin(task, pin)
            case Invite() as invite:
                await self._invite(task, invite)
            case KickMember() as expel:
                if (room := await room_lookup.room_of(self._database, task.owner, expel.place)) is not None:
                    await self._room_client.remove(room, expel.user)
                await self._finish(task)
            case ShareRoomKeys() as give:
                await self._share_keys(task, give)
            case SendRecap() as recap:
                await self._recap(task, recap)
            case RestorePowerLevels() as restore:
                await self._room_client.restore_power_levels(
                    await self._room(task, restore.place), supervisors=restore.supervisors, alone=restore.alone
                )
                await self._finish(task)
            case RedactMessage() as redact:
                await self._finish(task, old_ids=await self._message_redaction.redact_message(task, redact))
            case RedactEvent() as redaction:
                await self._room_client.redact(await self._room(task, redaction.place), redaction.event_id, task.txn)
                await self._finish(task)
            case SignOut() as out:
                last = self._clock.now() - task.created > SIGN_OUT_TIMEOUT
                body = await self._device_trust.sign_out(out.user, last=last, language=out.language)
                content = message_content(SendMessage(place=DESK, body=body, notice=False))
                await self._send(task, DESK, Speaker.POLICY, content)
            case EraseMessage() as erase:
                await self._finish(task, old_ids=await self._message_redaction.erase(task, erase))
            case ConfirmIdentity() as confirm:
                await self._device_trust.confirm(confirm.user, confirm.master_key)
                await self._finish(task)
            case ShowDevices() as tell:
                await self._reply(task, tell, await self._device_trust.devices(tell.user, tell.language))
            case RevealNumber() as reveal:
                await self.number_reveals.show(task, reveal)
            case RetryDeadLetter() as retry:
                await self._retry(task, retry)
            case ShowAudit() as tell:
                entries = await audit_log.newest_entries(self._database, AUDIT_ENTRIES)
                text = audit_log.format_entries(entries, self._zone) if entries else ""
                await self._reply(task, tell, text or words_of("audit.nothing", tell.language))
            case _:
                raise PermanentFailure("unknown action")

    async def _invite(self, task: OutboxTask, invite: Invite) -> None:
        """Invite a person who is at the desk now, or to the desk; a person who has left it gets no invitation and no keys.

        The canary, which is never at the desk, is invited only to its own thread.
        """
        if invite.place == THREAD:
            room: str | None = await self._room(task, invite.place)
        else:
            room = await room_lookup.room_of(self._database, task.owner, invite.place)
        welcome = invite.place == DESK or await room_state.is_at_desk(self._database, invite.user)
        if invite.place == THREAD and not welcome:
            welcome = await room_lookup.is_canary_of(self._database, self._vault, task.owner, invite.user)
        if room is not None and welcome:
            await self._room_client.invite(room, invite.user)
            self._crash(CrashPoint.INVITED)
        await self._finish(task)

    async def _share_keys(self, task: OutboxTask, give: ShareRoomKeys) -> None:
        """Send keys to a person who is in the room now; a person who has left it meanwhile gets none."""
        room = await self._room(task, give.place)
        if await room_state.is_joined(self._database, room, give.user):
            await self._room_client.share_room_keys(room, give.user, again=give.resend)
            if give.place == THREAD:
                await self._room_client.share_key_bundle(room, give.user)
        await self._finish(task)

    async def _recap(self, task: OutboxTask, recap: SendRecap) -> None:
        room = await self._room(task, recap.place)
        now = await self._recap_sender.show(task, recap, room)
        await self._finish(
            task,
            room=room,
            place=recap.place,
            event_id=now.event_id,
            ref=RECAP,
            about=recap.reply_to,
            old_ids=now.replaced_event_ids,
            until=now.until,
        )

    async def _retry(self, task: OutboxTask, retry: RetryDeadLetter) -> None:
        became = await self._dead_letter_retry.retry(retry.short_id)
        await self._reply(task, retry, words_of(became, retry.language))

    async def _reply(self, task: OutboxTask, tell: ShowDevices | ShowAudit | RetryDeadLetter, body: str) -> None:
        content = message_content(SendMessage(place=tell.place, body=body, reply_to=tell.reply_to))
        ref = "" if isinstance(tell, RetryDeadLetter) else tell.ref
        await self._send(task, tell.place, Speaker.POLICY, content, ref=ref, about=tell.reply_to)

    async def _pin(self, task: OutboxTask, pin: PinMessage) -> None:
        room = await self._room(task, pin.place)
        if (target := await room_events.event_of(self._database, task.owner, pin.ref)) is not None:
            await self._room_client.pin(room, target)
        await self._finish(task)

    async def _send(
        self,
        task: OutboxTask,
        place: str,
        speaker: Speaker,
        content: dict[str, Any],
        *,
        ref: str = "",
        about: str = "",
        room: str | None = None,
        reactions: Sequence[str] = (),
    ) -> None:
        room = room or await self._room(task, place)
        event_id = await self._find_sent(task, room, speaker)
        if event_id is None:
            event_id = await self._room_client.send(room, speaker, task.txn, "m.room.message", content)
        self._crash(CrashPoint.MATRIX_SENT)
        taps = await self._add_reactions(task, room, event_id, reactions)
        await self._finish(task, room=room, place=place, event_id=event_id, ref=ref, about=about, reactions=taps)

    async def _add_reactions(self, task: OutboxTask, room: str, event_id: str, keys: Sequence[str]) -> list[str]:
        return [await self._add_reaction(task, room, event_id, key, number) for number, key in enumerate(keys)]

    async def _add_reaction(self, task: OutboxTask, room: str, event_id: str, key: str, number: int) -> str:
        """Add a reaction that others can tap; return its id, or an empty string if it exists already or is refused."""
        try:
            # The homeserver knows the reactions of an interrupted row by this transaction id: its form must not change.
            return await self._room_client.react(room, event_id, key, f"{task.txn}.tap{number}")
        except TokenRefused:
            raise
        except Permanent:
            return ""

    async def _show_receipt(self, task: OutboxTask, mark: ShowReceipt) -> None:
        """Add the new receipt before the old one is redacted, so that there is always one."""
        room = await self._room(task, mark.place)
        ref = f"mark:{mark.event_id}"
        old = await room_events.event_of(self._database, task.owner, ref)
        event_id = await self._find_sent(task, room, Speaker.POLICY)
        if event_id is None:
            try:
                words = words_of(f"mark.{mark.receipt.name.lower()}", mark.language)
                event_id = await self._room_client.react(room, mark.event_id, words, task.txn)
            except Permanent as error:
                # The mark exists already, or the homeserver lacks the message, as after a rollback.
                if error.errcode != "M_DUPLICATE_ANNOTATION" and not await self._message_renewal.is_lost(
                    error, room, mark.event_id
                ):
                    raise
                await self._finish(task)
                return
        self._crash(CrashPoint.MATRIX_SENT)
        if old is not None and old != event_id:
            await self._room_client.redact(room, old, f"{task.txn}.old")
        ids = [old] if old is not None and old != event_id else []
        await self._finish(task, room=room, place=mark.place, event_id=event_id, ref=ref, about=mark.event_id, old_ids=ids)

    async def _edit(self, task: OutboxTask, edit: EditMessage) -> None:
        """Edit in place, each message at most every two seconds.

        An edit waits for its message to be posted; a message that is gone is not edited.
        """
        room = await self._room(task, edit.place)
        target = await room_events.event_of(self._database, task.owner, edit.ref)
        if target is None:
            if await self._edit_throttle.is_message_pending(task, edit):
                raise RetryLater(1.0)
            # Read again: the commit that deletes the post's row also notes its message, and may have come in between.
            target = await room_events.event_of(self._database, task.owner, edit.ref)
        if target is None and not edit.fresh:
            await self._finish(task)
            return
        target = target or ""
        if (wait := self._edit_throttle.seconds_to_wait(target)) > 0:
            if not edit.fresh and await self._edit_throttle.is_superseded(task, edit):
                await self._finish(task)
                return
            raise RetryLater(wait, in_turn=True)
        if edit.fresh:
            await self._post_again(task, edit, room=room, old=target, txn=task.txn)
            return
        ref = room_events.EDIT_PREFIX + edit.ref
        try:
            await self._send(task, edit.place, Speaker.POLICY, edit_content(edit, target), ref=ref, about=target, room=room)
        except Permanent as error:
            if not await self._message_renewal.is_lost(error, room, target):
                raise
            # With another transaction id: after a crash the row's id is looked up, and must not find this post.
            await self._post_again(task, edit, room=room, old=target, txn=f"{task.txn}.again")
            return
        self._edit_throttle.record_edit(target)

    async def _post_again(self, task: OutboxTask, edit: EditMessage, *, room: str, old: str, txn: str) -> None:
        posted = await self._find_sent(task, room, Speaker.POLICY, txn)
        event_id, ids = await self._message_renewal.post(task, edit, room=room, old=old, txn=txn, posted=posted)
        taps = await self._add_reactions(task, room, event_id, edit.reactions)
        await self._finish(task, room=room, place=edit.place, event_id=event_id, ref=edit.ref, old_ids=ids, reactions=taps)

    async def _find_sent(self, task: OutboxTask, room: str, speaker: Speaker, txn: str = "") -> str | None:
        """Look for the events of this row at the homeserver, when it may have forgotten the transaction id."""
        if self._room_client.knows_transactions_since(speaker, task.created):
            return None
        return await self._room_client.find(room, speaker, txn or task.txn)

    async def _finish(
        self,
        task: OutboxTask,
        *,
        room: str = "",
        place: str = "",
        event_id: str = "",
        ref: str = "",
        about: str = "",
        old_ids: Sequence[str] = (),
        reactions: Sequence[str] = (),
        until: int | None = None,
    ) -> None:
        now = self._clock.now()
        plain = place == THREAD and until is None and not (about or old_ids or reactions) and ref.startswith("in:")
        if plain and await self._finish_text(task, room, event_id, ref, now):
            return

        async def commit(transaction: Transaction) -> bool:
            delivered = False
            await room_events.delete(transaction, old_ids)
            if event_id:
                # The conversation may have ended since the room was looked up: then nothing uses this event's ref.
                stands = await room_events.standing_of(transaction, task.owner, room, event_id, ref)
                owner = stands.owner_of_event(task.owner, place)
                over = owner != task.owner
                for noted, name, on in ((event_id, ref, about), *((each, "", event_id) for each in reactions if each)):
                    await room_events.record_ours(
                        transaction,
                        event_id=noted,
                        room_id=room,
                        owner=owner,
                        place=place,
                        ref="" if over else name,
                        about=on,
                        at=int(now * 1000),
                        now=now,
                        lifetime=self._lifetime,
                        until=until,
                        has_namesake=stands.has_namesake,
                    )
                if ref.startswith("in:"):
                    await carrier_copies.release_shown(transaction, task.owner, ref, now)
                if ref and not over and stands.has_early_reaction:
                    delivered = await early_reactions.deliver(transaction, self._vault, task.owner, event_id, ref)
            await outbox.drop(transaction, task.number)
            return delivered

        # Not synced: after a power cut the row is performed again, which has no visible effect.
        if await self._database.commit(commit, sync=Sync.DEFER):
            self._wake.engine(task.owner)

    async def _finish_text(self, task: OutboxTask, room: str, event_id: str, ref: str, now: float) -> bool:
        """Note that a text is in its room; return False, with nothing written, if the full check is needed."""

        async def commit(transaction: Transaction) -> None:
            noted, owner = int(now * 1000), task.owner
            await room_events.record_text(transaction, event_id=event_id, room_id=room, owner=owner, ref=ref, at=noted)
            await outbox.drop(transaction, task.number)

        try:
            await self._database.commit(commit, sync=Sync.DEFER)
        except ConstraintViolation:
            return False
        # The event's row shows that the carrier copy may be deleted: a write to the copy's row would update its indexes.
        self._wake.shown_text(task.owner, ref)
        return True

    async def _room(self, task: OutboxTask, place: str) -> str:
        return await room_lookup.require_room(self._database, task, place, now=self._clock.now())
