"""The state of the rehearsal carrier: handsets, its own copies of texts, and configured faults.

Rule of this module: a handset keeps its texts, as a phone does, until the data directory is deleted; the carrier keeps its
copy of each text, in either direction, until that copy is deleted. STOP blocks nothing: the line has to do that. Faults
end with the process.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from policies.segments import segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Direction: TypeAlias = Literal["in", "out"]
"""From the line's point of view: `out` goes to the handset."""
Status: TypeAlias = Literal["queued", "sent", "delivered", "failed"]
InboundFault: TypeAlias = Literal["duplicate", "reorder"]
ALL_REPORTS: Final = 2
FIRST_DRILL_NUMBER: Final = 2000
"""The last four digits of a drill's first number; the page's handsets use 0100 to 0199."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Media of a text; never fetched, as on a line."""

    type: str
    url: str = field(repr=False)


@dataclass(slots=True, kw_only=True)
class SmsRecord:
    """One text and its state: only `status`, `copy_held` and `reports` change.

    `reports`: how many of the two delivery reports about an outbound text, sent and delivered, need no webhook any more.
    """

    id: str
    sequence: int
    direction: Direction
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    text: str = field(repr=False)
    media: tuple[Attachment, ...] = field(default=(), repr=False)
    at: datetime
    segments: int
    status: Status
    copy_held: bool = True
    reports: int = 0
    drill: str = ""
    """The tag of the drill whose handset sent it; empty: a person sent it."""

    @property
    def time(self) -> str:
        """RFC 3339, to the microsecond."""
        return self.at.isoformat(timespec="microseconds")


@dataclass(slots=True)
class Faults:
    """The next faults. `send` applies to `sends` requests, each kind of `inbound` to that many texts (or pairs)."""

    send: str = "ok"
    sends: int = 0
    inbound: dict[InboundFault, int] = field(default_factory=dict)

    def next_send(self) -> str:
        """Return the fault of the next send, `ok` for none, and count it down."""
        if not self.sends:
            return "ok"
        self.sends -= 1
        return self.send

    def use_up(self, kind: InboundFault) -> bool:
        """Whether an inbound fault of this kind is set; count it down."""
        times = self.inbound.get(kind, 0)
        self.inbound[kind] = max(times - 1, 0)
        return times > 0


class Exchange:
    """All handsets and all copies. `clock` is the wall clock in seconds since 1970."""

    def __init__(
        self,
        *,
        number: str,
        clock: Callable[[], float],
        put: Callable[[SmsRecord], None] = lambda _: None,
        records: Iterable[SmsRecord] = (),
    ) -> None:
        """Make it. `put`: stores a text's present state. `records`: the stored texts, oldest first."""
        self.number = number
        self.faults = Faults()
        self._clock, self._put = clock, put
        self._handsets: dict[str, list[SmsRecord]] = {}
        self._copies: dict[str, SmsRecord] = {}
        self._last = datetime.fromtimestamp(0, UTC)
        self._sequence = 0
        for record in records:
            self._insert(record)

    def unacknowledged_texts(self) -> tuple[SmsRecord, ...]:
        """Texts with webhooks that the line has not acknowledged, oldest first."""
        records = sorted((t for texts in self._handsets.values() for t in texts), key=lambda t: t.sequence)
        return tuple(t for t in records if (t.status == "queued" if t.direction == "in" else t.reports < ALL_REPORTS))

    def inbound(self, *, sender: str, text: str, media: tuple[Attachment, ...] = (), drill: str = "") -> SmsRecord:
        """Take a text from a handset to the line. `drill`: the tag of the drill whose texter it is."""
        return self._keep("in", sender, self.number, text, media, drill)

    def drill_handset(self, tag: str) -> str:
        """Return the number of a drill's handset: fictional and not used before, so that the line knows nothing of it."""
        for number, texts in self._handsets.items():
            if any(text.drill == tag for text in texts):
                return number
        numbers = {*self._handsets, self.number}
        return next(number for n in count(FIRST_DRILL_NUMBER) if (number := f"+1555555{n:04}") not in numbers)

    def outbound(self, *, recipient: str, text: str) -> SmsRecord:
        """Take a text from the line; it reaches the handset at once."""
        return self._keep("out", self.number, recipient, text, (), "")

    def handset(self, number: str) -> tuple[SmsRecord, ...]:
        """Both directions as that phone shows them, oldest first."""
        return tuple(self._handsets.get(number, ()))

    def handsets(self) -> dict[str, bool]:
        """Every handset that texted or was texted, the newest last, and whether a drill's texter has it."""
        return {number: any(text.drill for text in texts) for number, texts in self._handsets.items()}

    def copies(self) -> Iterator[SmsRecord]:
        """Every copy still held, oldest first."""
        return iter(self._copies.values())

    def copy(self, message_id: str) -> SmsRecord | None:
        """One copy, if it is still held."""
        return self._copies.get(message_id)

    def delete_copy(self, message_id: str) -> bool:
        """Delete the carrier's copy; the handset keeps its own. False when there was none."""
        deleted = self._copies.pop(message_id, None)
        if deleted is None:
            return False
        deleted.copy_held = False
        self._put(deleted)
        return True

    def inbound_copies(self, *, since: datetime, after: int, limit: int) -> tuple[SmsRecord, ...]:
        """List inbound copies at or after `since` and beyond the sequence `after`: the `limit` oldest, in order."""
        records = (t for t in self._copies.values() if t.direction == "in" and t.at >= since and t.sequence > after)
        return tuple(text for text, _ in zip(records, range(limit), strict=False))

    def _keep(
        self, direction: Direction, sender: str, recipient: str, text: str, media: tuple[Attachment, ...], drill: str
    ) -> SmsRecord:
        # Strictly ascending even when the clock is set back, so that a listing from a given time misses nothing.
        at = max(datetime.fromtimestamp(self._clock(), UTC), self._last + timedelta(microseconds=1))
        record = SmsRecord(
            id=secrets.token_hex(12),
            sequence=self._sequence + 1,
            direction=direction,
            sender=sender,
            recipient=recipient,
            text=text,
            media=media,
            at=at,
            segments=segments(text).count,
            status="queued" if direction == "in" else "sent",
            drill=drill,
        )
        self._put(record)
        self._insert(record)
        return record

    def _insert(self, record: SmsRecord) -> None:
        self._last, self._sequence = max(self._last, record.at), max(self._sequence, record.sequence)
        self._handsets.setdefault(record.sender if record.direction == "in" else record.recipient, []).append(record)
        if record.copy_held:
            self._copies[record.id] = record
