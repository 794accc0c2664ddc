"""Limits the Olm sessions that were begun by people who are in no room of ours.

Rule of this module: any user may begin sessions with us, each under an identity key of its own. Of the sessions with
devices of strangers (people in no room of ours) the newest `MAX_STRANGERS` are kept, whoever began them. A session with a
device of a person who is in our rooms, or invited, does not count. Nor does one that such a person began with a device that
we have not queried yet: the beginner of each session is kept in memory as long as the session, and judged again each time,
because the sync may bring their joining after their first message.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Protocol

from bridge.matrix.olm.olm_store import delete_sessions, newest_sessions
from bridge.storage.database import Transaction

MAX_STRANGERS: Final = 100
"""Sessions kept with devices of strangers; Synapse sends at most as many to-device messages in one response."""
MAX_NEW_DEVICES: Final = 16
"""Sessions kept of one person in our rooms with devices that we do not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Who is in our rooms or invited, by user id, and the identity keys of their devices that we know."""

    users: frozenset[str]
    keys: frozenset[str]


class MemberDevices(Protocol):
    """What the inbox needs to know about the people in our rooms, as last committed."""

    async def is_member_device(self, user_id: str, curve25519: str, /) -> bool:
        """Whether a user has a device of that identity key that we know, and is in a room of ours."""

    async def members(self) -> Members:
        """Return everybody in our rooms."""


class StrangerSessions:
    """Limits the sessions that strangers may begin with one identity."""

    def __init__(self, *, user_id: str, devices: MemberDevices) -> None:
        self._user_id, self._devices = user_id, devices
        self._began: dict[str, str] = {}
        self._added = 0

    async def note(self, transaction: Transaction, sender: str, sender_key: str) -> None:
        """Note that a sender began a session under an identity key; delete old sessions above the limit.

        A rolled-back commit removes the session but not this note, which is harmless.
        """
        self._began[sender_key] = sender
        self._added += 1
        if self._added >= MAX_STRANGERS:
            await self._make_space(transaction)

    async def _make_space(self, transaction: Transaction) -> None:
        members = await self._devices.members()
        others, of_user = list[tuple[str, str]](), Counter[str]()
        began: dict[str, str] = {}
        for session_id, key in await newest_sessions(transaction, self._user_id):
            if key in members.keys:
                continue
            user = self._began.get(key, "")
            of_user[user] += user in members.users
            if user not in members.users or of_user[user] > MAX_NEW_DEVICES:
                others.append((session_id, key))
            else:
                began[key] = user
        began |= {key: self._began[key] for _, key in others[:MAX_STRANGERS] if key in self._began}
        await delete_sessions(transaction, self._user_id, [session_id for session_id, _ in others[MAX_STRANGERS:]])
        self._began, self._added = began, 0
