"""Chooses the number from which a texter is answered: the number of ours that they texted last.

Rule of this module: last means by the time of sending, not of arrival, because a listing or a late retry may bring an older
text. Number and time are sealed together, under the thread's key.
"""

from __future__ import annotations

from typing import Final

from bot.model.text_order import CLOCK_TOLERANCE, TextOrder, compare
from bot.model.thread import Moment
from bridge.storage.vault import CannotOpen, Vault

CONTEXT: Final = "number"


async def read(vault: Vault, owner: str, sealed: bytes | None) -> str:
    """Return the number that was texted last; empty if none is known. Raises `CannotOpen`."""
    return "" if sealed is None else (await vault.open(owner, CONTEXT, sealed)).decode().partition(" ")[0]


async def renew(
    vault: Vault, owner: str, sealed: bytes | None, number: str, new: Moment, *, now: float, has_others: bool
) -> bytes | None:
    """Seal the number that was texted, in E.164, and the time; return None if the stored value, `sealed`, must stay.

    It stays if its text is later, or if the line has only that number: then the time does not matter, and each text would
    write the thread's row a second time. `now` in seconds since the epoch. A stored value without a time, or with a time in
    the future because a clock was wrong, is replaced. Raises `CannotOpen`.
    """
    try:
        text = "" if sealed is None else (await vault.open(owner, CONTEXT, sealed)).decode()
    except CannotOpen:
        text = ""
    standing, _, stamp = text.partition(" ")
    if number == standing and not has_others:
        return None
    if stamp:
        at, _, by_carrier = stamp.partition(" ")
        old = Moment(at=float(at), from_carrier=by_carrier == "1")
        if old.at <= now + CLOCK_TOLERANCE and compare(new, old) is TextOrder.BEFORE:
            return None
    return await vault.seal(owner, CONTEXT, f"{number} {new.at!r} {int(new.from_carrier)}".encode())
