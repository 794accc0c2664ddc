"""Scenes in which somebody could have got hurt: each is a script that is played here, or held by the test that is named."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import pytest

from deploy.packs.script_player import play_script, read_script
from policies.pack import TextName
from tests.packs import shipped

ROOT: Final = Path(__file__).parents[3]
BASE: Final = shipped("base")
SCRIPTS: Final = Path(__file__).parent / "scripts"
GREETING: Final = BASE.say(TextName.GREETING, "en")
HERE: Final = "I am here."


class Scene(NamedTuple):
    """What once went wrong. `phone`: what the handset shows now; `room`: what the rooms read; `never`: what nobody does."""

    script: str
    phone: tuple[str, ...]
    room: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


PLAYED: Final = {
    "what stands behind a command is texted": Scene(
        "a-reason-behind-different",
        (GREETING, "Yes. For you alone?"),
        ("Nothing was sent: !different takes no words.",),
        ("→ phone    he took",),
    ),
    "limits are called given by one stray word": Scene(
        "limits-by-one-stray-word",
        (GREETING, HERE),
        ("Nothing was sent: no words are taken behind !limits.", "before they knew the limits", "limits: NOT GIVEN YET"),
    ),
    "the next advocate does not know of other hands": Scene(
        "after-different",
        (GREETING, "Yes. For you alone?", BASE.say(TextName.DIFFERENT, "en")),
        ("Held: the phone may be in other hands",),
    ),
    "what was agreed is written down and not kept": Scene(
        "after-a-silent-exit", (GREETING,), ("they left with a silent word", "outside the times", "9 h old")
    ),
    "words leave after a plea, and talk with a colleague": Scene(
        "a-plea-in-the-undo-window",
        (GREETING, HERE, "I am glad."),
        ("may have asked for no more texts", "this may be for a colleague"),
    ),
    "no sign for dying, a weapon, choking": Scene(
        "signs-of-danger",
        (GREETING, HERE),
        ("!playbook suicide", "There may be a weapon", "They may be in danger right now", "!playbook medical"),
    ),
    "who writes Spanish meets English": Scene(
        "spanish-first",
        (BASE.say(TextName.GREETING, "es"), "Hola, estoy aquí.", BASE.say(TextName.CLOSING, "es")),
        ("Language: Spanish.", "amber heron · waiting · es"),
        ("thanks for texting",),
    ),
    "at night nobody says that nobody is there": Scene(
        "the-number-at-night",
        (GREETING, HERE),
        ("amber heron · waiting ⚠️", "No supervisor is on duty, and this line calls nobody outside: please phone somebody."),
    ),
    "panic forms of !unsafe do nothing": Scene(
        "stopping-in-a-panic", (GREETING, HERE, "Are you all right?"), ("UNSAFE: nothing but !cover",)
    ),
    "the answer to a picture teaches hiding": Scene(
        "a-picture", (GREETING, HERE, BASE.say(TextName.PICTURE, "en")), never=("keep it somewhere", "If it is safe")
    ),
    "thanks takes a closing back": Scene(
        "thanks-after-closing", (GREETING, HERE), ("quiet maple · waiting",), ("the closing is taken back",)
    ),
    "words about the texter, and plain words to stop, leave": Scene(
        "talk-about-the-texter",
        (GREETING, HERE),
        ("Held: it reads like words for a colleague", "it may mean !unsafe", "(!unsafe, if you meant that)"),
    ),
    "words and commands that lead astray": Scene(
        "words-for-commands",
        (GREETING, HERE),
        ("To take words back, delete your message", "Mon-Fri 9:00-15:00", "Held: it is a command without its mark"),
        ("!later", "→ phone    limits"),
    ),
}
"""By what went wrong."""


@pytest.mark.parametrize("what", PLAYED)
def test_what_the_phone_got_once_it_does_not_get_now(what: str) -> None:
    """Nothing but what is expected reaches the phone, and the rooms read what they have to know."""
    scene = PLAYED[what]
    lines = list(play_script(BASE, read_script(SCRIPTS / f"{scene.script}.yaml")))
    assert tuple(line.split("→ phone    ")[1] for line in lines if "→ phone" in line) == scene.phone
    transcript = "\n".join(lines)
    for words in scene.room:
        assert words in transcript
    for words in scene.never:
        assert words not in transcript
