"""Runs a program that may not generate code at run time, as a unit with `MemoryDenyWriteExecute=yes` does.

`python -m tests.fakes.without_new_code PROGRAM WORDS…`; child processes of the program are restricted as well. Exit code 77
if the kernel does not support this. Source: PR_SET_MDWE(2const), Linux 6.3; systemd.exec(5), MemoryDenyWriteExecute=.
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
    """Restrict this process and execute the program in it. Does not return."""
    if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        sys.exit(UNKNOWN)
    os.execvp(words[0], words)  # noqa: S606 - no shell is wanted


def is_known() -> bool:
    """Whether this kernel supports the restriction."""
    return subprocess.run((sys.executable, "-P", "-m", __name__, "true"), check=False).returncode == 0


if __name__ == "__main__":
    main(sys.argv[1:])
