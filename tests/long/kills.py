"""Ten thousand texts and their answers while bridge, homeserver or both are killed at random; then all are counted.

Rule of this module: the line, its clients and its processes are those of the end-to-end tests, used only from outside.

Run alone: `python -P -m tests.long kills [--texts N] [--minutes M]`.
"""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from typing import Final

from tests.e2e.conftest import StrictClientFactory
from tests.e2e.kill_scenario import Load, Result, Story, count, play
from tests.e2e.separate_line import HURRIED, bring_people, run_line
from tests.long.failed_run_directory import failed_run_directory

CONVERSATIONS: Final = 10
"""The conversations of two advocates, each with the five threads that the line's cap allows."""
ANSWER_EVERY: Final = 20
SECONDS_BETWEEN_KILLS: Final = 15.0


def load_for(texts: int, minutes: float) -> Load:
    """Return the load that spreads `texts`, including each conversation's first, over the conversations and the time."""
    each = max(-(-texts // CONVERSATIONS) - 1, 1)
    return Load(
        conversations=CONVERSATIONS,
        texts=each,
        answers=max(each // ANSWER_EVERY, 1),
        kills=max(int(minutes * 60 / SECONDS_BETWEEN_KILLS), 1),
        seconds=minutes * 60,
        seed=secrets.randbits(32),
        settle=120.0,
    )


async def run(load: Load) -> tuple[Story, Result]:
    """Play it on a new line, and count again after `up` itself was killed and restarted."""
    with failed_run_directory("kills") as directory:
        async with AsyncExitStack() as opened:
            line = await opened.enter_async_context(run_line(directory, settings=HURRIED))
            factory, ready = StrictClientFactory(fallbacks=[]), line.ready
            logins = (factory.log_in(ready.homeserver, ready.account("advocate", number)) for number in range(2))
            staff = await opened.enter_async_context(bring_people(line, logins))
            story = await play(line, staff, load)
            # Texts that the carrier gave up while the line was down too long are listed at the next start.
            await line.stack.kill("bridge")
            await count(line, story, load)
            await line.stack.kill_up()
            await line.stack.start()
            return story, await count(line, story, load)
