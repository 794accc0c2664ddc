"""Reads what people typed in a room of ours: fetched from the homeserver again, and opened with the keys that we hold.

Rules of this module: it only reads; no session advances, and no index is stored. It opens only messages that were accepted
when they came (`inbound_sessions` stored the index): at that time they were from a trusted device and no replay. Everything
else is counted, and its content is used nowhere.

Source: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3roomsroomidmessages
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from bridge.matrix.api.events import DecryptedMessage
from bridge.matrix.api.json_fields import BAD_DATA, Json, dumps, objects_in, string_field
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys import inbound_table
from bridge.matrix.room_keys.inbound_sessions import EncryptedEvent, accepted_sessions, parse_plaintext
from bridge.services import Services

PAGE: Final = 100
MAX_PAGES: Final = 5
"""About five hundred messages of colleagues: more than anybody reads again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentMessages:
    """`messages`: oldest first.

    `unread`: number of messages that are left out; `more`: there are older ones, which were not read.
    """

    messages: tuple[DecryptedMessage, ...]
    unread: int = 0
    more: bool = False


class RoomHistory:
    """Reads as the policy bot. `ours`: the user ids of both identities, whose messages are skipped."""

    def __init__(self, services: Services, *, identity: Identity, ours: Collection[str]) -> None:
        self._database, self._vault = services.database, services.vault
        self._client, self._ours = identity.client, frozenset(ours)

    async def recent_messages(self, room_id: str) -> RecentMessages:
        """Return the latest messages of other people in a room, with edits as separate messages.

        Raises what `HomeserverClient` raises.
        """
        events, more = await self._events(room_id)
        sessions, event_ids = await self._sessions(room_id), await inbound_table.events_read(self._database, room_id)
        messages: list[DecryptedMessage] = []
        unread = 0
        for raw in events:
            try:
                event = EncryptedEvent.read(raw, room_id)
                if not event.content:  # redacted
                    continue
                session_id = string_field(event.content, "session_id", longest=64)
                payload, index = sessions[session_id, event.sender].decrypt(string_field(event.content, "ciphertext"))
                if event_ids[session_id, index] != event.event_id:
                    raise KeyError
                messages.append(parse_plaintext(event, payload))
            except (OlmGroupSessionError, *BAD_DATA):
                unread += 1
        return RecentMessages(messages=tuple(reversed(messages)), unread=unread, more=more)

    async def _events(self, room_id: str) -> tuple[list[Json], bool]:
        """Page back; return the events, newest first, and whether there are more."""
        event_filter = dumps({"types": ["m.room.encrypted"], "not_senders": sorted(self._ours)})
        events: list[Json] = []
        start = ""
        for _ in range(MAX_PAGES):
            query = {"dir": "b", "limit": str(PAGE), "filter": event_filter, **({"from": start} if start else {})}
            answer = await self._client.request("GET", "rooms", room_id, "messages", query=query)
            events += [
                event
                for event in objects_in(answer.get("chunk"))
                if event.get("type") == "m.room.encrypted" and event.get("sender") not in self._ours
            ]
            end = answer.get("end")
            if not isinstance(end, str) or end == start:
                return events, False
            start = end
        return events, True

    async def _sessions(self, room_id: str) -> dict[tuple[str, str], InboundGroupSession]:
        accepted = await accepted_sessions(self._database, self._vault, room_id)
        return {(each.session_id, each.sender): each.session for each in accepted}
