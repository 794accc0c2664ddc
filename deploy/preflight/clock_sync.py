"""Whether the machine's clock is synchronised: the kernel is asked, and nothing is changed.

Rule of this module: no answer of the kernel, as in a unit that may not ask (`ProtectClock=yes`), is no fault.

Source: adjtimex(2): with `modes` 0 it only reads; `TIME_ERROR` means that the clock is not synchronised.
"""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path
from typing import Final

from deploy.inspect.check_report import CheckResult, warning, well

TIME_ERROR: Final = 5
STRUCTURE_BYTES: Final = 512
"""Bytes: more than the 208 of `struct timex`; its first member is `modes`."""
SYNCHRONISED: Final = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches it whenever it has set the clock (systemd-timesyncd.service(8))."""


def is_synchronised() -> bool | None:
    """Ask the kernel; None when it gives no answer."""
    with contextlib.suppress(PermissionError):  # on some machines the line's account may not read there
        if SYNCHRONISED.exists():
            return True
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(STRUCTURE_BYTES))
    except (AttributeError, OSError):
        return None
    return None if answer < 0 else answer != TIME_ERROR


def check_synchronisation() -> CheckResult:
    """Warn when the clock is not synchronised: it is right today, and minutes off in some months."""
    name, state = "clock", is_synchronised()
    if state is None:
        return well(name, "may be right; whether it is synchronised the kernel does not say here")
    if state:
        return well(name, "is synchronised")
    do = (
        "Have it synchronised (`timedatectl set-ntp true`, or chrony): signatures end after five minutes, and everything "
        "that is erased by its age goes by it."
    )
    return warning(name, "may be right today; nothing synchronises it", do)
