"""`quietline homeserver`: the line's own homeserver as one process, beside the bridge's."""

from __future__ import annotations

import http.client
import signal
import subprocess
from contextlib import closing
from pathlib import Path

from deploy.data_dir.layout import Layout
from tests.deploy.init.answers import answers, joined, run_init
from tests.deploy.processes import ROOT, eventually, is_running
from tests.e2e.polling import STEP_TIMEOUT
from tests.free_ports import free_ports


def command(line: Path, verb: str, base: int) -> list[str]:
    return [str(ROOT / "quietline"), verb, "--data", str(line), "--port-base", str(base)]


def is_healthy(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as there:
        try:
            there.request("GET", "/health")
            return there.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def test_it_runs_alone_makes_the_accounts_and_leaves_nothing_running(tmp_path: Path) -> None:
    """Healthy, with the accounts of the hand-outs; no `up` of the directory runs beside it; SIGTERM is 0."""
    assert run_init(tmp_path, answers(reviewed={"by": "Counsel", "on": "2027-01-15"})).exit_code == 0
    layout, base = Layout(tmp_path / "line"), free_ports()
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command(layout.data, "homeserver", base), stdout=out, stderr=out)
    try:
        eventually(lambda: "The homeserver is ready" in (tmp_path / "out").read_text(), seconds=4 * STEP_TIMEOUT)
        assert (is_healthy(base), layout.provisioned_file.is_file()) == (True, True)
        pid = int(layout.pid("homeserver").read_text())
        second = subprocess.run(command(layout.data, "up", base), capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert "stop it first" in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, (tmp_path / "out").read_text()
        eventually(lambda: not is_running(pid))
    finally:
        process.kill()
        process.wait()


def test_there_is_none_of_a_joined_line_or_of_no_line(tmp_path: Path) -> None:
    """The agency's own is not run here, and a directory without a line is not made one: 2, with what to do."""
    assert run_init(tmp_path, joined()).exit_code == 0
    for line, said in (
        (tmp_path / "line", "quietline bridge --data"),
        (tmp_path / "none", "`quietline init` makes a line"),
    ):
        process = subprocess.run(command(line, "homeserver", 20000), capture_output=True, text=True, check=False)
        assert (process.returncode, said in process.stderr) == (2, True), process.stderr
    assert not (tmp_path / "none").exists()


def test_a_server_that_comes_later_is_asked_again(tmp_path: Path) -> None:
    """Its PostgreSQL does not answer yet, as after a power cut: 1, so that it is started again, in a container too."""
    url = "postgresql://quietline:secret@127.0.0.1:9/x"
    assert run_init(tmp_path, answers(database={"homeserver_url": url})).exit_code == 0
    _, *words = command(tmp_path / "line", "homeserver", free_ports())
    process = subprocess.run(
        [str(ROOT / "quietline"), "stay", *words], capture_output=True, text=True, check=False, timeout=2 * STEP_TIMEOUT
    )
    assert (process.returncode, "does not answer" in process.stderr) == (1, True), process.stderr
