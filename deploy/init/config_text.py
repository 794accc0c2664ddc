"""`config.yaml`, written from the models of the configuration: every key once, with its purpose.

Rule of this module: the keys come from the models, so a new key cannot be forgotten; a key without an answer is a comment
with the default value. The text about a key is in `templates/config_comments.yaml`.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.config.sections import Config
from bridge.runtime.settings import Section
from deploy.init.render import TEMPLATES, render

COMMENTS: Final[Mapping[str, str]] = types.MappingProxyType(
    yaml.safe_load((TEMPLATES / "config_comments.yaml").read_text(encoding="utf-8"))
)
"""What stands above a key, by its place."""


def config_text(answers: Mapping[str, Any]) -> str:
    """Return the configuration's text. `answers`: the keys with an answer, in the form of the models."""
    return render("config_header.yaml") + "\n" + "\n".join(_section(Config, answers, "", 0, silent=False)) + "\n"


def _section(model: type[Section], answers: Mapping[str, Any], path: str, depth: int, *, silent: bool) -> Iterator[str]:
    for name, field in model.model_fields.items():
        place = f"{path}.{name}" if path else name
        if comment := COMMENTS.get(place):
            yield f"{'  ' * depth}# {comment}"
        yield from _key(name, field, answers, (place, depth), silent=silent)


def _key(name: str, field: FieldInfo, answers: Mapping[str, Any], at: tuple[str, int], *, silent: bool) -> Iterator[str]:
    """Yield the lines of one key and its children. `silent`: as comments, because there is no answer."""
    place, depth = at
    off = silent or name not in answers
    indent = "  " * depth + ("# " if off else "")
    value = answers.get(name)
    model, many = _model_of(name, field, value)
    if model is None or (many and off):
        yield f"{indent}{name}: {_flow(_default(field) if off else value)}".rstrip()
    elif not many:
        yield f"{indent}{name}:"
        yield from _section(model, value if isinstance(value, Mapping) else {}, place, depth + 1, silent=off)
    else:
        yield f"{indent}{name}:"
        for n, item in enumerate(value or ()):
            if n or (_required_fields(model) <= item.keys() and all(isinstance(each, str) for each in item.values())):
                yield f"{'  ' * (depth + 1)}- {_flow(dict(item))}"
                continue
            first, *rest = [line[2 * (depth + 2) :] for line in _section(model, item, place, depth + 2, silent=off)]
            yield f"{'  ' * (depth + 1)}- {first}"
            yield from (f"{'  ' * (depth + 2)}{line}" for line in rest)


def _model_of(name: str, field: FieldInfo, value: Any) -> tuple[type[Section] | None, bool]:
    """Return the section that a key holds, and whether it holds a list of them."""
    if name == "carrier" and isinstance(value, Mapping):
        return CARRIER_KINDS[str(value["kind"])].settings, False
    annotation: Any = field.annotation
    many = get_origin(annotation) is list
    if many or get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if isinstance(kind, type) and issubclass(kind, Section)]
        return (kinds[0] if kinds else None), many
    return (annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None), many


def _required_fields(model: type[Section]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True)
    return "" if value is PydanticUndefined else value


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    if value == "":
        return ""
    plain = str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump([plain], default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True).strip()[1:-1]
