"""Turns Matrix events of a sync response into events for a thread or the desk.

Rules of this module: it runs inside the commit of the sync response, so an event is in the inbox and on the deletion index
exactly if the cursor has passed it. It judges nothing but what kind of event it is. An event that was seen before changes
nothing. Events of a room that is being erased are noted and not handled, except `late_stop`. An event that cannot be read,
or that makes this program fail, affects no other: it becomes a dead letter, its author is told that it was not read, and
the desk is told once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeGuard
from urllib.parse import unquote

from bot.model.actions import DESK, OFFICE, THREAD
from bot.model.events import (
    Content,
    Event,
    IdentityChanged,
    IdentityConfirmed,
    IgnoreReason,
    MemberJoined,
    MemberLeft,
    MemberNamed,
    MemberReturned,
    MessageIgnored,
    MessageRead,
    MessageRedacted,
    MessageSent,
    PowerLevelsChanged,
    ReactionAdded,
    Relation,
)
from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind, RoomLoss, RoomLost
from bridge.inbound.late_stop import late_stop
from bridge.matrix.api import events
from bridge.matrix.api.json_fields import BAD_DATA, object_at, strings_in
from bridge.matrix.api.message_body import MXC_URI, Plain, command_in, mentions_user, read, uploads_in
from bridge.matrix.room_keys.device_lists import has_trusted_device
from bridge.matrix.rooms.media import record_linked_media
from bridge.matrix.rooms.room_state import Room, levels_of, room_of
from bridge.runtime import log
from bridge.runtime.clock import said_at, to_bridge_time
from bridge.services import Services
from bridge.storage.database import Transaction, attempt
from bridge.tables import dead_letters, early_reactions, inbox, room_events, threads

FILE_TYPES: Final = dict.fromkeys(("m.image", "m.file", "m.video", "m.audio"), Content.FILE)
KINDS: Final = {"m.text": Content.TEXT, "m.emote": Content.EMOTE, **FILE_TYPES}
REPLY_RELATIONS: Final = (Relation.TEXTER_REPLY, Relation.OTHER_REPLY, Relation.EDIT)
SHOWN_LIKE_MESSAGES: Final = frozenset(
    {"m.sticker", "m.poll.start", "org.matrix.msc3381.poll.start", "m.message", "org.matrix.msc1767.message"}
)
"""Event types that clients show like messages: such an event is a note, and its author is told so."""
MAX_MENTIONS: Final = 50


@dataclass(frozen=True, slots=True)
class InboxTarget:
    """The inbox for a room's events, and the name of the place there."""

    owner: str
    name: str


class MatrixEventIngest:
    """The sink of the sync. `after_commit`, after each commit, wakes the owners."""

    def __init__(self, services: Services, *, policy: str, puppet: str, lifetime: int) -> None:
        self._vault, self._clock, self._wake = services.vault, services.clock, services.wake
        self._puppet, self._ours, self._lifetime = puppet, frozenset((policy, puppet)), lifetime
        self.server_time: Callable[[], float | None] = lambda: None  # until the homeserver has answered
        self._parts_to_wake = set[Callable[[], None]]()
        self._earlier_owners, self._touched_owners = set[str](), set[str]()

    async def ingest(self, transaction: Transaction, items: Sequence[events.MatrixEvent]) -> None:
        """Put relevant events into the inbox. Runs inside the sync's commit."""
        # A second commit may come before `after_commit` of the first; the owners of both must be woken.
        self._earlier_owners |= self._touched_owners
        self._touched_owners = set()
        if await attempt(transaction, partial(self._ingest, items)) is not None:
            for item in items:
                if (failed := await attempt(transaction, partial(self._ingest, (item,)))) is not None:
                    log.failure("matrix_events.failed", failed)
                    await self.record_dead_letter(transaction, events.unhandled_event_of(item))

    async def record_dead_letter(self, transaction: Transaction, unhandled: events.UnhandledEvent) -> None:
        """Store a dead letter of an event that could not be handled, and tell its author. Runs inside the sync's commit."""
        place = await self._target_of(transaction, unhandled.room_id) if unhandled.room_id else None
        owner = "" if place is None else place.owner
        raw = unhandled.raw if owner or not unhandled.room_id else ""  # the desk's key outlives a room that is being erased
        kind, now = dead_letters.UNHANDLED, self._clock.now()
        if await dead_letters.record_unhandled(transaction, self._vault, owner or DESK, kind, now=now, raw=raw):
            self._touched_owners.add(DESK)
        if unhandled.encrypted and unhandled.event_id and unhandled.sender:
            unread = events.UndecryptableEvent(
                event_id=unhandled.event_id, room_id=unhandled.room_id, sender=unhandled.sender, at=unhandled.at
            )
            if (failed := await attempt(transaction, partial(self._ingest, (unread,)))) is not None:
                log.failure("matrix_events.author_not_notified", failed)

    async def _ingest(self, items: Sequence[events.MatrixEvent], transaction: Transaction) -> None:
        for item in items:
            if isinstance(item, events.IdentityChanged):
                identity_changed = IdentityChanged(user=item.user_id, master_key=item.master_key, first=item.first)
                await self._put(transaction, DESK, identity_changed)
                continue
            if isinstance(item, events.IdentityConfirmed):
                await self._put(transaction, DESK, IdentityConfirmed(user=item.user_id))
                continue
            if isinstance(item, events.MemberNamed):
                await self._put(transaction, DESK, MemberNamed(user=item.user_id, name=item.name))
                continue
            if isinstance(item, events.SelfRemoved):
                self._parts_to_wake.add(self._wake.rooms)
                continue
            place = await self._target_of(transaction, item.room_id)
            if isinstance(item, events.GapTruncated):
                if place is not None and place.owner:
                    await self._report(transaction, place, HomeserverIncidentKind.GAP)
                continue
            if isinstance(item, events.ReadReceipt):
                if place is None or not place.owner or place.name != THREAD:
                    continue
                if await has_trusted_device(transaction, item.user_id):  # others could not decrypt it
                    message_read = MessageRead(place=THREAD, user=item.user_id, event_id=item.event_id)
                    await self._put(transaction, place.owner, message_read)
                continue
            if place is None:
                continue
            if isinstance(item, events.MemberReturned):
                if place.owner:  # a room that is being erased has no owner, and everybody is removed from it anyway
                    await self._put(transaction, place.owner, MemberReturned(place=place.name, user=item.user_id))
                continue
            try:
                is_new = await self._record(transaction, place, item)
                event = await self._to_event(transaction, place, item) if is_new and place.owner else None
                if is_new and not place.owner and (late := await late_stop(transaction, item)) is not None:
                    await self._put(transaction, *late)
                is_of_thread = bool(place.owner) and place.name == THREAD
                if is_new and is_of_thread and isinstance(item, events.PowerLevels | events.RoomLost):
                    await self._report(transaction, place, HomeserverIncidentKind.ROOM_CHANGED)
            except BAD_DATA as error:
                log.failure("matrix_events.malformed", error)
                event = await self._record_undecodable(transaction, place, item)
            if isinstance(event, MemberJoined) and place.name == DESK:
                # The power levels with which the room was created do not come as an event.
                levels = await levels_of(transaction, item.room_id)
                await self._put(transaction, DESK, PowerLevelsChanged(users=tuple(levels.items())))
            if event is not None:
                await self._put(transaction, place.owner, event)

    def after_commit(self) -> None:
        """Wake the owners with new events, and the parts that list uploads and bring our users back into rooms."""
        for wake in self._parts_to_wake:
            wake()
        self._parts_to_wake.clear()
        for owner in self._earlier_owners | self._touched_owners:
            self._wake.engine(owner)
        self._earlier_owners.clear()

    async def _put(self, transaction: Transaction, owner: str, event: Event) -> None:
        inbox_row = await inbox.try_seal(self._vault, owner, event)
        if inbox_row is not None:
            await inbox.append(transaction, inbox_row)
            self._touched_owners.add(owner)
        elif not isinstance(event, MessageRead):
            # Its key is missing, as after an older keys.db was restored.
            kind = dead_letters.WITHOUT_KEY
            if await dead_letters.record_unhandled(transaction, self._vault, owner, kind, now=self._clock.now()):
                self._touched_owners.add(DESK)

    async def _report(self, transaction: Transaction, place: InboxTarget, kind: HomeserverIncidentKind) -> None:
        """Tell the desk what happened to a room at the homeserver."""
        designation = await threads.designation_of(transaction, place.owner)
        await self._put(transaction, DESK, HomeserverIncident(kind=kind, designation=designation))

    async def _target_of(self, transaction: Transaction, room_id: str) -> InboxTarget | None:
        match await room_of(transaction, room_id):
            case Room(kind="desk"):
                return InboxTarget(DESK, DESK)
            case Room(kind="office", owner=user):
                return InboxTarget(DESK, OFFICE + user)
            case Room(kind="thread", owner=thread):
                # Without an owner it is a warm room, which has no events for us, or one that is being erased.
                return InboxTarget(thread, THREAD)
        return None

    async def _record(self, transaction: Transaction, place: InboxTarget, item: events.RoomEvent) -> bool:
        """Put the event on the deletion index; return False for an event that is already there."""
        for address in self._upload_uris(item):
            self._parts_to_wake.add(self._wake.uploads)
            await record_linked_media(
                transaction, address, room_id=item.room_id, event_id=item.event_id, at_ms=self._at_ms(item.at)
            )
        return await room_events.record(
            transaction,
            event_id=item.event_id,
            room_id=item.room_id,
            owner=place.owner,
            place=place.name,
            about=_related_event(item),
            at=self._at_ms(item.at),
            now=self._clock.now(),
            lifetime=self._lifetime,
            state=isinstance(item, events.Membership | events.PowerLevels),
        )

    async def _record_undecodable(
        self, transaction: Transaction, place: InboxTarget, item: events.RoomEvent
    ) -> Event | None:
        """Put the event on the deletion index without reading it; its author is told that it was not read."""
        bare = events.UndecryptableEvent(event_id=item.event_id, room_id=item.room_id, sender=item.sender, at=item.at)
        await self._record(transaction, place, bare)
        return (
            await self._to_event(transaction, place, bare)
            if isinstance(item, events.DecryptedMessage) and place.owner
            else None
        )

    def _at_ms(self, at: int) -> int:
        return round(to_bridge_time(self._clock, at / 1000) * 1000)

    async def _to_event(self, transaction: Transaction, place: InboxTarget, item: events.RoomEvent) -> Event | None:
        match item:
            case events.DecryptedMessage(type=kind) if kind == "m.room.message" or kind in SHOWN_LIKE_MESSAGES:
                return await self._from_message(transaction, place, item)
            case events.DecryptedMessage(type="m.reaction"):  # libQuotient encrypts them
                return await self._from_reaction(transaction, place, item)
            case events.UntrustedMessage():
                return MessageIgnored(
                    place=place.name,
                    sender=item.sender,
                    event_id=item.event_id,
                    reason=IgnoreReason.UNTRUSTED,
                    command=item.command if place.name == THREAD else "",
                )
            case events.UndecryptableEvent():
                return MessageIgnored(
                    place=place.name, sender=item.sender, event_id=item.event_id, reason=IgnoreReason.UNREADABLE
                )
            case events.UnencryptedEvent():
                return await self._from_unencrypted(transaction, place, item)
            case events.Membership(membership="join"):
                return MemberJoined(place=place.name, user=item.user_id) if item.previous != "join" else None
            case events.Membership(membership="leave" | "ban"):
                return MemberLeft(place=place.name, user=item.user_id)
            case events.PowerLevels() if place.name == DESK:
                return PowerLevelsChanged(users=tuple(sorted(item.users.items())), tampered=item.tampered)
            case events.RoomLost() if place.name == DESK:
                return RoomLost(place=DESK, how=RoomLoss(item.how))
        return None

    async def _from_reaction(
        self, transaction: Transaction, place: InboxTarget, item: events.UnencryptedEvent | events.DecryptedMessage
    ) -> Event | None:
        """Return the event for a reaction; whether it came encrypted makes no difference."""
        relation = object_at(item.content, "m.relates_to")
        target, key = relation.get("event_id"), relation.get("key")
        if not _is_identifier(target) or not isinstance(key, str):
            return None
        known = await room_events.find_in_room(transaction, target, item.room_id)
        reaction = ReactionAdded(
            place=place.name,
            sender=item.sender,
            event_id=item.event_id,
            key=key[:32],
            target="" if known is None else known.ref,
            trusted=await has_trusted_device(transaction, item.sender),
        )
        if known is None:
            await early_reactions.record(transaction, self._vault, place.owner, reaction, target, now=self._clock.now())
        return reaction

    async def _from_unencrypted(
        self, transaction: Transaction, place: InboxTarget, item: events.UnencryptedEvent
    ) -> Event | None:
        match item.type:
            case "m.reaction":
                return await self._from_reaction(transaction, place, item)
            case "m.room.redaction" if item.redacts:
                redacted = await room_events.find(transaction, item.redacts)
                ref = "" if redacted is None else redacted.ref
                return MessageRedacted(place=place.name, sender=item.sender, target=item.redacts, ref=ref)
            case "m.room.message":
                return MessageIgnored(
                    place=place.name,
                    sender=item.sender,
                    event_id=item.event_id,
                    reason=IgnoreReason.UNENCRYPTED,
                    command=command_in(item.content) if place.name == THREAD else "",
                )
        return None

    async def _from_message(
        self, transaction: Transaction, place: InboxTarget, item: events.DecryptedMessage
    ) -> MessageSent:
        inner, clear = object_at(item.content, "m.relates_to"), item.clear_relation or {}
        new = object_at(item.content, "m.new_content")
        relation, target, ref = await self._relation(transaction, inner, clear)
        shown = new if relation is Relation.EDIT else item.content  # clients show no edit without new content
        plain = read(shown) or Plain(words="")
        said = item.type == "m.room.message" and isinstance(shown.get("body"), str)
        return MessageSent(
            place=place.name,
            sender=item.sender,
            event_id=item.event_id,
            body=plain.words,
            at=said_at(self._clock, item.at / 1000, self.server_time()),
            content=KINDS.get(_string(shown, "msgtype") if said else "", Content.OTHER),
            relation=relation,
            target=target,
            mentions=self._is_mention(shown, relation),
            mentioned_users=tuple(u for u in self._mentions(shown, relation) if u not in self._ours),
            ref=ref,
            quotes=plain.quotes and (relation in (Relation.NONE, Relation.EDIT) or not plain.words),
            differs=plain.differs,
        )

    async def _relation(
        self, transaction: Transaction, inner: Mapping[str, Any], clear: Mapping[str, Any]
    ) -> tuple[Relation, str, str]:
        """Return the relation to another message, that message's event id, and our own name for it."""
        kinds = {_string(inner, "rel_type"), _string(clear, "rel_type")}
        if "m.thread" in kinds:
            return Relation.THREAD, "", ""
        target = inner.get("event_id")
        if "m.replace" in kinds and _is_identifier(target):
            return Relation.EDIT, target, ""
        reply = object_at(inner, "m.in_reply_to").get("event_id") or object_at(clear, "m.in_reply_to").get("event_id")
        if reply is None:
            related = any(name in part for part in (inner, clear) for name in ("rel_type", "m.in_reply_to"))
            return (Relation.OTHER_REPLY if related else Relation.NONE), "", ""
        if not _is_identifier(reply):
            return Relation.OTHER_REPLY, "", ""
        known = await room_events.find(transaction, reply) or room_events.KnownEvent("", "")
        # A reply to a notice of ours counts as a reply to the message that the notice is about.
        target, ref = known.about or reply, known.ref
        return (Relation.TEXTER_REPLY if ref.startswith("in:") else Relation.OTHER_REPLY), target, ref

    def _upload_uris(self, item: events.RoomEvent) -> list[str]:
        """Return the uploads on our homeserver in a message: they are deleted with it, whoever's device sent it."""
        if isinstance(item, events.UntrustedMessage):
            uploads = item.uploads
        else:
            uploads = uploads_in(
                item.content if isinstance(item, events.DecryptedMessage | events.UnencryptedEvent) else {}
            )
        here = self._puppet.partition(":")[2]
        return [address for address in uploads if (m := MXC_URI.fullmatch(address)) and m["server"] == here]

    def _mentions(self, content: Mapping[str, Any], relation: Relation) -> list[str]:
        """Return the users whom the author mentions.

        In a reply, or an edit of one, a client also mentions the original's author and the people it mentions. A texter's
        message mentions its advocate: a colleague's reply does not call the advocate, unless its words name them.
        """
        users = strings_in(object_at(content, "m.mentions").get("user_ids"))[:MAX_MENTIONS]
        if relation not in REPLY_RELATIONS:
            return users
        said = unquote(f"{content.get('body')} {content.get('formatted_body')}").casefold()
        return [u for u in users if u not in self._ours and _names(said, u[1:].partition(":")[0].casefold())]

    def _is_mention(self, content: Mapping[str, Any], relation: Relation) -> bool:
        """Whether the message calls a person."""
        everybody = object_at(content, "m.mentions").get("room") is True
        return everybody or bool(self._mentions(content, relation)) or mentions_user(_string(content, "formatted_body"))


def _related_event(item: events.RoomEvent) -> str:
    """Return the event that an edit or a reaction refers to."""
    content = item.content if isinstance(item, events.DecryptedMessage | events.UnencryptedEvent) else {}
    relation = object_at(content, "m.relates_to")
    return _string(relation, "event_id") if _string(relation, "rel_type") in {"m.replace", "m.annotation"} else ""


def _names(said: str, localpart: str) -> bool:
    """Whether words contain this name as a word: "mañana" does not name `ana`."""
    return re.search(rf"(?<!\w){re.escape(localpart)}(?!\w)", said) is not None


def _string(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    return value if _is_identifier(value) else ""


def _is_identifier(value: Any) -> TypeGuard[str]:
    """Whether a value can be an id or a type: a string without NUL, which PostgreSQL cannot store."""
    return isinstance(value, str) and "\0" not in value
