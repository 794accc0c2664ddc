"""The table `revealed`: the messages in offices that show a number, each with the time of its redaction.

Rules of this module: a row is inserted before its message is requested, by the transaction id, and gets the event id once
it is known: so a message whose request was not answered is noted too. A row is deleted by the commit that follows the
redaction of its message, or when no message of its transaction id was found, and by nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

from bridge.storage.database import Reader, Transaction


class RevealedNumber(NamedTuple):
    """A message that shows a number. `granted_at`, `until`: seconds since the epoch.

    `key`: its event id, or, while that is not known, the transaction id of its request.
    """

    key: str
    room_id: str
    granted_at: int
    until: float

    @property
    def is_request(self) -> bool:
        """Whether it is not known if the homeserver has the message."""
        return not self.key.startswith("$")


async def record(transaction: Transaction, shown: RevealedNumber) -> None:
    """Note a message that shows a number, or the request for it, if it is not noted."""
    await transaction.execute(
        """INSERT INTO revealed (event_id, room_id, granted, until) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING""",
        *shown,
    )


async def all_shown(reader: Reader) -> list[RevealedNumber]:
    """Return every message that shows a number."""
    rows = await reader.fetch("SELECT event_id, room_id, granted, until FROM revealed")
    return [RevealedNumber(row["event_id"], row["room_id"], row["granted"], row["until"]) for row in rows]


async def postpone(transaction: Transaction, key: str, until: float) -> None:
    """Note when the redaction of a message is tried again."""
    await transaction.execute("UPDATE revealed SET until = $2 WHERE event_id = $1", key, until)


async def make_due(transaction: Transaction) -> None:
    """Have every message that shows a number redacted now."""
    await transaction.execute("UPDATE revealed SET until = 0")


async def delete(transaction: Transaction, key: str) -> None:
    """Forget a message that is redacted, or a request whose answer is known."""
    await transaction.execute("DELETE FROM revealed WHERE event_id = $1", key)
