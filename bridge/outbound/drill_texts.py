"""Sends the texts of a drill's texter to the line: from a handset of the rehearsal carrier, by the path of every text.

Rules of this module: only a rehearsal line has such handsets; anywhere else the row is refused for good. Each text has a
name, so that a repeated request is one text. The carrier chooses the number, which is not known here.
"""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

from bot.model.actions import TextFromHandset
from bridge.outbound.dispatcher import OutboxTask, PermanentFailure, RetryLater
from bridge.services import Services
from bridge.tables import outbox

RETRY_SECONDS: Final = 1.0


@runtime_checkable
class HandsetCarrier(Protocol):
    """A carrier that has handsets of its own: the rehearsal carrier."""

    async def text_from_handset(self, *, tag: str, ref: str, text: str, picture: bool) -> bool | None:
        """Let the handset of that tag text the line; False when it is refused, None when the result is unknown."""


class DrillTexts:
    """Performs `TextFromHandset` rows. `carrier`: None if the line is no rehearsal."""

    def __init__(self, services: Services, *, carrier: HandsetCarrier | None) -> None:
        self._database, self._carrier = services.database, carrier

    async def perform(self, task: OutboxTask) -> None:
        """Let one text leave its handset, once."""
        text = task.action
        if not isinstance(text, TextFromHandset) or self._carrier is None:
            raise PermanentFailure("not-rehearsal")
        took = await self._carrier.text_from_handset(tag=text.tag, ref=text.ref, text=text.body, picture=text.picture)
        if took is None:
            raise RetryLater(RETRY_SECONDS)
        if not took:
            raise PermanentFailure("refused")
        await self._database.commit(lambda transaction: outbox.delete(transaction, task.number))
