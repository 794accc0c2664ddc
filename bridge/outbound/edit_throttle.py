"""Limits the edits of one message to one in two seconds, and skips an edit that a later one replaces.

Rules of this module: waiting loses nothing; the last of many changes is always shown. An edit does not wait for a message
that does not exist and will not come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from bot.model.actions import EditMessage, RedactMessage, SendMessage, ShowAudit, ShowDevices
from bridge.outbound.dispatcher import OutboxTask
from bridge.services import Services
from bridge.storage import serialization
from bridge.tables import outbox

MIN_INTERVAL: Final = 2.0
"""Seconds between two edits of one message."""
MAX_MESSAGES: Final = 4_096
MOST_LATER: Final = 50
MOST_EARLIER: Final = 50
"""If so many rows come before an edit or a redaction, its message counts as pending, and is checked again in a second."""

Post: TypeAlias = SendMessage | ShowAudit | ShowDevices
"""An action that posts a message with a ref of its own."""


class EditThrottle:
    """Remembers when messages were last edited, by event id."""

    def __init__(self, services: Services) -> None:
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._edited: dict[str, float] = {}

    def seconds_to_wait(self, target: str) -> float:
        """Return for how many seconds this message must not be edited; 0 or less: it may be edited now."""
        return self._edited.get(target, 0.0) + MIN_INTERVAL - self._clock.now()

    def record_edit(self, target: str) -> None:
        """Note that the message was edited now."""
        self._edited[target] = self._clock.now()
        while len(self._edited) > MAX_MESSAGES:
            self._edited.pop(next(iter(self._edited)))

    async def is_superseded(self, task: OutboxTask, edit: EditMessage) -> bool:
        """Whether a later row edits the same message, so that this edit is not needed. Raises what `Vault` raises."""
        kind = serialization.kind_name(EditMessage)
        for txn, body in await outbox.rows_after(self._database, task.owner, task.number, kind, MOST_LATER):
            later = serialization.decode_as(EditMessage, await self._vault.open(task.owner, f"outbox {txn}", body))
            if (later.place, later.ref) == (edit.place, edit.ref):
                return True
        return False

    async def is_message_pending(
        self, task: OutboxTask, change: EditMessage | RedactMessage, posts: Sequence[type[Post]] = (SendMessage,)
    ) -> bool:
        """Whether an earlier row has yet to post the message to be edited or redacted. Raises what `Vault` raises.

        `posts`: the actions that may post it.
        """
        for post in posts:
            kind = serialization.kind_name(post)
            rows = await outbox.rows_before(self._database, task.owner, task.number, kind, MOST_EARLIER)
            for txn, body in rows:
                earlier = serialization.decode_as(post, await self._vault.open(task.owner, f"outbox {txn}", body))
                if (earlier.place, earlier.ref) == (change.place, change.ref):
                    return True
            if len(rows) == MOST_EARLIER:
                return True
        return False
