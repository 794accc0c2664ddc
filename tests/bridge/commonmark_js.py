"""commonmark.js itself, as Element uses it: the package that npm's lock file names (`deploy/requirements/element`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.node_driver import NodeDriver

DRIVER: Final = NodeDriver(Path(__file__).with_name("commonmark_js.mjs"), "commonmark")


def is_here() -> bool:
    """Whether Node and the package are installed."""
    return DRIVER.is_here()


def formatted(typed: str) -> str | None:
    """Return the formatted body that Element sends for what was typed; None where it sends none."""
    html: str | None = DRIVER.ask([typed])[0]
    return html
