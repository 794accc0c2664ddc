"""The line's PostgreSQL, asked before a start: what is wrong with it is told by `quietline check`, and nothing is made."""

from __future__ import annotations

from pathlib import Path

from bridge.config.load import load
from deploy.data_dir.layout import Layout
from deploy.inspect.check_report import CheckResult
from deploy.preflight.database_check import check_server_database
from deploy.preflight.preflight import run_checks
from tests.deploy.preflight.test_preflight import rehearsal
from tests.fakes.postgres_server import PASSWORD, SUPERUSER, PostgresServer


async def test_everything_that_would_end_a_start_is_said_before(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """Nobody there, password, no such database, encoding, order of text, rights; then a good one, in which nothing is."""
    layout = rehearsal(tmp_path)
    file = tmp_path / "url"
    file.touch(mode=0o600)
    with layout.config.open("a", encoding="utf-8") as config:
        config.write(f"\ndatabase: {{url_file: {file}}}\n")
    make = postgres_server.make_database
    urls = {"well": make("check_well"), "rights": make("check_rights", owner=SUPERUSER)}
    urls["encoding"] = make("check_encoding", "ENCODING 'SQL_ASCII'", "LC_COLLATE 'C'", "LC_CTYPE 'C'")
    urls["order"] = make("check_order", "ENCODING 'UTF8'", "LOCALE_PROVIDER icu", "ICU_LOCALE 'de'", "LOCALE 'C'")
    said = {
        "postgresql://quietline:no%20secret@127.0.0.1:1/line": "does not answer",
        postgres_server.url("check_well", password="wrong"): "refuses this user or password",
        postgres_server.url("nowhere"): "no database of that name",
        urls["encoding"]: "encoding is not UTF-8",
        urls["order"]: "orders text by a language",
        urls["rights"]: "may not make or change schemas and tables",
    }
    rows = []
    for url, says in said.items():
        file.write_text(url)
        rows += [row := await asked(layout)]
        assert (row.name, row.ok, says in row.what, bool(row.do)) == ("database", False, True, True), row
        assert PASSWORD not in row.what
    report, _ = await run_checks(layout)
    assert [each for each in report.checks if each.name == "database"] == [rows[-1]]
    file.write_text(urls["well"])
    assert (await asked(layout)).ok
    report, _ = await run_checks(layout)
    assert [each.ok for each in report.checks if each.name == "database"] == [True]
    assert postgres_server.execute("check_well", "SELECT count(*) FROM pg_namespace WHERE nspname = 'main'") == [(0,)]


async def asked(layout: Layout) -> CheckResult:
    row = await check_server_database(load(layout.config))
    assert row is not None
    return row
