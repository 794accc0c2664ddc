"""The page of keys names every key of the models, with what it is for, and examples that the models take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from bridge.runtime.settings import Section
from deploy.docs.key_notes import NOTES
from deploy.docs.key_reference import example_of, note_place, section_of, sections
from tests.every_row import try_every_row

CHECKED = [
    (f"{place}.{name}", model, name)
    for _, model, place in sections()
    for name, field in model.model_fields.items()
    if name != "carrier" and section_of(field) is None
]


def places() -> Iterator[str]:
    for _, model, place in sections():
        yield from (note_place(place, name) for name in model.model_fields)


def test_every_key_has_a_note_and_no_note_outlives_its_key() -> None:
    """A key that is added to a model has to be explained; one that goes takes its note along."""
    assert set(places()) == NOTES.keys()


def test_each_example_is_one() -> None:
    """The model takes it as the value of its key."""

    def check(row: tuple[str, type[Section], str]) -> None:
        place, model, name = row
        value = yaml.safe_load(example_of(place.rpartition(".")[0], name))
        annotation: Any = model.model_fields[name].rebuild_annotation()
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        assert adapter.validate_python(Path(value) if name.endswith("_file") else value) is not None

    try_every_row(check, CHECKED)
