"""Why a run of the bridge ends, and what the process does then."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.app import main
from bridge.app.bridge import Bridge, HandoverRequested
from bridge.config.load import ConfigError
from bridge.engine.timers import SystemClockCorrected
from bridge.outbound import pager
from bridge.runtime import log, program
from bridge.runtime.crash_points import never_crash
from deploy.cli.main import cli
from tests.bridge.papers import Papers
from tests.free_ports import free_ports


@pytest.mark.parametrize(
    ("raised", "reason"),
    [(SystemClockCorrected, main._EndReason.CLOCK_SET_RIGHT), (HandoverRequested, main._EndReason.HANDED_OVER)],
)
async def test_a_run_says_why_it_ended(
    raised: type[Exception], reason: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is right now ends a run in order, like a wish that another lead; neither is a failure."""

    async def run() -> None:
        raise raised

    async def opened(**_parts: Any) -> Any:
        return SimpleNamespace(run=run)

    monkeypatch.setattr(Bridge, "open", opened)
    # The process of the tests has settings of its own for these.
    monkeypatch.setattr(main, "gc", SimpleNamespace(collect=int, freeze=int, unfreeze=int))
    monkeypatch.setattr(main, "sys", SimpleNamespace(setswitchinterval=float))
    config: Any = SimpleNamespace(database_url=None)
    pack: Any = None
    assert await main._run_until_stopped(config, pack, never_crash, tmp_path, take_over=False, handed_over=False) is reason


def test_the_process_begins_again_to_go_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not leave the lead to another for that, and what a person said once (`--take-over`) is not said again."""
    ends = [main._EndReason.CLOCK_SET_RIGHT, main._EndReason.HANDED_OVER, main._EndReason.STOPPED]
    options: list[tuple[bool, bool]] = []

    async def run(*_parts: Any, take_over: bool, handed_over: bool) -> Any:
        options.append((take_over, handed_over))
        return ends[len(options) - 1]

    _start_with(monkeypatch, SimpleNamespace(log_level="INFO", data_dir=tmp_path, database=None), run)
    assert main.main(tmp_path / "config.yaml", take_over=True) == main.EXIT_OK
    assert options == [(True, False), (False, False), (False, True)]


def _start_with(monkeypatch: pytest.MonkeyPatch, config: Any, run: Callable[..., Any]) -> None:
    """Have `main` read this configuration, and run this in place of a bridge."""
    monkeypatch.setattr(main, "load", lambda _path: config)
    monkeypatch.setattr(main, "_listening_at", lambda config, _listen: config)
    monkeypatch.setattr(main, "load_packs", lambda _config, file: file)
    monkeypatch.setattr(main, "line_directory", lambda _path, directory: directory)
    monkeypatch.setattr(log, "configure", lambda _level: None)
    monkeypatch.setattr(os, "umask", lambda _mask: 0)
    monkeypatch.setattr(main, "_run_until_stopped", run)


def test_the_version_is_that_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade replaces the files while it runs: what it notes later, as when it leads once more, is its own version."""
    monkeypatch.setattr(main, "load", _refuse_to_load)
    before = program.own_version()
    program.own_version.cache_clear()
    assert main.main(tmp_path / "config.yaml") == main.EXIT_USAGE
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "99.1"\n')
    monkeypatch.setattr(program, "ROOT", tmp_path)
    assert program.own_version() == before != "99.1"


def _refuse_to_load(_path: Path) -> None:
    raise ConfigError(["no configuration"])


SPOILT: dict[str, Callable[[Papers], object]] = {
    "unknown key": lambda papers: papers.raw.update(cellar="deep"),
    "no data directory": lambda papers: papers.raw.pop("data_dir"),
    "data directory that is missing": lambda papers: papers.raw.update(cellar="deep", data_dir="/nowhere/line"),
    "data directory that no system has": lambda papers: papers.raw.update(cellar="deep", data_dir="line\0two"),
    "secret": lambda papers: papers.write("as_token", "", 0o600),
    "pack": lambda papers: papers.line["packs"].append("missing.yaml"),
}


@pytest.fixture
def papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Papers:
    """Make a line with somebody on call."""
    papers = Papers(tmp_path)
    (tmp_path / "bridge").mkdir()
    papers.write("hook", "http://127.0.0.1:9/call")
    papers.line["on_call"] = {"webhook_file": papers.file("hook")}
    monkeypatch.setattr(log, "configure", lambda _level: None)
    return papers


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """Collect by which file each call was made."""
    heard: list[Path | None] = []

    async def call(on_call: Any, *_: object, **__: object) -> AsyncIterator[tuple[str, bool]]:
        heard.append(on_call.webhook_file)
        yield "webhook", True

    monkeypatch.setattr(pager, "_calls", call)
    return heard


@pytest.mark.parametrize("how", SPOILT)
def test_a_start_that_its_configuration_refuses_calls(
    papers: Papers, calls: list[Path | None], capfd: pytest.CaptureFixture[str], how: str
) -> None:
    """The line is dead until a person mends the file: who is on call hears of it, once an hour, and the log says why."""
    SPOILT[how](papers)
    assert [main.main(papers.save()) for _ in range(2)] == [main.EXIT_USAGE] * 2
    assert calls == [papers.directory / "hook"]
    assert capfd.readouterr().err.count("\n") == 2


def test_a_refused_start_beside_a_bridge_that_runs_calls_nobody(papers: Papers, calls: list[Path | None]) -> None:
    """The line is not dead: a person tries a configuration by hand."""
    papers.raw["cellar"] = "deep"
    with (papers.directory / "bridge" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main.main(papers.save()) == main.EXIT_USAGE
    assert calls == []
    assert main.main(papers.save()) == main.EXIT_USAGE
    assert calls != []


def test_a_refused_standby_calls(papers: Papers, calls: list[Path | None]) -> None:
    """Another bridge leads; once it does not, nobody is there to take its place, and nobody left to call for that."""
    papers.raw["cellar"] = "deep"
    with (papers.directory / "bridge" / "lock").open("w+") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert main.main(papers.save()) == main.EXIT_USAGE
    assert calls == [papers.directory / "hook"]


LOCK_MODES = {fcntl.LOCK_SH: (os.O_RDONLY, os.O_RDWR), fcntl.LOCK_EX: (os.O_WRONLY, os.O_RDWR)}
"""How a file must be open for each lock on NFS. Source: flock(2), "NFS details"."""


@pytest.mark.parametrize("with_database", [True, False])
def test_the_directory_may_be_on_nfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_database: bool) -> None:
    """There a shared lock needs a file that is open for reading, and an exclusive one a file that is open for writing."""

    def lock_as_nfs_does(file: Any, kind: int) -> None:
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE not in LOCK_MODES[kind & ~fcntl.LOCK_NB]:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    async def run(*_parts: Any, **_options: Any) -> Any:
        return main._EndReason.STOPPED

    _start_with(monkeypatch, SimpleNamespace(log_level="INFO", data_dir=tmp_path, database=with_database or None), run)
    monkeypatch.setattr(fcntl, "flock", lock_as_nfs_does)
    assert main.main(tmp_path / "config.yaml") == main.EXIT_OK
    assert not main._is_locked(tmp_path / "lock")


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The bridge does not run unlocked, and says what is wrong in place of a traceback."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    _start_with(monkeypatch, SimpleNamespace(log_level="INFO", data_dir=tmp_path, database=None), refuse)
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert main.main(tmp_path / "config.yaml") == main.EXIT_PROBLEMS
    assert "cannot be locked (No locks available); it needs a file system with locks" in capfd.readouterr().err


def test_a_wrong_address_in_the_command_calls_nobody(
    papers: Papers, calls: list[Path | None], capfd: pytest.CaptureFixture[str]
) -> None:
    """A person has just typed it; the file of the line is well."""
    assert main.main(papers.save(), listen={"listen": "nope"}) == main.EXIT_USAGE
    assert capfd.readouterr().err.startswith("--listen, --metrics-listen: ")
    assert calls == []


def test_a_refused_start_that_can_call_nobody_says_so(
    papers: Papers, calls: list[Path | None], capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the file does not say who is called, it is said what to put right."""
    papers.line["on_call"]["webhok_file"] = papers.line["on_call"].pop("webhook_file")
    assert main.main(papers.save()) == main.EXIT_USAGE
    said = capfd.readouterr().err
    assert said.count("lines.0.on_call.webhok_file: unknown key") == 1
    assert "nobody was called: put lines.0.on_call right" in said
    assert calls == []


def test_up_calls_too_when_the_configuration_is_refused(
    papers: Papers, calls: list[Path | None], capfd: pytest.CaptureFixture[str]
) -> None:
    """`up` starts no bridge then, so it calls itself; by the directory's own file."""
    papers.line["unknown"] = 1
    papers.save()
    with pytest.raises(SystemExit) as ended:
        cli.main(["up", "--data", str(papers.directory), "--port-base", str(free_ports())], standalone_mode=False)
    assert ended.value.code == main.EXIT_USAGE
    assert "lines.0.unknown: unknown key" in capfd.readouterr().err
    assert calls == [papers.directory / "hook"]
