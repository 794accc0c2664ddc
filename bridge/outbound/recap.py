"""The notice that `!recap` posts in a thread's room: what colleagues typed there.

Rules of this module: it is one notice, so that it is shown completely or not at all, and a room has only one. It never
outlives what it repeats: it has a short lifetime of its own, it leaves out messages that expire sooner, and its row waits
in one lane with every action that removes words from the room, so that each action either sees the notice or is done before
the room is read. Words are in no log and no error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from bot.commands.parser import ANSWER_TTL, names_a_word, parse
from bot.display.thread_card import localpart
from bot.model.actions import RECAP, DeliveryReceipt, RedactEvent, SendMessage, SendRecap, Speaker
from bot.wording.notice import words_of
from bridge.matrix.api.events import DecryptedMessage
from bridge.matrix.api.http_client import Permanent, TokenRefused
from bridge.matrix.api.json_fields import object_at
from bridge.matrix.api.message_body import message_content, plain_text
from bridge.matrix.room_client import RoomClient
from bridge.matrix.room_keys.history import RecentMessages
from bridge.outbound.dispatcher import OutboxTask, RetryLater
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage import serialization
from bridge.tables import outbox, room_events, threads

MAX_MESSAGES: Final = 50
MAX_BYTES: Final = 16_000
"""Most bytes of a recap: encrypted, it stays well below the limit of an event."""
MAX_LETTERS: Final = 2_000
"""Most letters of one message."""
TEXT_TYPES: Final = frozenset({"m.text", "m.notice", "m.emote"})
A_FILE: Final = "\0file"
"""Stands for a file among words, which never contain a NUL."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FILE_TYPES: Final = frozenset({"m.image", "m.file", "m.video", "m.audio"})


@dataclass(frozen=True, slots=True)
class PostedRecap:
    """The recap that is shown now, its end (seconds since the epoch), and the one that it replaced."""

    event_id: str
    until: int
    replaced_event_ids: tuple[str, ...]


class RecapSender:
    """Shows recaps.

    `zone`: the line's time zone; `lifetime`: seconds for which a message in a thread is kept after it was seen. A recap is
    shown for at most half of that, so that a message which nobody has seen yet always expires later.
    """

    def __init__(self, services: Services, *, room_client: RoomClient, zone: str, lifetime: int) -> None:
        self._database, self._clock, self._crash = services.database, services.clock, services.crash
        self._room_client, self._zone = room_client, ZoneInfo(zone)
        self._lifetime = min(int(ANSWER_TTL), lifetime // 2)

    async def show(self, task: OutboxTask, recap: SendRecap, room: str) -> PostedRecap:
        """Post a recap in place of the earlier one. Raises what `RoomClient` raises, and :class:`RetryLater`."""
        on_hold = await threads.is_on_legal_hold(self._database, task.owner)
        now, until = int(self._clock.now()), task.created + self._lifetime
        late = not task.created <= now < task.created + self._lifetime // 2
        # On legal hold nothing expires. After the hold the recap expires with the rest.
        until = task.created if on_hold else until
        # If the row is late, an earlier try may have posted words that may have expired: then that one is looked up first.
        known = not late and self._room_client.knows_transactions_since(Speaker.POLICY, task.created)
        event_id = None if known else await self._room_client.find(room, Speaker.POLICY, task.txn)
        if event_id is None:
            until = now + self._lifetime if late else until
            body = (
                words_of("recap.too_late", recap.language)
                if late
                else await self._body(task, recap, room, until, on_hold=on_hold)
            )
            content = message_content(SendMessage(place=recap.place, body=body, reply_to=recap.reply_to))
            event_id = await self._room_client.send(room, Speaker.POLICY, task.txn, "m.room.message", content)
        self._crash(CrashPoint.MATRIX_SENT)
        old = await room_events.event_of(self._database, task.owner, RECAP)
        if old is None or old == event_id or on_hold:
            return PostedRecap(event_id, until, ())
        await self._room_client.redact(room, old, f"{task.txn}.old")
        return PostedRecap(event_id, until, (old,))

    async def _body(self, task: OutboxTask, recap: SendRecap, room: str, until: int, *, on_hold: bool) -> str:
        redaction = serialization.kind_name(RedactEvent)
        if await outbox.rows_before(self._database, task.owner, task.number, redaction, 1):
            raise RetryLater(1.0, in_turn=True)
        try:
            messages = await self._room_client.recent_messages(room)
        except TokenRefused:
            raise
        except Permanent:
            return f"{words_of('recap.keys_sent', recap.language)} {words_of('recap.lookup_refused', recap.language)}"
        standing = await room_events.standing_until(self._database, room, 0 if on_hold else until)
        goes = "recap.on_hold" if on_hold else "recap.goes_in"
        notice = words_of(goes, recap.language, minutes=self._lifetime // 60)
        return recap_body(messages, standing, self._zone, notice, dict(recap.receipts), recap.language)


def recap_body(
    messages: RecentMessages,
    standing: Collection[str],
    zone: ZoneInfo,
    goes: str,
    receipts: Mapping[str, str],
    language: str,
) -> str:
    """Return the text: for each message a line with author, time, words and delivery receipt.

    `standing`: the events that expire no sooner than the recap; `receipts`: by event id. Words without a receipt may have
    left: a receipt may be deleted.
    """
    said = _Words(zone, language)
    shown: list[str] = []
    room, going, older = MAX_BYTES, 0, messages.more
    for each, words, on in _newest_first(messages.messages):
        if not on <= set(standing):
            going += 1
            continue
        line = said.line(each, words, receipts.get(each.event_id, ""))
        room -= len(line.encode()) + 1
        if len(shown) == MAX_MESSAGES or room < 0:
            older = True
            break
        shown.append(line)
    notes = [
        words_of("recap.older", language) if older else "",
        words_of("recap.going", language, going=going) if going else "",
        words_of("recap.unread", language, unread=messages.unread) if messages.unread else "",
    ]
    left_out = " ".join(note for note in notes if note)
    keys_sent = words_of("recap.keys_sent", language)
    if not shown:
        why = "recap.nothing" if left_out else "recap.nobody"
        return f"{keys_sent} {words_of(why, language)} {left_out}".strip()
    heading = words_of("recap.heading", language)
    return "\n".join((f"{keys_sent} {heading}", *reversed(shown), f"{left_out} {goes}".strip()))


def _newest_first(said: Sequence[DecryptedMessage]) -> Iterator[tuple[DecryptedMessage, str, set[str]]]:
    """Yield each message to be repeated, newest first: its words, and the events that hold them."""
    edits = {(target, each.sender): each for each in said if (target := _replaces(each))}
    for each in reversed(said):
        if each.type != "m.room.message" or _replaces(each):
            continue
        edit = edits.get((each.event_id, each.sender))
        first = _words(each.content)
        words = first if edit is None else _words(object_at(edit.content, "m.new_content"))
        if first and words and not any(_is_command(body) or names_a_word(body) for body in (first, words)):
            yield each, words, {each.event_id} if edit is None else {each.event_id, edit.event_id}


def _is_command(body: str) -> bool:
    """Whether words are a command; a note is repeated like other words."""
    command = parse(body)
    return command is not None and command.name != "note"


def _replaces(said: DecryptedMessage) -> str:
    """Return the id of the event that an edit replaces; empty for anything else."""
    for relation in (object_at(said.content, "m.relates_to"), said.clear_relation or {}):
        target = relation.get("event_id")
        if relation.get("rel_type") == "m.replace" and isinstance(target, str):
            return target
    return ""


def _words(content: Mapping[str, Any]) -> str:
    kind = content.get("msgtype")
    if kind in FILE_TYPES:
        return A_FILE
    return ((plain_text(content) if kind in TEXT_TYPES else None) or "").strip()


@dataclass(frozen=True, slots=True)
class _Words:
    """Lines of a recap in the line's time zone and the language of the person who asked."""

    zone: ZoneInfo
    language: str

    def line(self, said: DecryptedMessage, words: str, receipt: str) -> str:
        """Return a line; text after a line break is indented, so that words cannot look like another person's line."""
        if words == A_FILE:
            words = words_of("recap.file", self.language)
        elif len(words) > MAX_LETTERS:
            words = words_of("recap.it_goes_on", self.language, words=words[:MAX_LETTERS])
        at = datetime.fromtimestamp(said.at / 1000, self.zone)
        day = words_of(f"day.{DAYS[at.weekday()]}", self.language)
        became = f" [{self._mark(receipt)}]" if receipt else ""
        return f"{localpart(said.sender)}, {day} {at:%H:%M}{became}: " + "\n    ".join(words.splitlines())

    def _mark(self, receipt: str) -> str:
        name = next((mark.name.lower() for mark in DeliveryReceipt if mark.value == receipt), "")
        return words_of(f"mark.{name}", self.language) if name else receipt
