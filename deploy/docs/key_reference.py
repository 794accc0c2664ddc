"""The page of all keys of the configuration: type, default, purpose, an example.

Rule of this module: keys, types and defaults come from the models; a key's purpose comes from `key_notes`.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.config.sections import Config
from bridge.runtime.settings import CarrierSettings, Section
from deploy.docs.key_notes import NOTES

GENERATED_NOTICE: Final = (
    "<!-- Made by `.venv/bin/python -m deploy.docs.generate` from the tables in the code. Change those, not this page. -->"
)


def table(head: tuple[str, ...], rows: list[str]) -> str:
    """Return a table. `head`: its cells; `rows`: complete lines."""
    return "\n".join((f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *rows))


def page(parts: list[str]) -> str:
    """Return a page: parts with an empty line between them."""
    return "\n\n".join(parts) + "\n"


def cell(words: str) -> str:
    """Return words escaped for a cell of a table."""
    return words.replace("|", "\\|")


HEAD: Final = ("key", "type", "default", "what it is for", "example")
OF_EVERY_CARRIER: Final = tuple(CarrierSettings.model_fields)


def key_page() -> str:
    """Return the page."""
    parts = [
        GENERATED_NOTICE,
        "# Every key of the configuration",
        (
            "`quietline init` writes them all into `config.yaml`, what nobody answered behind `#`. An unknown key, a"
            " wrong value or a secret that others can read stops the start, and all such errors are told at once by place;"
            " `quietline check --data DIR` tells them before. Each key that ends in `_file` is a file of mode 0600 with one"
            " secret in it, never the secret itself. With systemd a credential of the same path stands for it"
            " ([operator.md](operator.md)). Wordings, hours and lifetimes are not here: they are in the agency's pack"
            " ([packs.md](packs.md))."
        ),
    ]
    for title, model, place in sections():
        parts += [title, table(HEAD, list(_rows(model, place)))]
    return page(parts)


def sections() -> Iterator[tuple[str, type[Section], str]]:
    """Yield a title, the model and the place of each section, in the order of the configuration; carriers last."""
    yield "## The whole", Config, ""
    yield from _below(Config, "")
    for kind, carrier in CARRIER_KINDS.items():
        yield f"## `lines[].carrier` of kind `{kind}`", carrier.settings, f"carrier.{kind}"


def note_place(place: str, name: str) -> str:
    """Return the place of a key's note."""
    if place.startswith("carrier.") and name in OF_EVERY_CARRIER:
        return f"carrier.{name}"
    return f"{place}.{name}" if place else name


def example_of(place: str, name: str) -> str:
    """Return an example of a key's value, as YAML; a carrier's `kind` has one value, that of its section."""
    is_kind = place.startswith("carrier.") and name == "kind"
    return place.removeprefix("carrier.") if is_kind else NOTES[note_place(place, name)].example


def _below(model: type[Section], at: str) -> Iterator[tuple[str, type[Section], str]]:
    for name, field in model.model_fields.items():
        inner = None if name == "carrier" else section_of(field)
        if inner is not None:
            place = f"{at}.{name}" if at else name
            yield f"## `{place.replace('lines', 'lines[]', 1)}`", inner, place
            yield from _below(inner, place)


def _rows(model: type[Section], place: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        default, example = _default(field), cell(example_of(place, name))
        shown = example if example == "see below" else f"`{example}`"
        why = cell(NOTES[note_place(place, name)].why)
        yield f"| `{name}` | {cell(_type(name, field))} | {cell(default)} | {why} | {shown} |"


def section_of(field: FieldInfo) -> type[Section] | None:
    """Return the section type of a key, single or in a list."""
    kinds = [part for part in (field.annotation, *get_args(field.annotation)) if isinstance(part, type)]
    inner = [part for part in kinds if issubclass(part, Section)]
    return inner[0] if inner else None


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "must be given"
    if value is None:
        return "none"
    plain = list(value) if isinstance(value, tuple) else value
    return f"`{yaml.safe_dump([plain], default_flow_style=True, width=1000).strip()[1:-1]}`"


def _type(name: str, field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if name == "carrier":
        return "a section"
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "a section"
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in (list, tuple):
        part = get_args(annotation)[0]
        is_section = isinstance(part, type) and issubclass(part, Section)
        return "a list of sections" if is_section else "a list"
    if annotation is Path:
        secret = name.endswith(("_file", "registration"))
        return "a file of mode 0600" if secret else "a file" if name == "file" else "a directory"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}.get(annotation, "text")
    return " ".join([words, *_bounds(field)])


def _bounds(field: FieldInfo) -> Iterator[str]:
    for each in field.metadata:
        match each:
            case annotated_types.Ge(ge=value):
                yield f"from {value}"
            case annotated_types.Gt(gt=value):
                yield f"above {value}"
            case annotated_types.Le(le=value):
                yield f"to {value}"
