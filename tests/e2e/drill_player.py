"""A practised advocate in a client: takes a drill's texter, says what the practices ask, and reads the debrief.

Rules of this module: what is said is what the walk with a set clock says (`tests.bot.drills.practised`), but one text to
the phone after each of the texter's: on a slow machine a second would be said after the texter's next, and be taken for an
answer to it. A text of the drill is waited for, and read, which takes the least time that a person needs; a drill's pauses
are made short for a whole line (`hurried`), and its waits long: a person on a slow machine is late.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from bot.drills.running import READING
from bot.wording.notice import words_of
from policies.drills.load import SCRIPTS, load_drills
from policies.drills.script import DrillScript
from tests.bot.drills.drill_line import play
from tests.bot.drills.practised import ELSE, GOOD, practised
from tests.e2e.codeword_enrolment import enrol_codeword
from tests.e2e.polling import shorten, wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import HAND, NOTE, Conversation, StaffedLine

WORDS: Final = ("copper kettle", "paper lantern")
"""What the drill `agreed-word` has the advocate agree on."""
ONE_TEXT: Final[Mapping[tuple[str, int], tuple[str, ...]]] = {
    ("first-contact", 0): ("!tips iphone",),
    ("first-contact", 2): ("!safecheck",),
    ("disclosure", 2): ("!escalate",),
    ("phone-taken", 0): ("Yes, of course.",),
    ("phone-taken", 1): ("!safecheck",),
    ("overdose", 1): ("!urgent",),
    ("overdose", 2): ("!escalate", ELSE),
    ("silence", 2): ("!safecheck",),
}
"""Where the walk says more than one text at once."""
PAGE_EVERY: Final = 10
"""How many looks into a room until it is paged back to its start."""
SHORT_WAIT: Final = 40
"""Seconds of a wait in which nothing can come, such as that after a STOP."""
FOLLOWS: Final = 1
"""Seconds of a pause of a script, and of such a wait, where they are made short."""
LONGEST_WAIT: Final = 6
"""Minutes of every other wait: longer than a step may take on a busy machine (`tests.e2e.polling`)."""
STOPPED: Final = tuple(words_of(name, "en") for name in ("drills.stopped", "drills.none_runs"))
"""What `!drill stop` is answered, whether one ran or not."""
GONE: Final = "gone"
"""In place of a mark: the drill is over, and its room was emptied before the mark was seen."""


def hurried(directory: Path) -> Path:
    """Write the scripts that come with Quietline with short pauses into a folder; returns it."""
    directory.mkdir()
    for file in SCRIPTS.glob("*.yaml"):
        script: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        for steps in script["scenes"].values():
            for step in steps:
                if "pause" in step:
                    step["pause"] = f"{FOLLOWS} s"
                elif "wait" in step:
                    step["wait"]["at_most"] = f"{FOLLOWS} s" if _in_vain(step["wait"]) else f"{LONGEST_WAIT} min"
        (directory / file.name).write_text(yaml.safe_dump(script, allow_unicode=True), encoding="utf-8")
    return directory


def _in_vain(wait: Mapping[str, Any]) -> bool:
    """Whether a wait of a script is for what cannot come here: an answer after a STOP, or a supervisor's reply to it."""
    return wait["at_most"] in {f"{SHORT_WAIT} s", f"{SHORT_WAIT // 2} s"} or "replied" in wait["for"]


def texts_of(name: str) -> list[str]:
    """Return the texts that a practised advocate gets in a drill, in order."""
    return [words for _, words in play(name, "en", practised(name)).texts]


@dataclass
class DrillPlayer:
    """One person at the desk who plays drills. `begins`: held from a command that brings a card until it is taken."""

    staffed_line: StaffedLine
    client: StaffClient
    office: str
    begins: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def bot(self) -> str:
        """The policy bot's id."""
        return self.staffed_line.ready.bot

    async def take(self, command: str, room: str = "", *, by: str = HAND) -> Conversation:
        """Say what brings a card, and take the thread of that card, by a tap or by a command."""
        async with self.begins:
            before = {card.event_id for card in await self.staffed_line.queue_cards(self.client)}
            await self.client.say(room or self.staffed_line.ready.desk_room, command)
            return await self.take_new(before, by=by)

    async def take_new(self, before: set[str | None], *, by: str = HAND) -> Conversation:
        """Take the thread of a card that was not there before."""
        card = await self.client.find(
            self.staffed_line.ready.desk_room,
            "the drill's texter waits",
            lambda i: i.sender == self.bot and i.kind == "message" and "waiting" in i.body and i.event_id not in before,
        )
        return await self.staffed_line.claim(self.client, "", card, by=by)

    async def say(self, conversation: Conversation, words: str) -> None:
        """Say something in the room, and once more where it is held."""
        item = await conversation.client.say(conversation.room, words)
        ends = ("delivered", "held") if not words.startswith("!") else (NOTE, "leaving", "sent", "delivered", "held")

        async def marked() -> str | None:
            if conversation.room not in await conversation.client.joined():
                return GONE
            items = await conversation.client.items(conversation.room)
            said = next((i for i in items if i.event_id == item.event_id), item)
            if said.kind == "redacted":
                return GONE
            return next((mark for mark in said.marks(self.bot) if any(end in mark for end in ends)), None)

        if "held" in await wait_until(f"a mark on {words!r}", marked, seen=partial(self._shown, conversation)):
            await conversation.client.say(conversation.room, "!anyway")

    async def wait_for_texts(self, conversation: Conversation, count: int) -> list[str]:
        """Wait until so many texts are in the room, readable; returns them."""
        looks = itertools.count(1)

        async def there() -> list[str] | None:
            # A gap in what the client is told begins what it shows again, behind earlier texts.
            texts = await conversation.texts_in_room(whole=next(looks) % PAGE_EVERY == 0)
            return texts if len(texts) >= count else None

        seen = partial(self._shown, conversation)
        return await wait_until(f"{count} texts of the drill are in the room", there, seen=seen)

    async def _shown(self, conversation: Conversation) -> str:
        """Return what a client shows last of a drill's room and of the office, for a failure's words."""
        room, office = [await conversation.client.items(each) for each in (conversation.room, self.office)]
        return "\n    ".join(f"{i.kind} {shorten(i.body)} {i.marks(self.bot)}" for i in (*room[-8:], *office[-3:]))

    async def play(self, name: str, *, begun: Callable[[], Awaitable[None]] | None = None) -> str:
        """Play a drill with one texter to its end; returns the debrief. `begun`: called once the first text is answered."""
        conversation = await self.take(f"!drill {name}")
        for number, text in enumerate(texts_of(name)):
            texts = await self.wait_for_texts(conversation, number + 1)
            assert text in WORDS or texts[number] == text
            await self.react(conversation, name, number)
            if number == 0 and begun is not None:
                await begun()
        return await self.debrief(name)

    async def stop(self) -> None:
        """End the drill of this person, if one runs."""
        desk = self.staffed_line.ready.desk_room
        before = {item.event_id for item in await self.client.items(desk)}
        await self.client.say(desk, "!drill stop")
        await self.client.find(
            desk,
            "no drill runs any more",
            lambda i: i.sender == self.bot and i.event_id not in before and any(each in i.body for each in STOPPED),
        )

    async def read(self) -> None:
        """Take the time that a person needs to read a text: what is said before is no answer to it."""
        await asyncio.sleep(READING)

    async def react(self, conversation: Conversation, name: str, number: int) -> None:
        """Read the text that has come, and say what a practised advocate says after it."""
        await self.read()
        for words in ONE_TEXT.get((name, number), GOOD[name].get(number, (ELSE,))):
            if words == "!codeword":
                await enrol_codeword(self.staffed_line, self.client, conversation, *WORDS)
            else:
                await self.say(conversation, words)

    async def debrief(self, name: str) -> str:
        """Wait for the debrief of a drill in the office; returns it, once it says what it has to.

        What depends on how fast somebody was is left out: a machine may be slow.
        """
        script = script_of(name)
        told = await self.client.find(
            self.office,
            "the debrief is there",
            lambda i: i.sender == self.bot and over(script) in i.body,
        )
        for point in script.points:
            assert point.check.within or point.well["en"] in told.body, told.body
        return told.body


def over(script: DrillScript) -> str:
    """Return what the debrief of a drill begins with."""
    return f"“{script.title['en']}” is over"


def script_of(name: str) -> DrillScript:
    """Return a script that comes with Quietline."""
    return load_drills()[name]
