"""A telephone number as `decide` sees it: its kind, and never its digits.

Rule of this module: no digits; two numbers are compared by keyed digests, which the bridge makes and nobody can reverse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique


@unique
class NumberKind(Enum):
    """The kind of telephone number that a person typed in their office."""

    GOOD = "good"
    UNREADABLE = "unreadable"
    EMERGENCY = "emergency"
    SHORT = "short"
    FOREIGN = "foreign"
    SPECIAL = "special"
    OURS = "ours"
    TAKEN = "taken"
    BARRED = "barred"


@dataclass(frozen=True, slots=True, kw_only=True)
class DialledNumber:
    """A telephone number without its digits: what kind it is, and a keyed digest by which two of them are compared."""

    kind: NumberKind
    digest: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdOutreach:
    """A person in their office is about to text a phone first. `digest`: of the number that they typed once."""

    user: str
    until: float
    confirmed: bool = False
    digest: str = field(default="", repr=False)
