"""What two hundred real-sounding texts mean."""

from __future__ import annotations

from pathlib import Path

from policies.keywords import classify
from policies.yaml_file import parse_yaml
from tests.every_row import every_row
from tests.packs import shipped

PACK = shipped("base")
CORPUS: dict[str, list[str]] = parse_yaml(Path(__file__).parent / "corpus.yaml")
CASES = [(text, meaning) for meaning, texts in CORPUS.items() for text in texts]


@every_row(("text", "meaning"), CASES)
def test_each_text_means_what_a_person_would_say(text: str, meaning: str) -> None:
    """Keywords are whole messages; sentences with one inside, in either language or in both, are conversation."""
    name, _, language = meaning.partition(" ")
    result = classify(text, PACK)
    assert (result.meaning.value, result.language) == (name, language)
    assert result.from_a_person == (name not in ("tapback", "automatic_reply"))
