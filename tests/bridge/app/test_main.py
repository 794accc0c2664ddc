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
from bridge.engine.timers import SystemClockCorrected
from bridge.outbound import pager
from bridge.runtime import log
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


"""How a file must be open for each lock on NFS. Source: flock(2), "NFS details"."""


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
