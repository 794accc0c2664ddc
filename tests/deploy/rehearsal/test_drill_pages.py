"""The scripts of drills as the page shows them."""

from __future__ import annotations

from deploy.rehearsal.page import drill_pages
from policies.drills.load import load_drills
from policies.drills.script import LANGUAGES


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
