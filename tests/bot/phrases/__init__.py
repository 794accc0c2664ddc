"""Phrases that tests go through, one a line, in text files."""

from pathlib import Path


def lines_of(name: str) -> list[str]:
    """Return the lines of a file of this folder."""
    return (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").splitlines()
