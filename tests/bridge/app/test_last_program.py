"""Which version ran last, and what it stored: a program that would lose a part of that does not start."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable

import pytest

from bridge.app.line_files import CannotStart
from bridge.runtime.program import own_version
from bridge.storage import serialization
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.tables import line_state
from tests.bridge.app.starts import start
from tests.bridge.papers import Papers

pytestmark = pytest.mark.sqlite_only  # PostgreSQL's: test_standby.py
NEWER = "99.1"


def facts(papers: Papers) -> dict[str, str]:
    """Return the facts of the line, as they stand in its database."""
    with contextlib.closing(SqliteConnection(papers.directory / "bridge" / "main.db")) as connection:
        return {row["name"]: row["value"] for row in connection.fetch("SELECT name, value FROM line")}


def another_ran_last(papers: Papers, change: Callable[[list[str]], object]) -> None:
    """Have the database be noted as a newer version's, with other names of what it stores."""
    noted = json.loads(facts(papers)[line_state.SEALED_NAMES])
    change(noted)
    with contextlib.closing(SqliteConnection(papers.directory / "bridge" / "main.db")) as connection:
        for name, value in ((line_state.PROGRAM, NEWER), (line_state.SEALED_NAMES, json.dumps(noted))):
            connection.execute("UPDATE line SET value = $1 WHERE name = $2", value, name)


async def test_a_start_notes_its_version_and_its_names(papers: Papers) -> None:
    """They are those of this program, and a second start changes nothing of them."""
    noted = facts(papers)
    assert noted[line_state.PROGRAM] == own_version()
    assert set(json.loads(noted[line_state.SEALED_NAMES])) == serialization.names()
    await start(papers)
    assert facts(papers)[line_state.SEALED_NAMES] == noted[line_state.SEALED_NAMES]


@pytest.mark.parametrize("name", ["Thread.new_lock", "NewEvent", "Lane: 'new'"])
async def test_a_program_that_would_lose_a_part_does_not_start(papers: Papers, name: str) -> None:
    """A field, an event or a value that only the newer one knows: it is told which version to use, and nothing changes."""
    another_ran_last(papers, lambda names: names.append(name))
    before = facts(papers)
    with pytest.raises(CannotStart, match=rf"main\.db: version {NEWER} of this program ran here last"):
        await start(papers)
    assert facts(papers) == before


@pytest.mark.parametrize("change", [lambda _names: None, lambda names: names.remove("Thread.id")])
async def test_an_earlier_version_that_knows_all_may_follow(papers: Papers, change: Callable[[list[str]], object]) -> None:
    """A newer version that stores the same, or less, may be taken back; from then on the database is noted as ours."""
    another_ran_last(papers, change)
    await start(papers)
    assert facts(papers)[line_state.PROGRAM] == own_version()
    assert set(json.loads(facts(papers)[line_state.SEALED_NAMES])) == serialization.names()


async def test_a_name_that_only_the_earlier_version_stored_refuses_nothing(
    papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade to a version that reads a field under another name: it starts, and notes its own names."""
    another_ran_last(papers, lambda names: names.append("Thread.former"))
    monkeypatch.setattr(serialization, "FORMER_NAMES", frozenset({"Thread.former"}))
    await start(papers)
    assert set(json.loads(facts(papers)[line_state.SEALED_NAMES])) == serialization.names()


async def test_a_bridge_that_is_refused_does_not_change_the_note(papers: Papers) -> None:
    """Another key than the line's ends its start: the note of who ran last stays."""
    another_ran_last(papers, lambda names: names.remove("Thread.id"))
    before = facts(papers)
    papers.write("suppression_key", secrets.token_hex(32))
    with pytest.raises(CannotStart, match="suppression key"):
        await start(papers)
    assert facts(papers) == before


@pytest.mark.parametrize("damaged", ["{", "[[", "7"])
async def test_a_damaged_note_ends_no_start(papers: Papers, damaged: str) -> None:
    """It is written again."""
    with contextlib.closing(SqliteConnection(papers.directory / "bridge" / "main.db")) as connection:
        connection.execute("UPDATE line SET value = $1 WHERE name = $2", damaged, line_state.SEALED_NAMES)
    await start(papers)
    assert set(json.loads(facts(papers)[line_state.SEALED_NAMES])) == serialization.names()
