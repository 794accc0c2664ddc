"""The page of keys names every key of the models, with what it is for, and examples that the models take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from bridge.runtime.settings import Section
from deploy.docs.key_notes import NOTES
from deploy.docs.key_reference import example_of, key_page, note_place, section_of, sections

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


def test_every_key_is_a_row() -> None:
    """In the section of its place, once."""
    parts = key_page().split("\n## ")[1:]
    for (title, model, _), part in zip(sections(), parts, strict=True):
        assert title.removeprefix("## ") == part.splitlines()[0]
        rows = [line.split("`")[1] for line in part.splitlines() if line.startswith("| `")]
        assert rows == list(model.model_fields)


@pytest.mark.parametrize(("place", "model", "name"), CHECKED, ids=[place for place, _, _ in CHECKED])
def test_the_example_is_one(place: str, model: type[Section], name: str) -> None:
    """The model takes it as the value of its key."""
    field, value = model.model_fields[name], yaml.safe_load(example_of(place.rpartition(".")[0], name))
    annotation: Any = field.rebuild_annotation()
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    assert adapter.validate_python(Path(value) if name.endswith("_file") else value) is not None
