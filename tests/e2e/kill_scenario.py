"""A load test in which bridge, homeserver or both are killed at random; afterwards everything is counted.

Rules of this module: every text must be in its room exactly once and in order; every answer at most once on its phone, with
one final receipt; an answer whose receipt says "delivered" is on the phone. Nothing is asserted of times.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import aiohttp

from tests.e2e.carrier_api import handset
from tests.e2e.polling import StepFailed, wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import Conversation, StaffedLine

FINAL: Final = ("delivered", "not sent", "unknown", "held")
"""The possible words of the last receipt on an answer."""
CACHE_WAIT: Final = 20.0
"""Seconds after which a strict client's cache is emptied if a text is missing; then it waits as long as any client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load during the kills, within `seconds`; what was not said by then is left out.

    `texts` and `answers`: per conversation. `settle`: in seconds.
    """

    conversations: int
    texts: int
    answers: int
    kills: int
    seconds: float
    seed: int
    settle: float = 90.0


@dataclass
class Story:
    """What was said in each conversation."""

    conversations: list[Conversation]
    texts: dict[str, list[str]] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)


@dataclass
class Result:
    """The counted outcome."""

    texts: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """Answers by the word of their receipt."""
    answers_doubled: int = 0
    answers_out_of_order: int = 0
    """Phones on which answers arrived in another order."""
    answers_strange: int = 0
    """Texts on a phone that nobody said, delivered answers that are not on it, and unsent answers that are."""

    planted_in_logs: int = 0
    """Texts, answers, numbers and ids of the staff that are in a log of the line."""

    @property
    def answers_refused(self) -> int:
        """Return the number of answers that the line did not try to send, so that they prove nothing."""
        return sum(times for word, times in self.answers.items() if word not in {"delivered", "unknown"})

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, doubled, out of order, strange, held or logged, and some answers have left."""
        texts = self.lost or self.doubled or self.out_of_order
        answers = self.answers_doubled or self.answers_out_of_order or self.answers_strange or self.answers_refused
        return not (texts or answers or self.planted_in_logs) and self.answers["delivered"] > 0


Disturbance: TypeAlias = Callable[[Story, float], Coroutine[Any, Any, None]]
"""The disturbance of the line: it records in the story what it killed, and ends by this time of the loop's clock."""


async def play(line: StaffedLine, staff: Sequence[StaffClient], load: Load, disturb: Disturbance | None = None) -> Story:
    """Play the conversations while processes are killed at random, or while `disturb` runs; return what was said."""
    chance = random.Random(load.seed)  # noqa: S311 - chosen once, so that a failure can be repeated
    first = [f"first text of handset {n}" for n in range(load.conversations)]
    story = Story([await line.start_conversation(staff[n % len(staff)], handset(), text) for n, text in enumerate(first)])
    for conversation, text in zip(story.conversations, first, strict=True):
        story.texts[conversation.room], story.answers[conversation.room] = [text], []
    end = asyncio.get_running_loop().time() + load.seconds
    doing = disturb or functools.partial(_kill_at_random, line, load)
    moments = {each.room: frozenset(chance.sample(range(load.texts), load.answers)) for each in story.conversations}

    async def converse(conversation: Conversation) -> None:
        waiting: asyncio.Queue[str | None] = asyncio.Queue()
        group.create_task(speak(conversation, waiting))
        for number in range(load.texts):
            # By the clock, so that the time of each text or answer does not add up.
            await _until(end - load.seconds * (load.texts - number - 1) / load.texts)
            if _late(end):
                break
            words = f"text {number} of {conversation.handset[-4:]}"
            await line.carrier.text(conversation.handset, words)
            story.texts[conversation.room].append(words)
            if number in moments[conversation.room]:
                # Without the thread's designation: words with it need a confirmation, so none would leave.
                waiting.put_nowait(f"answer to {number} of {conversation.handset[-4:]}")
        waiting.put_nowait(None)

    async def speak(conversation: Conversation, waiting: asyncio.Queue[str | None]) -> None:
        """Say one answer after another while texts arrive; each waits until the server has the previous one."""
        while (words := await waiting.get()) is not None:
            story.answers[conversation.room].append(words)
            await conversation.client.say(conversation.room, words)

    async with asyncio.TaskGroup() as group:
        group.create_task(doing(story, end))
        for each in story.conversations:
            group.create_task(converse(each))
    return story


async def _kill_at_random(line: StaffedLine, load: Load, story: Story, end: float) -> None:
    chance = random.Random(load.seed)  # noqa: S311 - chosen once, so that a failure can be repeated

    async def is_up() -> bool | None:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(f"{line.stack.ready.bridge}/ready") as answer:
                return answer.status == 200 or None
        return None

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
        for number in range(load.kills):
            # Two of three arrive at any time, also while a process starts. The third waits for a running line: otherwise a
            # slow machine would have none for so long that carriers give up.
            if number % 3 == 2:
                await wait_until("the line is up between two kills", is_up, every=0.5)
            await asyncio.sleep(chance.uniform(0.5, max(0.5, 2 * load.seconds / load.kills - 0.5)))
            if _late(end):
                break
            victims = chance.choice((("bridge",), ("homeserver",), ("bridge", "homeserver")))
            await asyncio.gather(*(line.stack.kill(victim) for victim in victims))
            story.kills[" and ".join(victims)] += 1


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


def _late(end: float) -> bool:
    """Whether the time is over by the loop's clock, with a margin for the last answer."""
    return asyncio.get_running_loop().time() > end + 1.0


async def count(line: StaffedLine, story: Story, load: Load) -> Result:
    """Wait until nothing is under way, and count the outcome."""
    result = Result()
    for conversation in story.conversations:
        texts = story.texts[conversation.room]
        await line.carrier.wait_until_settled(conversation.handset, len(texts), within=load.settle)
        await conversation.wait_for_text(texts[-1], within=load.settle)
        shown = await _texts(conversation, texts, load)
        in_room, texted = Counter(shown), Counter(texts)
        result.texts += len(texts)
        result.lost += (texted - in_room).total()
        result.doubled += (in_room - texted).total()
        result.out_of_order += list(dict.fromkeys(shown)) != [text for text in texts if text in in_room]
    for conversation in story.conversations:
        said = story.answers[conversation.room]
        words = {answer: await _receipt(conversation, answer, load) for answer in said}
        heard = (await line.carrier.texts_delivered(conversation.handset))[1:]
        received = Counter(heard)
        result.answers.update(words.values())
        result.answers_doubled += sum(received[answer] > 1 for answer in said)
        result.answers_out_of_order += list(dict.fromkeys(heard)) != [answer for answer in said if answer in received]
        result.answers_strange += sum(text not in words for text in received)
        result.answers_strange += sum(word == "delivered" and not received[answer] for answer, word in words.items())
        result.answers_strange += sum(word in ("not sent", "held") and received[answer] for answer, word in words.items())
    result.planted_in_logs = line.stack.planted_in_logs()
    return result


async def _texts(conversation: Conversation, texts: Sequence[str], load: Load) -> list[str]:
    """Return the texts in the room when all sent ones are there, or after `settle` seconds.

    After a gap the client's timeline begins again, and earlier pages appear a moment after they were loaded. The strict
    client's cache can lack an event of a gap for good, although the homeserver has it: so it is emptied once.
    """
    shown: list[str] = []

    async def complete() -> bool | None:
        nonlocal shown
        shown = await conversation.texts_in_room(whole=True)
        return not Counter(texts) - Counter(shown) or None

    # Only the strict client has a cache, and its module cannot be imported everywhere.
    renew = getattr(conversation.client, "renew", None)
    within = min(CACHE_WAIT, load.settle) if renew else load.settle
    with contextlib.suppress(StepFailed):
        await wait_until("all texts are in the room", complete, within=within)
    if renew and Counter(texts) - Counter(shown):
        await renew("lacks a text in its cache")
        with contextlib.suppress(StepFailed):
            await wait_until("all texts are in the room", complete, within=load.settle)
    return shown


async def _receipt(conversation: Conversation, answer: str, load: Load) -> str:
    """Wait until an answer has exactly one receipt, which is final; return its word."""
    bot = conversation.staffed_line.ready.bot

    def final(marks: tuple[str, ...]) -> str | None:
        return next((word for word in FINAL if word in marks[0]), None) if len(marks) == 1 else None

    item = await conversation.client.find(
        conversation.room,
        "the answer has one final receipt",
        lambda i: i.body == answer and final(i.marks(bot)) is not None,
        within=load.settle,
    )
    return str(final(item.marks(bot)))
