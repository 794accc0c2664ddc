"""Conversations that begin, continue and end for a long time, to see whether memory or a file grows without limit.

Rule of this module: a missing text or answer is a failure; growth is only reported, as a figure measured at the same point
of each round, after everything of the round has ended.

Run alone: `python -P -m tests.long soak [--minutes M]`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED, bring_people, run_line
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import Conversation, StaffedLine
from tests.long.failed_run_directory import failed_run_directory

CONVERSATIONS: Final = 4
TEXTS: Final = 5


@dataclass
class Soak:
    """Measurements after each round: the bridge's resident memory in MiB, its open files, the main database in MiB."""

    rounds: int = 0
    conversations: int = 0
    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    database: list[float] = field(default_factory=list)


async def run(minutes: float) -> Soak:
    """Play conversations, round by round. Raises the errors of a step of an end-to-end test."""
    soak = Soak()
    end = asyncio.get_running_loop().time() + minutes * 60
    with failed_run_directory("soak") as directory:
        async with run_line(directory, settings=HURRIED) as line:
            factory, ready = StrictClientFactory(fallbacks=[]), line.ready
            logins = [factory.log_in(ready.homeserver, ready.account("supervisor"))]
            async with bring_people(line, logins) as (client,):
                while asyncio.get_running_loop().time() < end:
                    conversations = [
                        await line.start_conversation(client, handset(), f"round {soak.rounds}")
                        for _ in range(CONVERSATIONS)
                    ]
                    await asyncio.gather(*(_converse(each) for each in conversations))
                    for conversation in conversations:
                        await line.send_closing_command(client, conversation.room, "!close now")
                    # Before the next: nobody may have more than five open.
                    await wait_until("all are closed", partial(_closed, client, conversations), within=120, every=0.5)
                    soak.rounds, soak.conversations = soak.rounds + 1, soak.conversations + len(conversations)
                    _measure(line, soak)
    return soak


async def _closed(client: StaffClient, conversations: list[Conversation]) -> bool | None:
    return not {each.room for each in conversations} & set(await client.joined()) or None


async def _converse(conversation: Conversation) -> None:
    carrier = conversation.staffed_line.carrier
    for number in range(TEXTS):
        await carrier.text(conversation.handset, f"text {number}")
        await conversation.wait_for_text(f"text {number}")
    said = await conversation.client.say(conversation.room, "an answer, word for word")
    await carrier.wait_for_delivery(conversation.handset, said.body)


def _measure(line: StaffedLine, soak: Soak) -> None:
    process = Path("/proc") / str(line.stack.ready.pids["bridge"])
    pages = int((process / "statm").read_text().split()[1])
    soak.memory.append(round(pages * 4096 / 2**20, 1))
    soak.files.append(len(list((process / "fd").iterdir())))
    soak.database.append(round((line.stack.data / "bridge" / "main.db").stat().st_size / 2**20, 2))
