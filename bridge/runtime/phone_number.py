"""A texter's address, in a class that cannot be printed by accident.

Rule of this module: only :meth:`Phone.reveal` returns the clear form: to hash it, to seal it, to show it to the people of a
`!reveal`, and in a carrier adapter at the moment of sending.
"""

from __future__ import annotations

import re

E164_PATTERN = re.compile(r"\+[1-9][0-9]{6,14}")


class Phone:
    """An address on the carrier's side: E.164 (`+15555550100`), a short code (`22395`) or a sender name (`BANK`)."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @property
    def answerable(self) -> bool:
        """Whether a text can be sent back: only E.164 can be answered; short codes and names are shown, not answered."""
        return E164_PATTERN.fullmatch(self._value) is not None

    def reveal(self) -> str:
        """Return the address in the clear."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Phone) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Phone, self._value))

    def __repr__(self) -> str:
        return "Phone(…)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> str:
        raise TypeError("a Phone is not pickled")
