"""Checks of the erasure through the client API: whether anything is left to read, and who is still in the room.

Rules of this module: it only checks, and removes people. A check that fails raises; nothing unchecked counts as gone.
Redacting is in `room_client`, purging in `module_api`.

Sources: https://spec.matrix.org/latest/client-server-api/#redactions (what a redaction leaves), and there `GET
/rooms/{roomId}/messages`, `…/members`, `…/event/{eventId}`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from bridge.matrix.api.http_client import Permanent, TokenRefused
from bridge.matrix.api.json_fields import Json, object_at, objects_in
from bridge.matrix.olm.identity import Identity

PAGE_SIZE: Final = 250
PRESENT: Final = ("join", "invite", "knock")
NOT_ACCESSIBLE: Final = frozenset({"M_NOT_FOUND", "M_FORBIDDEN"})


class ErasureProbe:
    """Checks rooms as the policy bot. `ours`: the user ids of both identities."""

    def __init__(self, *, policy: Identity, ours: tuple[str, str]) -> None:
        self._client, self._ours = policy.client, frozenset(ours)

    async def readable(self, room_id: str) -> list[tuple[str, int]]:
        """Return id and time of every event of a room that still has content; state and redactions do not count.

        Pages through the whole room. Raises `Permanent` when the policy bot has no access.
        """
        events: list[tuple[str, int]] = []
        start = ""
        while True:
            query = {"dir": "b", "limit": str(PAGE_SIZE), **({"from": start} if start else {})}
            answer = await self._client.request("GET", "rooms", room_id, "messages", query=query)
            events += [
                (event["event_id"], at if isinstance(at := event.get("origin_server_ts"), int) else 0)
                for event in objects_in(answer.get("chunk"))
                if _has_content(event) and isinstance(event.get("event_id"), str)
            ]
            end = answer.get("end")
            if not isinstance(end, str) or end == start:
                return events
            start = end

    async def empty(self, room_id: str) -> int:
        """Remove everybody but our identities, including invited people; return how many there were."""
        answer = await self._client.request("GET", "rooms", room_id, "members", query={"not_membership": "leave"})
        users = [
            event["state_key"]
            for event in objects_in(answer.get("chunk"))
            if isinstance(event.get("state_key"), str) and object_at(event, "content").get("membership") in PRESENT
        ]
        others = [user for user in users if user not in self._ours]
        for user in others:
            await self._client.request("POST", "rooms", room_id, "kick", body={"user_id": user})
        return len(others)

    async def is_event_gone(self, room_id: str, event_id: str) -> bool:
        """Whether an event can no longer be fetched, or has no content left."""
        try:
            event = await self._client.request("GET", "rooms", room_id, "event", event_id)
        except TokenRefused:
            raise
        except Permanent as error:
            if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN} and error.errcode in NOT_ACCESSIBLE:
                return True
            raise
        return not _has_content(event)


def _has_content(event: Json) -> bool:
    return "state_key" not in event and event.get("type") != "m.room.redaction" and bool(event.get("content"))
