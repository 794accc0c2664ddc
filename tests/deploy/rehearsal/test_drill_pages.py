"""The scripts of drills as the page shows them."""

from __future__ import annotations

from typing import Any

from deploy.rehearsal.drill_pages import drill_pages
from policies.drills.load import load_drills
from policies.drills.script import LANGUAGES
from tests.bridge.carriers.rehearsal_harness import RehearsalHarness


def test_every_step_of_every_script_is_there() -> None:
    """In its order and scene; what is said is there in every language, and what is done in a sentence."""
    pages = {page["name"]: page for page in drill_pages()}
    scripts = load_drills()
    assert list(pages) == list(scripts)
    for name, page in pages.items():
        steps = {scene["name"]: scene["steps"] for scene in page["scenes"]}
        assert {scene: len(scene_steps) for scene, scene_steps in steps.items()} == {
            scene: len(scene_steps) for scene, scene_steps in scripts[name].scenes.items()
        }
        said = [step["words"] for scene_steps in steps.values() for step in scene_steps if step["words"]]
        assert all(set(words) == set(LANGUAGES) for words in [page["title"], page["about"], *said])
        assert all(step["what"] for scene_steps in steps.values() for step in scene_steps)


async def test_a_script_as_the_carrier_tells_it(stand: RehearsalHarness) -> None:
    """Times, facts and scenes are said in words."""
    (page,) = [page for page in await stand.get("/api/drills") if page["name"] == "phone-taken"]
    begin: list[dict[str, Any]] = page["scenes"][0]["steps"]
    assert begin[0] == {
        "what": "Texts",
        "words": {"en": "hi can i ask something quick", "es": "hola puedo preguntar algo rápido"},
    }
    assert [step["what"] for step in begin[1:3]] == [
        "Waits up to 5 min for: answered; otherwise goes to taken",
        "Pauses for 8 s",
    ]
    second: list[dict[str, Any]] = page["scenes"][1]["steps"]
    assert second[0]["what"] == "Marks the moment “taken” for the debrief"
    assert second[3]["what"] == "Goes to stopped if there was: different or unsafe; otherwise to insists"
