"""What a homeserver tells of itself is read as Synapse tells it, and the module's page says the same as the code."""

from __future__ import annotations

from pathlib import Path

from bridge.matrix.api import synapse_version
from tests.every_row import every_row

PAGE = Path(__file__).parents[4] / "deploy" / "synapse_module" / "README.md"


@every_row(
    ("text", "version"),
    [
        ("Synapse/1.163.2", (1, 163)),
        ("1.155.0rc1", (1, 155)),
        ("Synapse/2.0", (2, 0)),
        ("Synapse/1.163.2 (b=develop)", (1, 163)),
        ("", None),
        ("cloudflare", None),
        ("Dendrite/0.13.7", None),
    ],
)
def test_versions_are_read(text: str, version: synapse_version.Version | None) -> None:
    assert synapse_version.parse(text) == version


def test_the_page_of_the_module_says_the_same() -> None:
    """An administrator reads there what is needed and what was tried."""
    oldest, tested = map(synapse_version.dotted, (synapse_version.OLDEST, synapse_version.TESTED))
    assert f"The module is made for Synapse {tested}, and needs {oldest} or newer." in PAGE.read_text(encoding="utf-8")
