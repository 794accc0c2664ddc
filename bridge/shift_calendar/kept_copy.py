"""The last good copy of the calendar, and how the calendar stands, in the table `line`.

Rules of this module: the copy names people, so it is sealed under the desk's key, which no backup has; it is the shifts of
the coming weeks and nothing else of the file. How the calendar stands is in clear, for `quietline doctor`: times alone.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self

from bot.model.actions import DESK
from bridge.storage.database import Reader, Transaction
from bridge.storage.vault import CannotOpen, Vault
from bridge.tables import line_state
from policies.pack import PersonShifts, Shifts

CONTEXT: Final = "calendar"
NO_WEEK: Final = ((),) * 7
NO_DATES: Final[Mapping[Any, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCopy:
    """What was read. `source`, `file`: what tells the source and its bytes from others; `odd` as in `CalendarShifts`."""

    source: str
    file: str
    odd: frozenset[str]
    read_at: float
    shifts: Shifts = field(repr=False)

    async def seal(self, vault: Vault) -> str:
        """Return it as the table keeps it. Raises `CannotOpen` where the desk has no key."""
        fields = {
            "source": self.source,
            "file": self.file,
            "odd": sorted(self.odd),
            "read_at": self.read_at,
            "timezone": self.shifts.timezone,
            "until": self.shifts.until,
            "people": [[person.who, person.spans] for person in self.shifts.people],
        }
        return base64.b64encode(await vault.seal(DESK, CONTEXT, json.dumps(fields).encode())).decode()

    @classmethod
    async def load(cls, reader: Reader, vault: Vault) -> Self | None:
        """Return the copy that is kept; None without one, and for one that this line did not write."""
        text = await line_state.get(reader, line_state.CALENDAR)
        if text is None:
            return None
        try:
            fields = json.loads(await vault.open(DESK, CONTEXT, base64.b64decode(text, validate=True)))
            people = tuple(
                PersonShifts(
                    who=str(who), week=NO_WEEK, dates=NO_DATES, spans=tuple((float(a), float(b)) for a, b in spans)
                )
                for who, spans in fields.pop("people")
            )
            shifts = Shifts(timezone=fields.pop("timezone"), until=float(fields.pop("until")), people=people)
            return cls(shifts=shifts, odd=frozenset(map(str, fields.pop("odd"))), **fields)
        except (CannotOpen, binascii.Error, ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarState:
    """How the calendar stands: when it was last read well, since when it cannot be used, and whether that was told.

    `source`: as in the copy, of what it is about.
    """

    source: str = ""
    read_at: float = 0.0
    failing_since: float = 0.0
    told: bool = False

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read what :meth:`text` wrote; nothing is a calendar that was never looked at."""
        return cls(**json.loads(text or "{}"))

    def text(self) -> str:
        """Return it as the table keeps it."""
        return json.dumps(asdict(self))


async def forget(transaction: Transaction) -> None:
    """Delete both: the line has no calendar of its own any more."""
    await line_state.delete(transaction, line_state.CALENDAR)
    await line_state.delete(transaction, line_state.CALENDAR_STATE)
