"""Conversations that once went wrong, played by the script player: what the phone gets now, to the word."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.packs.script_player import play_script, read_script
from policies.load import load
from policies.pack import TextName

BASE = load(["base"])
SCRIPTS = Path(__file__).parent / "scripts"
GREETING = BASE.say(TextName.GREETING, "en")


@pytest.mark.parametrize(
    ("name", "phone", "held"),
    [
        ("after-a-silent-exit", [GREETING], ["they left with a silent word", "outside the times", "9 h old"]),
        (
            "after-different",
            [GREETING, "Yes. For you alone?", BASE.say(TextName.DIFFERENT, "en")],
            ["the phone may be in other hands"],
        ),
        (
            "a-plea-in-the-undo-window",
            [GREETING, "I am here.", "I am glad."],
            ["may have asked for no more texts", "this may be for a colleague"],
        ),
    ],
)
def test_what_the_phone_got_once_it_does_not_get_now(name: str, phone: list[str], held: list[str]) -> None:
    """Nothing but what is expected reaches the phone, and the room reads why the rest is held."""
    lines = list(play_script(BASE, read_script(SCRIPTS / f"{name}.yaml")))
    assert [line.split("→ phone    ")[1] for line in lines if "→ phone" in line] == phone
    asked = "\n".join(line for line in lines if "Held:" in line)
    for why in held:
        assert why in asked
