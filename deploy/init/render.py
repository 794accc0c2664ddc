"""Fills in the templates of the files that `quietline init` writes: `deploy/init/templates`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(TEMPLATES),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - units, proxies and Markdown, no HTML
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["quoted"] = json.dumps


def render(template: str, **values: object) -> str:
    """Return the text of a template with these values; one that is missing is an error."""
    return _ENVIRONMENT.get_template(template).render(**values)
