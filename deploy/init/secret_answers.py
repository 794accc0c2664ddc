"""Writes secrets that were answered in clear text into files of their own.

Rule of this module: an answer `x` is written as `x_file` only when the configuration has that key; a value is never shown.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from bridge.runtime.settings import Section
from deploy.data_dir.atomic_files import write_atomically


def write_secrets(
    model: type[Section], raw: dict[str, Any], directory: Path, before: str, problems: list[str]
) -> dict[str, Any]:
    """Return the keys in the model's form; write each secret in clear text to a file in `directory`, named by its key.

    `before`: the prefix of the keys, in problems (`carrier.`) and in file names (`carrier_password`).
    """
    keys: dict[str, Any] = {}
    for key, value in raw.items():
        field, file = model.model_fields.get(str(key)), f"{key}_file"
        part = None if field is None else _section(field.annotation)
        if part is not None and isinstance(value, dict):
            keys[key] = write_secrets(part, value, directory, f"{before}{key}.", problems)
        elif field is not None or file not in model.model_fields:
            own = field is not None and str(key).endswith("_file") and isinstance(value, str)
            keys[key] = str(Path(value).absolute()) if own else value
        elif file in raw:
            problems.append(f"{before}{key}: is said twice, here and as {file}")
        elif not isinstance(value, str) or not value.strip():
            problems.append(f"{before}{key}: must be a secret, in quotes")
        else:
            path = directory / f"{before}{key}".replace(".", "_")
            write_atomically(path, value.strip() + "\n")
            keys[file] = str(path)
    return keys


def _section(annotation: Any) -> type[Section] | None:
    """Return the section type of a field, with or without `| None`; None for another type."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
