"""The doctor on a real line: planted faults, each found by its row; none on a line that is well; frozen parts."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from bridge.app import run_history
from bridge.app.run_history import RunHistory
from bridge.inbound.arrivals import HOUR, WEEK_HOURS, ArrivalHistory
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.tables import line_state
from bridge.tables.clock_trust import ClockSample, sample_clock
from deploy.data_dir.layout import Layout
from deploy.doctor import database_probes
from deploy.doctor import doctor as module
from deploy.doctor.doctor import ROWS, run_checks
from deploy.inspect import shared_checks
from tests.deploy.doctor.real_line import MIRA, NOOR, RealLine, real_line
from tests.deploy.init.answers import answers, run_init
from tests.free_ports import free_ports

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = 86_400.0

LISTED = """configuration, packs, on-call, vault key, keys, file modes, data directory, disk, port, bridge, restarts,
database, database lock, database server, leader, clock, backup, calendar, canary, vacuum, texts, audit, erasure, carrier
login, public address, certificate, silence, homeserver, homeserver version, homeserver database, homeserver module,
homeserver limits, homeserver settings, identities, desk, trust, staff devices, first passwords"""
"""Names that programs outside rely on: none of them is renamed or taken away."""
TWENTY = """file modes, disk, clock, homeserver, carrier login, public address, homeserver module, backup, port, packs,
database lock, restarts, keys, vault key, data directory, silence, homeserver limits, staff devices, desk, homeserver
version"""
"""Of these, the rows of the faults that programs outside plant themselves."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealLine]:
    async with real_line(tmp_path_factory.mktemp("doctor")) as shared_line:
        yield shared_line


NAMED = re.compile(r"`[^`]+`|/[a-z]|![a-z]+|[a-z]+\.(?:yaml|md|db)|[a-z0-9]+\.[a-z_]+")
"""What a person can type or open: a command, a path, something to say at the desk, a file, a key of the configuration."""

Plant = Callable[[RealLine, pytest.MonkeyPatch], contextlib.AbstractAsyncContextManager[float | None]]
"""Makes one fault for the length of a block. It may say how many seconds a question should have."""


@contextlib.asynccontextmanager
async def readable_by_others(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    database = line.config.data_dir / "main.db"
    database.chmod(0o644)
    yield
    database.chmod(0o600)


@contextlib.asynccontextmanager
async def no_space(_line: RealLine, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    with patch.context() as changed:
        changed.setattr(shared_checks, "MIN_FREE_BYTES", 2**62)
        yield


@contextlib.asynccontextmanager
async def clock_set_forward(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Have the bridge's last look at the clock be of before a person set it by three days."""
    now = sample_clock()
    before = ClockSample(now.wall - 3 * DAY, now.since_boot, now.boot_id)
    await line.put(line_state.CLOCK_SAMPLE, before.text(before.wall))
    yield
    await line.put(line_state.CLOCK_SAMPLE, now.text(now.wall))


@contextlib.asynccontextmanager
async def homeserver_dead(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    port = int(line.homeserver.url.rpartition(":")[2])
    await line.homeserver.stop()
    yield
    await line.homeserver.start(port)


@contextlib.asynccontextmanager
async def login_refused(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    before, line.vendor.login = line.vendor.login, "another"
    yield
    line.vendor.login = before


@contextlib.asynccontextmanager
async def another_public_address(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Have the carrier be told an address where another person answers."""
    before = line.config.listen.public_base_url
    line.configure(listen={"public_base_url": line.homeserver.url})
    yield
    line.configure(listen={"public_base_url": before})


@contextlib.asynccontextmanager
async def no_module(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    before, line.homeserver.health = line.homeserver.health, None
    yield
    line.homeserver.health = before


@contextlib.asynccontextmanager
async def old_backup(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    await line.put(line_state.LAST_BACKUP, str(time.time() - 20 * DAY))
    yield
    await line.put(line_state.LAST_BACKUP, str(time.time()))


@contextlib.asynccontextmanager
async def old_drill(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    await line.put(line_state.DRILLED, str(time.time() - 60 * DAY))
    yield
    await line.put(line_state.DRILLED, str(time.time()))


@contextlib.asynccontextmanager
async def port_of_a_stranger(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    before = line.config.listen.port
    line.configure(listen={"port": int(line.homeserver.url.rpartition(":")[2])})
    yield
    line.configure(listen={"port": before})


@contextlib.asynccontextmanager
async def broken_pack(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    pack = line.layout.data / "agency.yaml"
    before = pack.read_text()
    pack.write_text("texts: [")
    yield
    pack.write_text(before)


@contextlib.asynccontextmanager
async def locked_database(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[float]:
    other = SqliteConnection(line.config.data_dir / "main.db")
    other.execute("BEGIN IMMEDIATE")
    yield 6.0
    other.execute("ROLLBACK")
    other.close()


@contextlib.asynccontextmanager
async def killed_bridge(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Have the bridge be started once more without having been stopped."""
    await run_history.record_start(line.harness.database, time.time())
    yield
    await line.put(line_state.RUNS, RunHistory(first=time.time()).text())


@contextlib.asynccontextmanager
async def another_key(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    key = line.config.keys.suppression_key_file
    before = key.read_text()
    key.write_text("ab" * 32)
    yield
    key.write_text(before)


@contextlib.asynccontextmanager
async def no_vault_key(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    key = line.config.keys.vault_key_file
    away = key.rename(key.with_suffix(".away"))
    yield
    away.rename(key)


@contextlib.asynccontextmanager
async def read_only(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    line.config.data_dir.chmod(0o500)
    yield
    line.config.data_dir.chmod(0o700)


@contextlib.asynccontextmanager
async def silence(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Have texts come every few hours for weeks, and none for three days."""
    hour = int(time.time() // HOUR) - 72
    gaps = {hour // WEEK_HOURS - n: 9 + n for n in range(5)}
    await line.put(line_state.ARRIVALS, ArrivalHistory(last=hour, gaps=gaps).text())
    yield
    await line.put(line_state.ARRIVALS, ArrivalHistory(last=hour + 70, gaps=gaps).text())


@contextlib.asynccontextmanager
async def limited(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    health = line.homeserver.health
    assert health is not None
    health["limits"] = ["registration: without `rate_limited: false` the bridge waits, and texts with it"]
    yield
    health["limits"] = []


@contextlib.asynccontextmanager
async def signed_in_nowhere(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    line.homeserver.devices[NOOR] = []
    yield
    line.homeserver.devices[NOOR] = ["PHONE"]


@contextlib.asynccontextmanager
async def empty_desk(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    move = "UPDATE matrix_member SET membership = $1 WHERE user_id IN ($2, $3)"
    await line.execute(move, "leave", MIRA, NOOR)
    yield
    await line.execute(move, "join", MIRA, NOOR)


@contextlib.asynccontextmanager
async def a_text_that_does_not_leave(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    await line.execute(
        """INSERT INTO outbox (owner, lane, transport, kind, txn, body, created)
           VALUES ('desk', 'desk', 'matrix', 'SendMessage', 'stuck', X'00', $1)""",
        int(time.time() - 600),
    )
    yield
    await line.execute("DELETE FROM outbox WHERE txn = 'stuck'")


@contextlib.asynccontextmanager
async def old_synapse(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    before, line.homeserver.server = line.homeserver.server, "Synapse/1.140.0"
    yield
    line.homeserver.server = before


@contextlib.asynccontextmanager
async def homeserver_ahead(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Have its clock ahead by less than a minute, and by more than what the agency's pack holds words up for."""
    pack = line.layout.data / "agency.yaml"
    before = pack.read_text()
    settings = {**(yaml.safe_load(before).get("settings") or {}), "late_after_seconds": 30}
    pack.write_text(yaml.safe_dump({**yaml.safe_load(before), "settings": settings}))
    line.homeserver.ahead = 45.0
    yield
    line.homeserver.ahead = 0.0
    pack.write_text(before)


@contextlib.asynccontextmanager
async def a_way_that_refuses(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Have the last call have been accepted by another way than the webhook."""
    await line.put(line_state.PAGE_REFUSED, "webhook")
    yield
    await line.put(line_state.PAGE_REFUSED, "")


@contextlib.asynccontextmanager
async def canary_not_heard(line: RealLine, _patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    before, secret = line.layout.config.read_text(), line.layout.secrets / "canary"
    secret.write_text("cd" * 32)
    line.layout.config.write_text(f"{before}\ncanary:\n  secret_file: {secret}\n")
    await line.put(line_state.CANARY_OK, "0")
    await line.put(line_state.CANARY_STEP, "silent")
    yield
    line.layout.config.write_text(before)


@contextlib.asynccontextmanager
async def damaged_page(_line: RealLine, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    with patch.context() as changed:
        changed.setattr(database_probes, "find_damage", lambda _file: "page 7 is damaged")
        yield


FAULTS: dict[str, Plant] = {
    "database": damaged_page,
    "on-call": a_way_that_refuses,
    "canary": canary_not_heard,
    "file modes": readable_by_others,
    "disk": no_space,
    "clock": clock_set_forward,
    "homeserver": homeserver_dead,
    "carrier login": login_refused,
    "public address": another_public_address,
    "homeserver module": no_module,
    "backup": old_backup,
    "port": port_of_a_stranger,
    "packs": broken_pack,
    "database lock": locked_database,
    "restarts": killed_bridge,
    "keys": another_key,
    "vault key": no_vault_key,
    "data directory": read_only,
    "silence": silence,
    "homeserver limits": limited,
    "staff devices": signed_in_nowhere,
    "desk": empty_desk,
    "texts": a_text_that_does_not_leave,
    "homeserver version": old_synapse,
}
"""The fault of each row. Where an ordinary user cannot make it, as a full disk, it is the nearest that one can."""
ALONGSIDE = {
    # No text comes in by an address where another person answers.
    "public address": {"silence"},
    # Nobody can start such a line, and there is a row for what stops a start.
    "vault key": {"configuration"},
    # The bridge is asked where a stranger answers.
    "port": {"bridge"},
    # Without a supervisor at the desk nobody can confirm the others.
    "desk": {"trust"},
}
"""Rows that a fault makes not well as well, because they are right."""


async def test_nothing_is_wrong_with_a_line_that_is_well(line: RealLine) -> None:
    """Every row is there, each was asked, and none is a fault or a warning."""
    report = await line.doctor()
    assert [row.name for row in report.checks] == list(ROWS)
    assert [row for row in report.checks if not row.ok or row.warning or not row.asked] == []


@pytest.mark.parametrize(("name", "plant"), [*FAULTS.items(), ("backup", old_drill), ("clock", homeserver_ahead)])
async def test_each_fault_is_found_by_its_row(
    line: RealLine, name: str, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of its name is not well and names what to type or open; no other is, but those beside it; mended, all are."""
    async with plant(line, monkeypatch) as seconds:
        faults = await line.faults(seconds=seconds or 30.0)
    assert name in faults
    assert NAMED.search(faults[name].do), faults[name].do
    assert faults.keys() - {name} <= ALONGSIDE.get(name, set())
    assert await line.faults() == {}


def test_there_are_twenty_faults_or_more_and_their_names_stay() -> None:
    """The names of rows are those that programs outside know, and each fault has one; each of the twenty is planted."""
    assert set(" ".join(TWENTY.split()).split(", ")) <= FAULTS.keys()
    assert FAULTS.keys() <= set(ROWS)
    assert " ".join(LISTED.split()) == ", ".join(ROWS)


@pytest.mark.parametrize("part", ["homeserver", "bridge", "carrier login"])
async def test_a_frozen_part_delays_nothing(line: RealLine, part: str) -> None:
    """A part that takes requests and answers none: its row says so, and every row is there.

    All questions to it are open at once: were one put after another, there would be one.
    """
    line.homeserver.unanswered = 0
    if part == "homeserver":
        line.homeserver.frozen = True
    elif part == "bridge":
        line.role[0] = "frozen"
    else:
        line.vendor.frozen = True
    report = await line.doctor(seconds=5.0)
    line.homeserver.frozen, line.role[0], line.vendor.frozen = False, "leader", False
    rows = {row.name: row for row in report.checks}
    assert rows.keys() == set(ROWS)
    assert not rows[part].ok
    assert "no answer" in rows[part].what
    if part == "homeserver":
        assert line.homeserver.unanswered >= len(module.OF_THE_HOMESERVER) - 2
        assert [name for name in module.OF_THE_HOMESERVER if not rows[name].ok] == []


async def test_beside_a_stopped_line(tmp_path: Path) -> None:
    """Bridge and homeserver are missed; what is in files is told; what needs a running line is not held against it."""
    async with real_line(tmp_path) as line:
        await line.homeserver.stop()
        await line.bridge.cleanup()
        line.layout.bridge_file.unlink()
        faults = await line.faults()
        rows = {row.name: row for row in (await line.doctor()).checks}
    assert faults.keys() == {"bridge", "homeserver"}
    assert rows["port"].ok
    assert not rows["public address"].asked


async def test_nobody_listens_at_the_public_address(line: RealLine) -> None:
    """A dead proxy: no text can come in, which is told as silence too, before it lasts."""
    before = line.config.listen.public_base_url
    line.configure(listen={"public_base_url": f"http://127.0.0.1:{free_ports(1)}"})
    faults = await line.faults()
    line.configure(listen={"public_base_url": before})
    assert faults.keys() == {"public address", "silence"}


async def test_first_passwords_and_telephones_are_warnings(line: RealLine) -> None:
    """Who still has the password of a hand-out is named, as its file does; who has no telephone that rings is counted."""
    handout = (line.layout.handout / "noor.txt").read_text()
    line.homeserver.passwords[NOOR] = dict(entry.split(": ") for entry in handout.splitlines())["password"]
    line.homeserver.pushers[MIRA] = 0
    report = await line.doctor()
    line.homeserver.passwords[NOOR], line.homeserver.pushers[MIRA] = "changed long ago", 1
    rows = {row.name: row for row in report.checks}
    assert report.ok
    assert rows["first passwords"].warning
    assert NOOR in rows["first passwords"].what
    assert MIRA not in rows["first passwords"].what
    assert rows["staff devices"].warning
    assert rows["staff devices"].what.startswith("1 of 2 ")
    assert handout.splitlines()[2].partition(": ")[2] not in report.as_json()


async def test_a_homeserver_that_is_not_ours_tells_its_settings(line: RealLine, tmp_path: Path) -> None:
    """With `--config` and no homeserver of its own: settings that are in force, as warnings; no file of it is asked for."""
    config = tmp_path / "config.yaml"
    config.write_bytes(line.layout.config.read_bytes())
    (tmp_path / "agency.yaml").write_bytes((line.layout.data / "agency.yaml").read_bytes())
    joined = Layout(line.layout.bridge, config_file=config)
    assert line.homeserver.health is not None
    line.homeserver.health["settings"] = ["presence: who is online when is shown to others and kept"]
    report, usable = await run_checks(joined, seconds=30.0)
    line.homeserver.health["settings"] = []
    rows = {row.name: row for row in report.checks}
    assert usable
    assert rows.keys() == set(ROWS)
    assert rows["homeserver settings"].warning
    assert "presence" in rows["homeserver settings"].what
    assert [row.name for row in report.checks if not row.ok] == []


async def test_a_configuration_that_is_none(tmp_path: Path) -> None:
    """Its problem is a row, and so is every other; no line could be started."""
    (tmp_path / "config.yaml").write_text("lines: [")
    report, usable = await run_checks(Layout(tmp_path), seconds=30.0)
    rows = {row.name: row for row in report.checks}
    assert (usable, report.ok) == (False, False)
    assert rows.keys() == set(ROWS)
    assert "is not YAML" in rows["configuration"].what
    assert not rows["homeserver"].asked
    assert json.loads(report.as_json())["ok"] is False


async def test_before_the_first_start(tmp_path: Path) -> None:
    """A line of `init` has its own homeserver, and no administrator who could be asked; what is behind it waits for it."""
    assert run_init(tmp_path, answers()).exit_code == 0
    report, usable = await run_checks(Layout(tmp_path / "line"), seconds=30.0)
    rows = {row.name: row for row in report.checks}
    assert usable
    assert "Start the line" in rows["homeserver"].do
    for name in ("homeserver version", "homeserver module", "homeserver limits", "first passwords", "staff devices"):
        assert (rows[name].asked, rows[name].what) == (False, "cannot be judged now: see the row `homeserver`"), name
