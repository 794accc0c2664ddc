"""Takeovers of a line with two bridges while people text and get answers: by kill, freeze, cut and handover.

Rules of this module: the server is the tests' own; everything is counted, and the seconds of each takeover are reported.
The part with texts alone has no homeserver, so that it measures the bridges and not Synapse; answers are sent by advocates
in their own clients, in the rooms of their threads, and counted on the handsets.

Run alone: `python -P -m tests.long takeovers`, and `python -P -m tests.long answers`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from tests.e2e.kill_scenario import Load, Result, Story, count, play
from tests.e2e.separate_line import bring_people, log_in_nio
from tests.e2e.staffed_line import StaffedLine
from tests.fakes.postgres_server import SUPERUSER, bridge_server, running_postgres
from tests.fakes.takeovers import Takeovers
from tests.fakes.texting import Count, Texting
from tests.fakes.two_bridges import TwoBridges
from tests.long.failed_run_directory import failed_run_directory
from tests.outside_programs import OutsidePrograms

TEXTS_A_SECOND: Final = 25.0
NEW_OF: Final = 20
TAKEOVERS: Final = 10
CONVERSATIONS: Final = 10
TEXTS_FOR_AN_ANSWER: Final = 3


@asynccontextmanager
async def _line(*, homeserver: bool = False) -> AsyncIterator[TwoBridges | None]:
    """Run a line with a leader and a standby; None if this machine has no PostgreSQL."""
    with running_postgres(OutsidePrograms(missing=[])) as server, failed_run_directory("takeovers") as directory:
        if server is None:
            yield None
            return
        line = TwoBridges(directory, bridge_server(server).url(SUPERUSER))
        async with line.running(homeserver=homeserver):
            await line.pair()
            yield line


async def run(texts: int, *, number: int = TAKEOVERS) -> tuple[Count, Takeovers] | None:
    """Run texts alone, over `number` takeovers; return None if this machine has no PostgreSQL."""
    async with _line() as line:
        if line is None:
            return None
        takeovers = Takeovers(line=line)
        texting = Texting(line, every=1 / TEXTS_A_SECOND, new_of=NEW_OF)
        for turn in range(number):
            await texting.wait_for(texts * (turn + 1) // (number + 1))
            await takeovers.next()
        await texting.wait_for(texts)
        await texting.stop()
        return await texting.count(), takeovers


async def run_answers(texts: int, minutes: float, *, number: int = TAKEOVERS) -> tuple[Story, Result, Takeovers] | None:
    """Run texts with an answer to each third, over `number` takeovers; return None if there is no PostgreSQL."""
    async with _line(homeserver=True) as line:
        if line is None:
            return None
        each = max(-(-texts // CONVERSATIONS) - 1, TEXTS_FOR_AN_ANSWER)
        load = Load(
            conversations=CONVERSATIONS,
            texts=each,
            answers=each // TEXTS_FOR_AN_ANSWER,
            kills=number,
            seconds=60 * minutes,
            seed=secrets.randbits(32),
            settle=240.0,
        )
        ready = line.ready
        # Not the strict client: in a room with a thousand events its cache eventually panics (matrix-rust-sdk #6882).
        logins = (log_in_nio(ready.homeserver, ready.account("advocate", n)) for n in range(2))
        logging.getLogger("nio").setLevel(logging.CRITICAL)  # it logs each event from before its device existed
        scene, takeovers = StaffedLine(stack=line, ready=ready), Takeovers(line=line)
        async with bring_people(scene, logins) as staff:
            story = await play(scene, staff, load, partial(takeovers.spread, number))
            return story, await count(scene, story, load), takeovers
