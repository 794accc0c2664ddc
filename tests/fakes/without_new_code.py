"""Runs a program that may not make code while it runs, as a unit with `MemoryDenyWriteExecute=yes` does.

`python -m tests.fakes.without_new_code PROGRAM WORDS…`; what the program starts is held to it as well. Exit code 77 where
this kernel knows no such thing. Source: PR_SET_MDWE(2const), Linux 6.3; systemd.exec(5), MemoryDenyWriteExecute=.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from typing import Final

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
UNKNOWN: Final = 77


def main(words: list[str]) -> None:
    """Become the program. Does not return."""
    if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        sys.exit(UNKNOWN)
    os.execvp(words[0], words)  # noqa: S606 - no shell is wanted


def is_known() -> bool:
    """Whether this kernel can hold a program to it."""
    return subprocess.run((sys.executable, "-P", "-m", __name__, "true"), check=False).returncode == 0


if __name__ == "__main__":
    main(sys.argv[1:])
