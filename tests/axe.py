"""axe-core, which checks the part of a page's accessibility that a program can check (`deploy/requirements/element`)."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.browser import Tab
from tests.node_driver import PACKAGES

AXE: Final = PACKAGES / "node_modules" / "axe-core" / "axe.min.js"
LOOKS: Final = [(width, scheme) for width in (320, 1280) for scheme in ("light", "dark")]
"""Widths in CSS pixels and colour schemes in which a page is checked."""


async def bring_judge(tab: Tab) -> None:
    """Load axe-core into the page that is shown."""
    await tab.run(AXE.read_text(encoding="utf-8") + ";0")


async def judged(tab: Tab) -> list[Any]:
    """Return the faults that it finds in the page as it is now: rule and element."""
    rules = await tab.run("axe.run().then((told) => told.violations.concat(told.incomplete))")
    return [(rule["id"], rule["impact"], [node["html"] for node in rule["nodes"]]) for rule in rules]


async def assert_it_judges(tab: Tab) -> None:
    """Add an image without a text alternative to the page, which axe-core must find; the image stays."""
    await tab.run("document.body.append(document.createElement('img'))")
    assert "image-alt" in json.dumps(await judged(tab))
