"""A practised advocate in a client: claims a drill's thread, answers by the practices, and reads the debrief.

Rules of this module: the answers are those of the walk with a manual clock (`tests.bot.drills.practised`), but only one
text to the phone after each of the texter's: on a slow machine a second one would follow the texter's next text, and count
as its answer. The player waits for each text of the drill, and then for the shortest time that a person needs to read it. A
drill's pauses are shortened for a whole line (`hurried`), and its waits lengthened, because a person on a slow machine is
late.
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
"""The words that the advocate agrees on in the drill `agreed-word`."""
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
"""Answers at which the walk says more than one text at once."""
PAGE_EVERY: Final = 10
"""The number of looks at a room until it is paged back to its start."""
SHORT_WAIT: Final = 40
"""Seconds of a wait in which no answer can arrive, such as that after a STOP."""
FOLLOWS: Final = 1
"""Seconds of a script's pause, and of such a wait, in the shortened scripts."""
LONGEST_WAIT: Final = 6
"""Minutes of every other wait: longer than a step may take on a busy machine (`tests.e2e.polling`)."""
STOPPED: Final = tuple(words_of(name, "en") for name in ("drills.stopped", "drills.none_runs"))
"""The answers to `!drill stop`, with and without a running drill."""
GONE: Final = "gone"
"""In place of a mark: the drill has ended, and its room was emptied before the mark was seen."""


def hurried(directory: Path) -> Path:
    """Write the scripts that come with Quietline, with short pauses, into a folder; return it."""
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
    """Whether a script's wait cannot end: for an answer after a STOP, or a supervisor's reply to it."""
    return wait["at_most"] in {f"{SHORT_WAIT} s", f"{SHORT_WAIT // 2} s"} or "replied" in wait["for"]


def texts_of(name: str) -> list[str]:
    """Return the texts that a practised advocate receives in a drill, in order."""
    return [words for _, words in play(name, "en", practised(name)).texts]


@dataclass
class DrillPlayer:
    """One person at the desk who plays drills. `begins`: a lock, held from a card's command until its claim."""

    staffed_line: StaffedLine
    client: StaffClient
    office: str
    begins: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def bot(self) -> str:
        """The policy bot's id."""
        return self.staffed_line.ready.bot

    async def take(self, command: str, room: str = "", *, by: str = HAND) -> Conversation:
        """Say a command that causes a card, and claim its thread, by a tap or by a command."""
        async with self.begins:
            before = {card.event_id for card in await self.staffed_line.queue_cards(self.client)}
            await self.client.say(room or self.staffed_line.ready.desk_room, command)
            return await self.take_new(before, by=by)

    async def take_new(self, before: set[str | None], *, by: str = HAND) -> Conversation:
        """Claim the thread of a card that is not in `before`."""
        card = await self.client.find(
            self.staffed_line.ready.desk_room,
            "the drill's texter waits",
            lambda i: i.sender == self.bot and i.kind == "message" and "waiting" in i.body and i.event_id not in before,
        )
        return await self.staffed_line.claim(self.client, "", card, by=by)

    async def say(self, conversation: Conversation, words: str) -> None:
        """Say something in the room, and confirm it if it is held."""
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
        """Wait until `count` texts are in the room, readable; return them."""
        looks = itertools.count(1)

        async def there() -> list[str] | None:
            # After a gap in the sync the client's timeline begins again, after the earlier texts.
            texts = await conversation.texts_in_room(whole=next(looks) % PAGE_EVERY == 0)
            return texts if len(texts) >= count else None

        shown = partial(self._shown, conversation)
        return await wait_until(f"{count} texts of the drill are in the room", there, seen=shown)

    async def _shown(self, conversation: Conversation) -> str:
        """Return what a client shows last of a drill's room and of the office, for failure output."""
        room, office = [await conversation.client.items(each) for each in (conversation.room, self.office)]
        return "\n    ".join(f"{i.kind} {shorten(i.body)} {i.marks(self.bot)}" for i in (*room[-8:], *office[-3:]))

    async def play(self, name: str, *, on_answer: Callable[[], Awaitable[None]] | None = None) -> str:
        """Play a drill with one texter; return the debrief. `on_answer`: called after the answer to the first text."""
        conversation = await self.take(f"!drill {name}")
        for number, text in enumerate(texts_of(name)):
            texts = await self.wait_for_texts(conversation, number + 1)
            assert text in WORDS or texts[number] == text
            await self.react(conversation, name, number)
            if number == 0 and on_answer is not None:
                await on_answer()
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
        """Wait for the time that a person needs to read a text: earlier words do not count as its answer."""
        await asyncio.sleep(READING)

    async def react(self, conversation: Conversation, name: str, number: int) -> None:
        """Read the text that has arrived, and say what a practised advocate says after it."""
        await self.read()
        for words in ONE_TEXT.get((name, number), GOOD[name].get(number, (ELSE,))):
            if words == "!codeword":
                await enrol_codeword(self.staffed_line, self.client, conversation, *WORDS)
            else:
                await self.say(conversation, words)

    async def debrief(self, name: str) -> str:
        """Wait for the debrief of a drill in the office, until it has the expected lines; return it.

        Lines that depend on a person's speed are not expected, because a machine may be slow.
        """
        script = script_of(name)
        debrief = await self.client.find(
            self.office,
            "the debrief is there",
            lambda i: i.sender == self.bot and over(script) in i.body,
        )
        for point in script.points:
            assert point.check.within or point.well["en"] in debrief.body, debrief.body
        return debrief.body


def over(script: DrillScript) -> str:
    """Return the beginning of a drill's debrief."""
    return f"“{script.title['en']}” is over"


def script_of(name: str) -> DrillScript:
    """Return a script that comes with Quietline."""
    return load_drills()[name]
