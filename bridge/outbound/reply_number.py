"""From which number of ours a person is answered: the one that they texted last.

Rule of this module: it is by when a text was texted, not by when it came, for a listing or a late retry may bring an older
one. With the number the moment is sealed, under the thread's key.
"""

from __future__ import annotations

from typing import Final

from bot.model.text_order import CLOCK_TOLERANCE, TextOrder, compare
from bot.model.thread import Moment
from bridge.storage.vault import CannotOpen, Vault

CONTEXT: Final = "number"


async def seal(vault: Vault, owner: str, number: str, at: Moment) -> bytes:
    """Seal the number that was texted, in E.164, and when. Raises `CannotOpen`."""
    return await vault.seal(owner, CONTEXT, f"{number} {at.at!r} {int(at.from_carrier)}".encode())


async def read(vault: Vault, owner: str, sealed: bytes | None) -> str:
    """Return the number that was texted last; empty where none is known. Raises `CannotOpen`."""
    return "" if sealed is None else (await vault.open(owner, CONTEXT, sealed)).decode().partition(" ")[0]


async def is_older(vault: Vault, owner: str, sealed: bytes | None, new: Moment, *, now: float) -> bool:
    """Tell whether what has come was texted before what stands. `now` in seconds since the epoch.

    What stands without a moment, or with one that has not come yet because a clock was wrong, is no reason to say so.
    """
    try:
        told = "" if sealed is None else (await vault.open(owner, CONTEXT, sealed)).decode()
    except CannotOpen:
        return False
    _, _, stamp = told.partition(" ")
    if not stamp:
        return False
    at, _, by_carrier = stamp.partition(" ")
    old = Moment(at=float(at), from_carrier=by_carrier == "1")
    return old.at <= now + CLOCK_TOLERANCE and compare(new, old) is TextOrder.BEFORE
