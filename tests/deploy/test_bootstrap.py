"""The launcher and what it makes `.venv` with: real shells, real environments, empty lock files.

Rule: design.md, "Contracts with the outside".
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy import bootstrap
from tests.deploy.processes import ROOT, eventually, is_running
from tests.e2e.polling import STEP_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

ECHO = "import os, sys\nprint(os.getcwd(), sys.prefix, os.environ['PYTHONPATH'], *sys.argv[1:])\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a project of nothing but the launcher, with lock files that name no package and a `deploy` that only speaks."""
    project = tmp_path / "the project"
    (project / "deploy" / "requirements").mkdir(parents=True)
    # What the distribution has is of this test's making too.
    (project / "quietline").write_text((ROOT / "quietline").read_text().replace("/usr/bin/", f"{tmp_path}/distribution/"))
    shutil.copymode(ROOT / "quietline", project / "quietline")
    shutil.copy(ROOT / "deploy" / "bootstrap.py", project / "deploy")
    (project / "deploy" / "__init__.py").touch()
    (project / "deploy" / "__main__.py").write_text(ECHO)
    for name in ("runtime", "test", "strict", "element"):
        (project / "deploy" / "requirements" / f"{name}.txt").write_text("# nothing\n")
    return project


def path_with(directory: Path, **scripts: str) -> str:
    """Make a directory for PATH that holds these commands and nothing else."""
    directory.mkdir()
    for name, script in scripts.items():
        file = directory / name.replace("_", ".")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    return str(directory)


REAL = f'exec "{sys.executable}" "$@"'
QUICK = """\
case "$*" in
    *"-m venv"*) /bin/mkdir -p "{venv}/bin"; /bin/cp "$0" "{venv}/bin/python"
        while [ -e "{hold}" ]; do /bin/sleep 0.05; done ;;
    *"pip install"* | *"pip --version"*) ;;
    *) exec "{real}" "$@" ;;
esac"""
"""A Python that makes an environment of itself, in which pip has nothing to do: a real one takes seconds of CPU.

One test makes a real one (`test_it_makes_what_is_needed_once_and_from_anywhere`).
"""


def made_by(root: Path, directory: Path, script: str) -> None:
    """Have environments made by a script, in place of the Python that runs the bootstrap."""
    path_with(directory, python=script)
    file = root / "deploy" / "bootstrap.py"
    file.write_text(file.read_text().replace("sys.executable, ", f"'{directory}/python', ", 1))


def quick(root: Path, tmp_path: Path) -> Path:
    """Have environments made quickly; not before the file that is returned is gone, where a test makes it."""
    hold = tmp_path / "hold"
    made_by(root, tmp_path / "quick", QUICK.format(venv=root / ".venv", hold=hold, real=sys.executable))
    return hold


def launch(launcher: Path, path: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        [str(launcher), *arguments],
        env=environment,
        cwd=cwd or launcher.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_a_python_it_says_so(root: Path, tmp_path: Path) -> None:
    """With no Python to be found: one sentence, exit code 2, and nothing is made."""
    process = launch(root / "quietline", str(tmp_path / "nothing"), "--version")
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1
    assert "needs Python 3.11, 3.12, 3.13 or 3.14" in process.stderr
    assert not (root / ".venv").exists()


def test_a_python_that_cannot_is_passed_over(root: Path, tmp_path: Path) -> None:
    """One that does not start, one that is too old and one without venv are passed over; without another: exit 2."""
    old = 'case "$*" in *version_info*) exit 1;; *) echo used >&2; exit 99;; esac'
    # Makes an environment when asked to, but one in which there is no pip.
    bare = f'case "$*" in *"-m venv"*) exit 1;; esac\n{REAL}'
    path = path_with(tmp_path / "bin", python3_11="exit 127", python3_12=old, python3_13=bare)
    bootstrap_as = root / "deploy" / "bootstrap.py"
    text = bootstrap_as.read_text()
    made_by(root, tmp_path / "bare", bare)
    process = launch(root / "quietline", path, "--version")
    assert process.returncode == 2
    assert "cannot make an environment with pip" in process.stderr
    assert "used" not in process.stderr
    bootstrap_as.write_text(text)
    quick(root, tmp_path)
    path_with(tmp_path / "more", python3=REAL)
    process = launch(root / "quietline", f"{path}:{tmp_path}/more", "--version")
    assert process.returncode == 0, process.stderr


def test_it_makes_what_is_needed_once_and_from_anywhere(root: Path, tmp_path: Path) -> None:
    """A first run makes `.venv` and says so; later ones are silent; a link to it and any directory will do."""
    path = path_with(tmp_path / "bin", python3=REAL) + ":/usr/bin:/bin"
    first = launch(root / "quietline", path, "up", "--data", "some where", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{tmp_path} {root}/.venv {root} up --data some where\n"
    assert "first run here" in first.stderr
    link = tmp_path / "elsewhere" / "ql"
    link.parent.mkdir()
    link.symlink_to(os.path.relpath(root / "quietline", link.parent))
    second = launch(link, path, "--version", cwd=Path("/"))
    assert (second.stdout, second.stderr) == (f"/ {root}/.venv {root} --version\n", "")
    # A changed lock file is installed; the environment stays.
    before = (root / ".venv" / "pyvenv.cfg").stat().st_ino
    (root / "deploy" / "requirements" / "runtime.txt").write_text("# still nothing\n")
    third = launch(root / "quietline", path, "--version")
    assert "what runtime.txt names" in third.stderr
    assert "first run" not in third.stderr
    assert (root / ".venv" / "pyvenv.cfg").stat().st_ino == before
    fourth = launch(root / "quietline", path, "test")
    assert "what test.txt names" in fourth.stderr
    assert "what strict.txt names" in fourth.stderr
    assert "what runtime.txt names" not in fourth.stderr


@pytest.mark.crash
def test_two_at_once_and_a_kill_in_the_middle(root: Path, tmp_path: Path) -> None:
    """A build killed with -9 is done again; of two that wait for the same turn one builds and the other finds it built."""
    path = path_with(tmp_path / "bin", python3=REAL) + ":/usr/bin:/bin"
    notes, hold = root / ".venv" / "quietline.json", quick(root, tmp_path)
    hold.touch()
    with subprocess.Popen(
        [str(root / "quietline"), "--version"],
        env={"PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        eventually(lambda: notes.is_file() and (root / ".venv" / "bin").is_dir())
        os.killpg(process.pid, signal.SIGKILL)
    assert json.loads(notes.read_text())["making"] == "environment"
    hold.unlink()
    # Held until both have found it held: nobody is late, and the one that was killed has ended, however long that took.
    lock = os.open(root, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    two = [
        subprocess.Popen([str(root / "quietline"), "--version"], env={"PATH": path}, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for one in two:
        assert one.stderr is not None
        assert "waiting for it" in one.stderr.readline()
    os.close(lock)
    said = [one.communicate(timeout=120)[1] for one in two]
    assert [one.returncode for one in two] == [0, 0]
    assert sum("first run here" in text for text in said) == 1
    assert json.loads(notes.read_text())["making"] is None


SLOW = """\
case "$*" in
    *"-m venv"*) mkdir -p "{venv}/bin"; cp "$0" "{venv}/bin/python" ;;
    *"pip install"*) echo $$ > "{pip}"; trap '{term}' TERM; while :; do sleep 0.05; done ;;
    *bootstrap.py*) echo $$ > "{boot}"; exec "{real}" "$@" ;;
    *"pip --version"*) ;;
    *) exec "{real}" "$@" ;;
esac"""


@pytest.mark.crash
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("stubborn", [False, True])
def test_a_signal_to_the_launcher_ends_the_build(
    root: Path, tmp_path: Path, number: signal.Signals, stubborn: bool
) -> None:
    """A signal to the launcher alone ends the builder and what it runs, then the launcher, by that signal."""
    pip, boot = tmp_path / "pip.pid", tmp_path / "boot.pid"
    bootstrap_as = root / "deploy" / "bootstrap.py"
    text = bootstrap_as.read_text()
    bootstrap_as.write_text(text.replace("STOP_TIMEOUT_SECONDS: Final = 5.0", "STOP_TIMEOUT_SECONDS: Final = 0.2"))
    script = SLOW.format(term=":" if stubborn else "exit 143", pip=pip, boot=boot, venv=root / ".venv", real=sys.executable)
    # The environment's own Python is this script too, and so is what makes the environment.
    made_by(root, tmp_path / "slow", script)
    path = path_with(tmp_path / "bin", python3_11=script) + ":/usr/bin:/bin"
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen([str(root / "quietline"), "--version"], env={"PATH": path}, stderr=said)
    eventually(lambda: pip.is_file() and pip.read_text().endswith("\n"))
    process.send_signal(number)
    code = process.wait(STEP_TIMEOUT)
    pids = [pid for pid in (int(file.read_text()) for file in (pip, boot)) if is_running(pid)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert pids == []
    assert code == -number
    assert "interrupted; the next run takes it from here" in (tmp_path / "said").read_text()
    assert json.loads((root / ".venv" / "quietline.json").read_text())["making"] == "runtime"


LOCKED = """\
def wait(self, timeout=None):
        if self._waitpid_lock.acquire(False):
            print(self.pid, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
        return super().wait(timeout)
"""


class FakePip:
    """Instead of running commands: makes what they would make, and fails or is killed where the test says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: list[str] = []
        self.npm: list[str] = []
        self.stop: Callable[[str], int] = lambda _: 0

    def __call__(self, command: list[str], *, quiet: bool = False) -> int:
        what = Path(command[-1]).name if "install" in command else "venv" if "venv" in command else "look"
        what = "npm" if "ci" in command else what
        code = self.stop(what)
        if what == "venv" and code == 0:
            (self.root / ".venv" / "bin").mkdir()
            (self.root / ".venv" / "bin" / "python").touch(0o755)
            (self.root / ".venv" / "pyvenv.cfg").touch()
        self.npm = command if what == "npm" else self.npm
        self.ran.append(what)
        return code


@pytest.fixture
def pip(root: Path, monkeypatch: pytest.MonkeyPatch) -> FakePip:
    fake = FakePip(root)
    monkeypatch.setattr(bootstrap, "run", fake)
    return fake


def raise_at(step: str) -> Callable[[str], int]:
    """Be killed at a step."""

    def stop(what: str) -> int:
        if what == step:
            raise KeyboardInterrupt
        return 0

    return stop


STEPS = ("venv", "runtime.txt", "test.txt", "strict.txt", "element.txt", "npm")


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_step_is_done_again(root: Path, pip: FakePip, step: str) -> None:
    """Wherever a build is cut off, the next run repeats that step and what follows, and nothing before it."""
    lock_npm(root)
    pip.stop = raise_at(step)
    assert bootstrap.main(["make", "test"], root=root) == 1
    assert bootstrap.main(["check", "test"], root=root) == 1
    half = root / ".venv" / "lib" / "python3.11" / "site-packages" / "half.dist-info"
    half.mkdir(parents=True)
    pip.stop, pip.ran = (lambda _: 0), []
    assert bootstrap.main(["make", "test"], root=root) == 0
    # npm is run by the Python package that brings it, so that the two are one step.
    again = STEPS.index("element.txt" if step == "npm" else step)
    assert [what for what in pip.ran if what != "look"] == list(STEPS[again:])
    assert not half.exists(), "pip would take this package for installed"
    assert bootstrap.main(["check", "test"], root=root) == 0
    assert bootstrap.main(["check", "run"], root=root) == 0


def test_a_failed_installation_is_not_well(root: Path, pip: FakePip) -> None:
    """When pip fails the run ends with 1 and the next one tries again."""
    pip.stop = lambda what: 1 if what == "runtime.txt" else 0
    assert bootstrap.main(["make", "run"], root=root) == 1
    assert bootstrap.main(["check", "run"], root=root) == 1


def lock_npm(root: Path, text: str = "{}") -> None:
    """Give the project packages of npm for its tests."""
    folder = root / "deploy" / "requirements" / "element"
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text("{}")
    (folder / "package-lock.json").write_text(text)


def test_packages_of_npm_are_installed_as_locked(root: Path, pip: FakePip) -> None:
    """They are copied into the environment, installed without running their scripts, and again when the lock changes."""
    lock_npm(root)
    assert bootstrap.main(["make", "test"], root=root) == 0
    folder = root / ".venv" / "element"
    assert (folder / "package-lock.json").read_text() == "{}"
    assert bootstrap.main(["check", "test"], root=root) == 0
    lock_npm(root, '{"changed": true}')
    assert bootstrap.main(["check", "run"], root=root) == 0
    assert bootstrap.main(["check", "test"], root=root) == 1
    pip.ran = []
    assert bootstrap.main(["make", "test"], root=root) == 0
    assert [what for what in pip.ran if what != "look"] == ["element.txt", "npm"]
    assert (folder / "package-lock.json").read_text() == '{"changed": true}'
    assert "--ignore-scripts" in pip.npm
