"""Starting, watching and ending real processes for the tests of this folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

import yaml

from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import write_line_files
from tests.e2e.polling import STEP_TIMEOUT

ROOT = Path(__file__).resolve().parent.parent.parent


def eventually(true: Callable[[], bool], seconds: float = STEP_TIMEOUT) -> None:
    """Wait until something is true, or fail."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not become true in time"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    return _state(pid) not in {"Z", "X"}


def _state(pid: int) -> str:
    """Return how a process stands, as proc(5) tells it; X when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the second where it ended between opening and reading
        return "X"


def read_ready_file(directory: Path) -> dict[str, Any]:
    """Read what `ready.json` says, once it is there."""
    path, words = directory / "run" / "ready.json", list[str]()

    def is_read() -> bool:
        with suppress(FileNotFoundError):
            words.append(path.read_text())
        return words != []

    eventually(is_read, 120)
    facts: dict[str, Any] = json.loads(words[0])
    return facts


def make_real_line(directory: Path, base: int, *, carrier: str) -> None:
    """Write a line that is no rehearsal, with a carrier of that address and a secret file for it."""
    layout = Layout(directory)
    write_line_files(layout, Ports(base))
    configuration = yaml.safe_load(layout.config.read_text(encoding="utf-8"))
    configuration["lines"][0] |= {
        "rehearsal": False,
        "packs": ["base"],
        "carrier": {
            "kind": "twilio",
            "account_sid": "AC00000000000000000000000000000000",
            "auth_token_file": str(layout.secrets / "carrier_token"),
            "api_base": carrier,
        },
    }
    layout.config.write_text(yaml.safe_dump(configuration), encoding="utf-8")


@contextmanager
def run_up(
    directory: Path,
    base: int,
    *behaviours: str,
    stderr: int = subprocess.PIPE,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[subprocess.Popen[str]]:
    """Run `up` with stand-ins; whatever is left of it is ended afterwards. `stderr`: a descriptor, else a pipe."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.deploy.fake_stack", str(directory), str(base), *behaviours],
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "TERM": "xterm",
            "PYTHONPATH": str(ROOT),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
        process.communicate()
