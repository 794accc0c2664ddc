"""The row `homeserver database`: what a start would find, beside a line that runs or not."""

from __future__ import annotations

from pathlib import Path

from bridge.config.load import load
from deploy.data_dir.layout import Layout
from deploy.inspect.shared_checks import check_homeserver_database
from tests.deploy.init.answers import answers, joined, run_init


async def test_each_kind_of_database_has_its_row(tmp_path: Path) -> None:
    """SQLite and the agency's own are well; a PostgreSQL that is away, or was taken out of the configuration, is not."""
    rows = {}
    for name, inputs in (
        ("sqlite", answers()),
        ("joined", joined()),
        ("away", answers(database={"homeserver_url": "postgresql://quietline:secret@127.0.0.1:9/line"})),
    ):
        (home := tmp_path / name).mkdir()
        assert run_init(home, inputs).exit_code == 0
        layout = Layout(home / "line")
        rows[name] = await check_homeserver_database(load(layout.config), layout, running=False)
    assert {name: row.ok for name, row in rows.items()} == {"sqlite": True, "joined": True, "away": False}
    assert rows["away"].what == "PostgreSQL does not answer"
    assert "secrets/homeserver_database_url" in rows["away"].do
    layout = Layout(tmp_path / "sqlite" / "line")
    layout.homeserver.mkdir()
    layout.postgres_begun.touch()
    row = await check_homeserver_database(load(layout.config), layout, running=False)
    assert (row.ok, "is missing" in row.what) == (False, True)
