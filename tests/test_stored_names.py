"""Data that a running line has on its disk, or in its rooms, can be found after an update."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bridge.storage import serialization
from tests import stored_names

GONE: Final = (
    "Running lines have rows, or rooms, with these names, and this program would not know them any more. Add a migration "
    "that renames them (the next step in bridge/tables/schema.py or bridge/matrix/schema.py), and take the old name out of "
    "tests/stored_names.txt by hand, in the same commit. A class, a field or a value of a sealed row must still be read "
    "under its old name, which goes into FORMER_NAMES of bridge/storage/serialization.py and stays in the list: without it "
    "this program would not start where the earlier one ran."
)
LACKING: Final = (
    "Rows of before lack these fields, and could not be read: each would become a dead letter, or a conversation that can "
    "not be opened. Give them a default."
)
NEW: Final = "These names are not on the list yet: `python -m tests.stored_names` puts them there."


def test_no_stored_name_goes_without_a_migration(tmp_path: Path) -> None:
    """Kinds, classes, fields, values, tables, columns and keys that are stored keep their names, or are migrated."""
    now, listed = stored_names.names(tmp_path), stored_names.listed()
    assert sorted(listed - now) == [], GONE
    assert sorted(now - listed) == [], NEW


def test_a_name_is_former_or_present() -> None:
    """Else the list of what only earlier versions stored would say nothing."""
    assert serialization.FORMER_NAMES & serialization.names() == set()


def test_a_later_field_has_a_default() -> None:
    """Rows that wait while the program is replaced are read: an event, an action or an aggregate has all that it needs."""
    assert sorted(stored_names.lack_default()) == [], LACKING
    assert sorted(stored_names.required() - stored_names.listed_required()) == [], NEW


def test_the_list_is_kept_in_order() -> None:
    """Each name has its own line, sorted, so that two changes of the list conflict only if they concern the same name."""
    lines = stored_names.LISTED.read_text(encoding="utf-8").splitlines()
    assert lines == sorted(set(lines))
