"""`quietline report`: counts only, small cells hidden, nothing to work them out from."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.storage.database import Transaction
from deploy.backup.migrate import migrate
from deploy.cli.main import cli
from deploy.inspect import monthly_report
from tests.deploy.line_directory import line_directory
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import PostgresServer

CELLS = [
    ("2027-01", "en", "shelter", 12),
    ("2027-01", "en", "legal", 4),
    ("2027-01", "es", "shelter", 5),
    ("2027-01", "vi", "unmet_language", 1),
    ("2027-01", "en", "wait_under_2_min", 6),
    ("2027-01", "es", "wait_5_to_10_min", 3),
    ("2027-02", "en", "legal", 9),
    ("2027-02", "en", "wait_over_30_min", 2),
]


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """Make a line's directory with counters in its database."""
    bridge = tmp_path / "bridge"
    bridge.mkdir()
    harness = BridgeHarness(bridge)
    await harness.open()
    counted = "INSERT INTO tally (month, language, kind, number) VALUES ($1, $2, $3, $4)"

    async def commit(transaction: Transaction) -> None:
        for cell in CELLS:
            await transaction.execute(counted, *cell)

    await harness.database.commit(commit)
    await harness.close()
    return tmp_path


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["report", "--data", str(data), *arguments])


@pytest.mark.practice(21)
def test_small_cells_are_never_shown(data: Path) -> None:
    """A count below five is null, in text "fewer than 5"; no sum over cells or months stands anywhere."""
    report = json.loads(run(data, "--json").output)
    shown = {(m["month"], c["language"], c["kind"]): c["number"] for m in report["months"] for c in m["cells"]}
    assert shown == {(m, lang, kind): n if n >= 5 else None for m, lang, kind, n in CELLS}
    assert set(report["months"][0]) == {"month", "median_wait", "people", "cells"}
    assert report["months"][0]["people"] == "anonymous, unknowable"
    text = run(data).output
    assert "legal: fewer than 5" in text
    assert not {"17", "16", "21", "13"} & set(text.replace(":", " ").split()), "a sum"


@pytest.mark.parametrize(
    ("counts", "median"),
    [
        ({"wait_under_2_min": 7, "wait_over_30_min": 5}, "under 2 min"),
        ({"wait_under_2_min": 5, "wait_5_to_10_min": 9}, "5 to 10 min"),
        ({"wait_under_2_min": 4}, None),
        ({"wait_under_2_min": 5, "wait_2_to_5_min": 1, "wait_5_to_10_min": 7}, None),
        ({}, None),
    ],
)
def test_half_of_the_waits_are_told_as_a_step(counts: dict[str, int], median: str | None) -> None:
    """Of all languages together, and not beside a count that is hidden: what is shown would tell it."""
    cells = tuple(
        monthly_report.ReportCell(month="2027-01", language="en", kind=kind, number=n) for kind, n in counts.items()
    )
    assert monthly_report.ReportMonth(month="2027-01", cells=cells).median_wait == median


def test_pages_are_written_to_files(data: Path, tmp_path: Path) -> None:
    """`--html` and `--json FILE` write what only the owner reads, and nothing is printed but where it is."""
    page, twin = tmp_path / "report.html", tmp_path / "report.json"
    result = run(data, "--html", str(page), "--json", str(twin), "--language", "es")
    assert (result.exit_code, result.stdout) == (0, "")
    assert '<html lang="es">' in page.read_text(encoding="utf-8")
    assert twin.read_text(encoding="utf-8") == run(data, "--json").output
    assert [file.stat().st_mode & 0o777 for file in (page, twin)] == [0o600, 0o600]


def test_one_month_or_a_refusal(data: Path, tmp_path: Path) -> None:
    """`--month` chooses one; what is no month is a usage error; a directory without a line exits 2 with its path."""
    assert [m["month"] for m in json.loads(run(data, "--json", "--month", "2027-02").output)["months"]] == ["2027-02"]
    assert run(data, "--month", "2031-12").output == "Nothing was counted.\n"
    assert run(data, "--month", "2027-13").exit_code == 2
    nothing = run(tmp_path / "nowhere")
    assert (nothing.exit_code, f"{tmp_path / 'nowhere'}: there is no line" in nothing.output) == (2, True)


async def test_a_line_on_postgresql_is_named_by_its_directory(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """Its configuration in the directory says where the counters are, as for every other command."""
    async with line_directory(tmp_path) as line:
        await line.execute("INSERT INTO tally (month, language, kind, number) VALUES ($1, $2, $3, $4)", *CELLS[0])
        await line.harness.close()
        url_file = tmp_path / "database_url"
        url_file.touch(mode=0o600)
        url_file.write_text(await make_line_database(f"line_{secrets.token_hex(6)}", postgres_server.url("postgres")))
        with line.layout.config.open("a", encoding="utf-8") as config:
            config.write(f"\ndatabase: {{url_file: {url_file}}}\n")
        await migrate(line.config, "postgresql")
        result = await asyncio.to_thread(run, line.layout.data)
    assert (result.exit_code, "shelter: 12" in result.output) == (0, True)
