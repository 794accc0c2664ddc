"""`up` as a process: supervision, signals, locks and exit codes, with stand-ins for the children.

Rule: design.md, "Contracts with the outside".
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import write_line_files
from deploy.stack.readiness import BridgeReady
from deploy.stack.up import STOP_ORDER, LocalStack, children
from tests.deploy.processes import eventually, is_running, make_real_line, read_ready_file, run_up
from tests.e2e.polling import STEP_TIMEOUT
from tests.free_ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path


def test_ready_json_is_the_contract(tmp_path: Path) -> None:
    """`ready.json` has exactly the shape of the contract, is private, and names processes that run.

    Rule: design.md, "Contracts with the outside".
    """
    base = free_ports()
    with run_up(tmp_path, base):
        ready = read_ready_file(tmp_path)
        mode = stat.S_IMODE((tmp_path / "run" / "ready.json").stat().st_mode)
        assert mode == 0o600
        assert ready.keys() == {
            "homeserver",
            "server_name",
            "bridge",
            "carrier",
            "bot",
            "line",
            "accounts",
            "pids",
        }
        assert ready["line"] == {
            "slug": "main",
            "number": "+15555550100",
            "voice": "@line-main:quietline.localhost",
            "desk_room": "!desk",
        }
        assert [account.keys() for account in ready["accounts"]] == [{"user", "mxid", "password", "role"}]
        assert [ready[name] for name in ("homeserver", "bridge", "carrier")] == [
            f"http://127.0.0.1:{base + offset}" for offset in range(3)
        ]
        assert ready["pids"].keys() == {"up", "homeserver", "bridge", "carrier"}
        assert all(is_running(pid) for pid in ready["pids"].values())


def test_a_real_line_has_no_handsets(tmp_path: Path) -> None:
    """No rehearsal carrier runs, also on a taken port, nothing names one, and no password stands in `ready.json`."""
    base = free_ports()
    make_real_line(tmp_path, base, carrier="https://carrier.invalid")
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.1", base + 2))
        elsewhere.listen()
        with run_up(tmp_path, base) as process:
            ready = read_ready_file(tmp_path)
            assert (ready["carrier"], ready["accounts"], ready["pids"]["carrier"]) == (None, [], None)
            assert all(is_running(ready["pids"][name]) for name in ("up", "homeserver", "bridge"))
            process.send_signal(signal.SIGTERM)
            assert process.wait(STEP_TIMEOUT) == 0
            assert process.stdout is not None
            said = process.stdout.read()
    assert "Handsets" not in said
    assert "twilio" in said
    lives = [row.split()[0] for row in (tmp_path / "lives").read_text().splitlines()]
    assert sorted(lives) == ["bridge", "homeserver"]


@pytest.mark.crash
@pytest.mark.parametrize("name", ["homeserver", "bridge", "carrier"])
def test_a_killed_child_is_started_again_and_told(tmp_path: Path, name: str) -> None:
    """After kill -9 of any child a new one runs at once and `ready.json` names it; the others are left alone."""
    with run_up(tmp_path, free_ports()):
        before = read_ready_file(tmp_path)["pids"]
        os.kill(before[name], signal.SIGKILL)
        eventually(lambda: read_ready_file(tmp_path)["pids"][name] != before[name])
        after = read_ready_file(tmp_path)["pids"]
        assert is_running(after[name])
        assert {other: pid for other, pid in after.items() if other != name} == {
            other: pid for other, pid in before.items() if other != name
        }


@pytest.mark.crash
def test_killing_up_takes_everything_and_the_next_one_works(tmp_path: Path) -> None:
    """Kill -9 of `up` leaves no orphan, not even one that ignores SIGTERM, and a following `up` becomes ready.

    A copy of `ready.json` that was half-written at the kill goes as well: it holds passwords.
    """
    base = free_ports()
    with run_up(tmp_path, base, "carrier=stubborn") as process:
        pids = read_ready_file(tmp_path)["pids"]
        process.kill()
        process.wait(STEP_TIMEOUT)
        eventually(lambda: not any(is_running(pid) for pid in pids.values()))
    assert (tmp_path / "run" / "ready.json").is_file(), "nobody was left to remove it"
    (tmp_path / "run" / ".ready.json.0a1b2c3d").write_text('{"accounts": [{"password": "')
    with run_up(tmp_path, base) as process:
        eventually(lambda: read_ready_file(tmp_path)["pids"]["up"] == process.pid)
        assert [path.name for path in (tmp_path / "run").iterdir() if "ready" in path.name] == ["ready.json"]


@pytest.mark.crash
def test_a_full_disk_never_leaves_a_wrong_ready_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When `ready.json` cannot be written it is removed, the child is kept all the same, and it is written later."""
    layout = Layout(tmp_path)
    config = write_line_files(layout, Ports(20000))
    stack = LocalStack(layout=layout, ports=Ports(20000), config=config)
    stack.ready(BridgeReady(bot="@b:x", voice="@v:x", desk_room="!d", pid=1))
    assert layout.ready.exists()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("deploy.stack.up.write_atomically", full)
        stack.on_child_start("bridge", 4711)
        stack.write()
        assert not layout.ready.exists()
    stack.write()
    assert read_ready_file(tmp_path)["pids"]["bridge"] == 4711


def test_sigterm_stops_all_in_order(tmp_path: Path) -> None:
    """SIGTERM ends bridge, carrier, homeserver in this order, removes `ready.json`, and exits 0."""
    with run_up(tmp_path, free_ports()) as process:
        pids = read_ready_file(tmp_path)["pids"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(STEP_TIMEOUT) == 0
        assert (tmp_path / "order").read_text().split() == list(STOP_ORDER[1:]), (
            "a rehearsal has no canary, which would be the first"
        )
        assert not (tmp_path / "run" / "ready.json").exists()
        assert not any(is_running(pid) for pid in pids.values())


def test_a_child_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is killed after its bound, and the others still end in order."""
    with run_up(tmp_path, free_ports(), "bridge=stubborn") as process:
        pids = read_ready_file(tmp_path)["pids"]
        started_at = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(STEP_TIMEOUT) == 0
        assert time.monotonic() - started_at >= 1.0
        assert (tmp_path / "order").read_text().split() == ["carrier", "homeserver"]
        assert not is_running(pids["bridge"])


@pytest.mark.parametrize("take_over", [False, True])
def test_taking_over_is_said_by_a_person(tmp_path: Path, take_over: bool) -> None:
    """`up --take-over` reaches the bridge alone; without it no bridge is told so."""
    parts = children(Layout(tmp_path), take_over=take_over)
    assert {child.name for child in parts if "--take-over" in child.until_ready} == ({"bridge"} if take_over else set())
    assert not any("--take-over" in child.command for child in parts)


def test_a_second_up_exits_2(tmp_path: Path) -> None:
    """A second `up` on the same directory says so, exits 2, and the first one does not notice."""
    base = free_ports()
    with run_up(tmp_path, base):
        before = read_ready_file(tmp_path)
        with run_up(tmp_path, free_ports()) as second:
            assert second.wait(STEP_TIMEOUT) == 2
            assert second.stderr is not None
            assert "another `quietline up` runs on this directory" in second.stderr.read()
        assert read_ready_file(tmp_path) == before
        assert all(is_running(pid) for pid in before["pids"].values())


def test_taken_ports_are_named(tmp_path: Path) -> None:
    """When ports are in use `up` exits 2 and names every one of them and what it would be for."""
    base = free_ports()
    with socket.socket() as first, socket.socket() as second:
        for listener, offset in ((first, 0), (second, 2)):
            listener.bind(("127.0.0.1", base + offset))
            listener.listen()
        with run_up(tmp_path, base) as process:
            assert process.wait(STEP_TIMEOUT) == 2
            assert process.stderr is not None
            said = process.stderr.read()
    assert f"port {base} (homeserver)" in said
    assert f"port {base + 1}" not in said
    assert f"port {base + 2} (carrier)" in said


def test_a_bridge_that_refuses_ends_up_with_its_words(tmp_path: Path) -> None:
    """A bridge that exits 2 is not started again: `up` stops, shows its errors and exits 2."""
    with run_up(tmp_path, free_ports(), "bridge=refuses") as process:
        assert process.wait(STEP_TIMEOUT) == 2
        assert process.stderr is not None
        assert "lines.0.number: is not a number" in process.stderr.read()
    lives = [row.split()[0] for row in (tmp_path / "lives").read_text().splitlines()]
    assert lives.count("bridge") == 1


def test_systemd_hears_of_the_line_while_its_bridge_answers(tmp_path: Path) -> None:
    """Ready with `ready.json`, alive while the bridge answers, silent while it hangs, and a word when it stops."""
    said: list[str] = []

    def hear(word: str) -> bool:
        with suppress(BlockingIOError):
            while True:
                said.append(systemd.recv(1000).decode())
        return word in said

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address := str(tmp_path / "notify"))
        systemd.setblocking(False)
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "150000"}
        with run_up(tmp_path / "line", free_ports(), environment=environment) as process:
            pids = read_ready_file(tmp_path / "line")["pids"]
            eventually(lambda: hear("WATCHDOG=1"))
            assert said[0] == "READY=1"
            os.kill(pids["bridge"], signal.SIGSTOP)

            def silent() -> bool:
                hear("")
                before = len(said)
                time.sleep(0.5)  # ten times as long as between two words
                hear("")
                return before == len(said)

            eventually(silent)
            os.kill(pids["bridge"], signal.SIGCONT)
            said.clear()
            eventually(lambda: hear("WATCHDOG=1"))
            process.send_signal(signal.SIGTERM)
            eventually(lambda: hear("STOPPING=1"))
            assert process.wait(STEP_TIMEOUT) == 0
