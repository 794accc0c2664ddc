"""Files of drills: what is refused, and how it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.drills.load import SCRIPTS, load_drills
from policies.drills.script import LANGUAGES, Text
from policies.load import PackError
from tests.every_row import every_row

WORDS = {"en": "hi", "es": "hola"}


def drill(**changed: Any) -> dict[str, Any]:
    """Return a file that is well, but for what is changed."""
    point = {"practice": 28, "fact": "answered", "well": WORDS, "next_time": WORDS}
    scenes = {"begin": [{"text": WORDS}, {"wait": {"for": "answered", "at_most": "3 min"}}, {"end": True}]}
    return {"name": "own", "title": WORDS, "about": WORDS, "scenes": scenes, "debrief": [point]} | changed


def problems(folder: Path, content: Any) -> str:
    """Return what is said about a file."""
    path = folder / "own.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(PackError) as refused:
        load_drills([path])
    return "\n".join(refused.value.problems)


def step(**said: Any) -> dict[str, Any]:
    """Return a file whose second step is this."""
    return drill(scenes={"begin": [{"text": WORDS}, said, {"end": True}]})


def test_an_agency_adds_its_own(tmp_path: Path) -> None:
    """A file of the agency's is found near its configuration, alone or in a folder, and takes the place of one of ours."""
    own = tmp_path / "drills"
    own.mkdir()
    (own / "own.yaml").write_text(yaml.safe_dump(drill()), encoding="utf-8")
    (own / "other.yaml").write_text(yaml.safe_dump(drill(name="silence", title={"en": "Ours", "es": "De aquí"})), "utf-8")
    drills = load_drills(["drills"], near=tmp_path)
    assert drills["own"].title == WORDS
    assert drills["silence"].title["en"] == "Ours"
    assert list(drills) == sorted(drills)
    assert load_drills(["drills/own.yaml"], near=tmp_path)["own"] == drills["own"]


@every_row(
    ("content", "what"),
    [
        pytest.param(drill(title={"en": "hi"}), "title: is not there in es", id="one language"),
        pytest.param(step(text={"es": "hola"}), "is not there in en", id="text in one language"),
        pytest.param(step(wait={"for": "was_kind", "at_most": 60}), "unknown fact", id="unknown condition"),
        pytest.param(step(wait={"for": "answered"}), "at_most", id="wait without an end"),
        pytest.param(step(wait={"for": "answered", "at_most": "2 h"}), "at_most", id="wait too long"),
        pytest.param(step(pause=5, mark="now"), "must be one of", id="two meanings"),
        pytest.param(step(pause=None), "must be one of", id="no meaning"),
        pytest.param(step(end=False), "must be one of", id="an end that is none"),
        pytest.param(step(shout=WORDS), "unknown key", id="unknown key"),
        pytest.param(drill(debrief=[]), "debrief", id="no debrief"),
        pytest.param(
            drill(debrief=[{"practice": 42, "fact": "answered", "well": WORDS, "next_time": WORDS}]),
            "debrief.0.practice",
            id="no such practice",
        ),
        pytest.param(step(go="nowhere"), "no scene “nowhere”", id="branch to nowhere"),
        pytest.param("name: own\nname: own\n", "line 2: the key name is there twice; take one out", id="key twice"),
        pytest.param("name: [", "is not YAML", id="no YAML"),
        pytest.param("just words", "the whole file", id="no mapping"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, content: Any, what: str) -> None:
    """What cannot be played is refused before a line starts, with file and path, and without a word of it."""
    message = problems(tmp_path, content)
    assert what in message
    assert all(line.startswith("drills/own.yaml: ") for line in message.splitlines())


def test_every_texter_speaks_both_languages() -> None:
    """The texters that come with Quietline write in English and in Spanish."""
    for path in SCRIPTS.glob("*.yaml"):
        script = load_drills()[path.stem]
        texts = [each for steps in script.scenes.values() for each in steps if isinstance(each, Text)]
        assert texts
        for text in texts:
            assert set(text.words) == set(LANGUAGES)
            assert len(set(text.words.values())) > 1 or text.words["en"] == "START"
