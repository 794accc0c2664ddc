"""What vendors publish about their interfaces: the files in `published`, and whether a request is one of those in there.

Rule of this module: a request is judged by the vendor's own document alone; a field that the document does not name is a
fault, whatever a vendor would do with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

FOLDER: Final = Path(__file__).parent / "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeRequest:
    """A request as it stood on the wire. `target`: path and query."""

    method: str
    target: str
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in small letters."""


def published(kind: str) -> dict[str, Any]:
    """Return the file of an adapter."""
    document: dict[str, Any] = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    return document


def faults(request: MadeRequest, document: Mapping[str, Any]) -> list[str]:
    """Say what the document has against a request; nothing where it is as documented."""
    parts = urlsplit(request.target)
    path = parts.path.removeprefix(document["prefix"]).removesuffix(document.get("suffix", ""))
    known = [each for each in document["requests"] if each["method"] == request.method and _matches(each["path"], path)]
    if not known:
        return [f"{request.method} {path} is not documented"]
    (entry,) = known
    problems = [
        f"?{name}" for name, _ in parse_qsl(parts.query, keep_blank_values=True) if name not in entry.get("query", ())
    ]
    if "schema" not in entry:
        return problems + (["a body"] if request.body else [])
    if request.content_type.partition(";")[0] != entry["content_type"]:
        problems.append(request.content_type)
    schema = entry["schema"] | {"additionalProperties": False}
    value = json.loads(request.body) if entry["content_type"] == "application/json" else _form(request.body, schema)
    return problems + [error.message for error in Draft202012Validator(schema).iter_errors(value)]


def _matches(template: str, path: str) -> bool:
    pattern = "".join(
        "[^/]+" if piece.startswith("{") else re.escape(piece) for piece in re.split(r"(\{[^}]+\})", template)
    )
    return re.fullmatch(pattern, path) is not None


def _form(body: bytes, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Read a form as its schema means it: digits are a number where one is asked for."""
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), "a field twice"
    kinds = {name: field.get("type") for name, field in schema["properties"].items()}
    return {name: int(value) if kinds.get(name) == "integer" and value.isdigit() else value for name, value in pairs}
