"""`doctor --alarm`: who is told what a look found, when, and of nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from bridge.outbound import pager
from bridge.storage.errors import Unavailable
from bridge.tables import line_state
from deploy.cli.main import cli
from deploy.data_dir import offline
from deploy.data_dir.handouts import Handout, handout_file
from deploy.doctor import doctor
from tests.deploy.doctor.real_line import NOOR, RealLine, real_line
from tests.deploy.verb import invoke

pytestmark = pytest.mark.asyncio(loop_scope="module")


DRILL = "quietline-drill.service"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealLine]:
    async with real_line(tmp_path_factory.mktemp("alarm")) as shared_line:
        yield shared_line


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no part that is well be called silent because the machine is busy."""
    monkeypatch.setattr(doctor.run_checks, "__kwdefaults__", {"seconds": 30.0})


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the person on call hears from this process."""
    heard: list[str] = []

    async def call(*_: Any) -> bool:
        heard.append(pager.MESSAGE)
        return True

    monkeypatch.setattr(pager, "call", call)
    return heard


async def look(line: RealLine, *words: str) -> Result:
    return await invoke(["doctor", "--data", str(line.layout.data), "--alarm", *words])


async def refuse(*_: Any) -> None:
    """Be a database that takes nothing."""
    raise Unavailable("SQLITE_FULL")


async def left(line: RealLine) -> list[str] | None:
    """Take what the running line would take."""
    value = await line_state.get(line.harness.database, line_state.CHECK_FOUND)
    await line.harness.database.commit(lambda transaction: line_state.delete(transaction, line_state.CHECK_FOUND))
    return None if value is None else list(json.loads(value))


async def fail(line: RealLine, *words: str) -> Result:
    """Run what systemd starts when a unit has failed: it names the unit in the environment."""
    words, environment = ("alarm", "failed", "--data", str(line.layout.data), *words), {"MONITOR_UNIT": DRILL}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, cli, words)


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """Return by which file each call from this process was made."""
    heard: list[Path | None] = []

    async def call(on_call: Any, *_: Any) -> bool:
        heard.append(on_call.webhook_file)
        return True

    monkeypatch.setattr(pager, "call", call)
    return heard


async def test_a_unit_that_failed_is_told(line: RealLine, calls: list[str]) -> None:
    """The desk of a running line hears which unit it was, with what another look left; nobody is called from here."""
    await line.put(line_state.CHECK_FOUND, json.dumps(["disk"]))
    assert (await fail(line)).exit_code == 0
    assert await left(line) == ["disk", "quietline-drill"]
    assert (await fail(line, "quietline-backup.service")).exit_code == 0
    assert (await left(line), calls) == (["quietline-backup"], [])


LINES: Final = """\
data_dir: {0}/bridge
cellar: deep
lines:
  - slug: south
    on_call: {{webhook_file: {0}/hook}}
"""


async def test_of_a_configuration_that_is_none_the_person_on_call_is_found(
    tmp_path: Path, hooks: list[Path | None]
) -> None:
    """Of several lines on a machine each has its own person on call: that of the dead line is called, once an hour."""
    for name in ("north", "south"):
        (tmp_path / name / "bridge").mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text(LINES.format(tmp_path / name))
    for _ in range(2):
        assert (await invoke(["alarm", "failed", "--data", str(tmp_path / "south")])).exit_code == 0
    assert hooks == [tmp_path / "south" / "hook"]
    assert [(tmp_path / name / "bridge" / pager.LAST_CALL).exists() for name in ("north", "south")] == [False, True]
    # The same by the file; the data directory's key is among what is missing.
    file = tmp_path / "north" / "config.yaml"
    file.write_text("".join(LINES.format(tmp_path / "north").splitlines(keepends=True)[1:]))
    for _ in range(2):
        assert (await invoke(["alarm", "failed", "--config", str(file)])).exit_code == 0
    assert hooks == [tmp_path / "south" / "hook", tmp_path / "north" / "hook"]


async def test_a_running_line_is_told_what_is_new(line: RealLine, calls: list[str]) -> None:
    """Names of rows once, an empty list when all is well again, else nothing; nobody is called from here."""
    database = line.config.data_dir / "main.db"
    assert ((await look(line)).exit_code, await left(line)) == (0, None)
    database.chmod(0o644)
    assert ((await look(line)).exit_code, await left(line)) == (1, ["file modes"])
    assert ((await look(line)).exit_code, await left(line)) == (0, None)
    database.chmod(0o600)
    assert ((await look(line)).exit_code, await left(line)) == (0, [])
    assert ((await look(line)).exit_code, await left(line)) == (0, None)
    assert calls == []


async def test_what_a_unit_prints_names_nobody(line: RealLine) -> None:
    """A person who asks reads who has the first password. No row that a unit prints does: nothing erases the journal."""
    line.layout.doctor_alarm.unlink(missing_ok=True)
    handout = Handout.read(handout_file(line.layout.handout, NOOR))
    line.homeserver.passwords[NOOR], before = handout.password, line.homeserver.passwords[NOOR]
    whole = await invoke(["doctor", "--data", str(line.layout.data)])
    text = await look(line)
    line.layout.doctor_alarm.unlink()
    rows = await look(line, "--json")
    line.homeserver.passwords[NOOR] = before
    assert NOOR in whole.output
    do = "`quietline doctor` says what was found, and what to do."
    assert text.output == f"!   first passwords: warning\n    {do}\n"
    assert json.loads(rows.output) == {
        "ok": True,
        "checks": [{"name": "first passwords", "ok": True, "what": "warning", "do": do, "warning": True}],
    }
    assert (await look(line)).output == "ok  first passwords: well\n"


async def test_of_a_configuration_that_is_none_a_look_has_the_person_on_call_called(
    tmp_path: Path, hooks: list[Path | None]
) -> None:
    """The line would not start again, and no desk can be told: the person on call is, once, and of a new fault again."""
    (tmp_path / "bridge").mkdir()
    (tmp_path / "config.yaml").write_text(LINES.format(tmp_path))
    words = ["doctor", "--data", str(tmp_path), "--alarm"]
    assert [(await invoke(words)).exit_code for _ in range(2)] == [2, 0]
    assert hooks == [tmp_path / "hook"]
    (tmp_path / "config.yaml").write_text(LINES.format(tmp_path) + "attic: high\n")
    assert [(await invoke(words)).exit_code for _ in range(2)] == [2, 0]
    assert hooks == [tmp_path / "hook"] * 2


async def test_a_line_that_takes_nothing_has_somebody_called(
    line: RealLine, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the database takes nothing, or the line does not run, the person on call is called from here, once."""
    database = line.config.data_dir / "main.db"
    database.chmod(0o644)
    with monkeypatch.context() as patch:
        patch.setattr(offline, "commit", refuse)
        assert (await look(line)).exit_code == 1
        assert (await look(line)).exit_code == 0
    assert calls == [pager.MESSAGE]
    database.chmod(0o600)
    await look(line)
    await left(line)
    await line.bridge.cleanup()
    assert (await look(line)).exit_code == 1
    assert await left(line) is None
    assert calls == [pager.MESSAGE] * 2
    # Something starts it again and again: it calls once an hour, as a bridge that cannot start does.
    assert [(await fail(line)).exit_code for _ in range(2)] == [0, 0]
    assert (calls, await left(line)) == ([pager.MESSAGE] * 3, None)


async def test_a_call_that_no_way_took_is_made_again(line: RealLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody heard stays news: the next look calls again, and the one after a call that was taken does not."""
    line.layout.doctor_alarm.unlink(missing_ok=True)
    answers = [False, True]

    async def call(*_: Any) -> bool:
        return answers.pop(0)

    monkeypatch.setattr(pager, "call", call)
    monkeypatch.setattr(offline, "commit", refuse)
    database = line.config.data_dir / "main.db"
    database.chmod(0o644)
    assert [(await look(line)).exit_code for _ in range(3)] == [1, 1, 0]
    assert answers == []
    database.chmod(0o600)
