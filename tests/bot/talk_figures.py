"""What is missed and what is held by mistake of talk about a texter, over the corpus."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from bot import guard
from policies.yaml_file import parse_yaml
from tests.bot.examples import at, held
from tests.bot.strategies import ANA
from tests.packs import shipped

CORPUS: Final[dict[str, dict[str, dict[str, list[str]]]]] = parse_yaml(Path(__file__).parent / "talk_corpus.yaml")
"""By part (`known`, `fresh`, `blind`, `common`), language, and `hold` or `leave`: what an advocate types."""
PACK: Final = shipped("base")


def is_held(body: str) -> bool:
    """Return whether the guard holds words, with the base pack, in a thread without other reasons."""
    return guard.doubts(PACK, at(5), held(), body, ANA, own=True) != ()


@cache
def measure() -> dict[tuple[str, str, str], tuple[list[str], int]]:
    """Return, by part, language and `hold` or `leave`, the wrongly treated words and the number of all."""
    return {
        (part, language, kind): ([body for body in bodies if is_held(body) != (kind == "hold")], len(bodies))
        for part, languages in CORPUS.items()
        for language, kinds in languages.items()
        for kind, bodies in kinds.items()
    }
