"""The building blocks of the generated pages."""

from __future__ import annotations

from typing import Final

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
