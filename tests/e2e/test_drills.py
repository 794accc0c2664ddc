"""Drills played in a strict client on one line to their debriefs, and one over a kill.

Rules of these tests: they run in their order on one line; each drill's debrief is read as its person reads it. Two people
play at once, each their own drills, so that the waits of one are the work of the other. What a test that fails has left
open is ended before the next one begins, so each fails by itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from typing import Final

import pytest
import pytest_asyncio

from deploy.docs.generate import DOCS
from policies.drills.load import load_drills
from policies.drills.script import Text
from policies.pack import TextName
from tests.deploy.docs.printed_card import HAND_OVER, LIMITS, NOTE, SAFE, STOP, TAKE, PrintedCard
from tests.e2e.drill_player import DrillPlayer
from tests.e2e.polling import together, wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import NOTE as NOTED
from tests.e2e.staffed_line import Conversation, StaffedLine
from tests.e2e.visibility import assert_no_leak
from tests.packs import shipped
from tests.planted import TELLING

SECOND_LINE = True
CARD: Final = PrintedCard((DOCS / "card.md").read_text(encoding="utf-8"), "@bea")
PACK: Final = shipped("base", "rehearsal")
ENDS: Final = "” is over"
"""What stands in each debrief."""
COLLEAGUE, PANIC = "two children, and ten minutes", "please tell me that you are all right"
LEFT_OPEN: Final[list[str]] = []
"""The test after which the line could not be cleared, if there was one."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def players(staffed_line: StaffedLine, ada: StaffClient, bea: StaffClient) -> tuple[DrillPlayer, DrillPlayer]:
    """Let both advocates of the line play drills, which have short pauses there."""
    one = DrillPlayer(staffed_line, ada, await office_of(ada))
    return one, DrillPlayer(staffed_line, bea, await office_of(bea), one.begins)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def rooms(players: tuple[DrillPlayer, DrillPlayer]) -> tuple[AbstractSet[str], ...]:
    """Return the rooms in which each was before any drill."""
    return tuple([{*await player.client.joined()} for player in players])


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def cleared(
    request: pytest.FixtureRequest,
    players: tuple[DrillPlayer, DrillPlayer],
    rooms: tuple[AbstractSet[str], ...],
) -> AsyncIterator[None]:
    """End the drills of a test that failed, and wait until their threads are over; after any other nothing is done."""
    assert not LEFT_OPEN, f"not begun: {LEFT_OPEN[0]} has left a drill open that could not be ended"
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        LEFT_OPEN.append(request.node.name)
        await players[0].staffed_line.stack.wait_until_well()
        await together(*(player.stop() for player in players))
        for player, before in zip(players, rooms, strict=True):
            await wait_until_gone(player, before)
        LEFT_OPEN.clear()


async def office_of(client: StaffClient) -> str:
    """Return a person's office."""
    return next(room for room, name in (await client.joined()).items() if name == "office")


async def read_card(player: DrillPlayer, on_answer: Callable[[], Awaitable[None]]) -> Conversation:
    """Play the drill `phone-taken` as far as the hand-over, typing what the card says. `on_answer`: as in `play`."""
    conversation = await player.take("!drill phone-taken", by=CARD.typed(TAKE))
    await player.wait_for_texts(conversation, 1)
    await player.read()
    limits = await player.client.say(conversation.room, CARD.typed(LIMITS))
    await conversation.wait_for_receipt(limits, "delivered")
    await on_answer()
    await player.wait_for_texts(conversation, 2)
    await player.read()
    note = await player.client.say(conversation.room, f"{CARD.typed(NOTE).partition(' ')[0]} {COLLEAGUE}")
    await conversation.wait_for_receipt(note, NOTED)
    await player.say(conversation, CARD.typed(SAFE))
    await player.wait_for_texts(conversation, 3)
    await conversation.wait_for_receipt(await player.client.say(conversation.room, CARD.typed(STOP)), NOTED)
    await conversation.wait_for_receipt(await player.client.say(conversation.room, PANIC), "not sent")
    await player.wait_for_texts(conversation, 4)
    return conversation


async def test_a_card_is_enough_and_drills_go_on_over_a_kill_of_the_bridge(
    players: tuple[DrillPlayer, DrillPlayer], rooms: tuple[AbstractSet[str], ...]
) -> None:
    """A person who has read only the card takes, limits, stops and hands over, and no wrong word leaves.

    Theirs and a colleague's drill go on to their debriefs over a kill; it says what whoever took the phone could have read.
    """
    ada, bea = players
    stack = ada.staffed_line.stack
    both = asyncio.Barrier(len(players))

    async def kill() -> None:
        if await both.wait() == 0:
            await stack.kill("bridge")
            await stack.wait_until_well()
        await both.wait()

    conversation, _ = await together(read_card(ada, kill), bea.play("first-contact", on_answer=kill))
    assert isinstance(conversation, Conversation)
    before = set(await bea.client.invites())
    await ada.say(conversation, CARD.typed(HAND_OVER))
    room = await bea.staffed_line.wait_for_invite(bea.client, before)
    await bea.client.join(room)
    await bea.client.say(room, CARD.typed(HAND_OVER, 1))
    await conversation.wait_for_notice("bea is the advocate now")
    await bea.client.say(room, CARD.typed(HAND_OVER, 2))
    debrief = await ada.debrief("phone-taken")
    assert (await bea.debrief("phone-taken")).partition("Thank you")[0] == debrief.partition("Thank you")[0]
    assert re.search(r"Everything was stopped \d+ (s|minutes) after the phone was taken", debrief)
    for name in (TextName.GREETING, TextName.LIMITS, TextName.SAFE_CHECK):
        assert debrief.count(PACK.say(name, "en")) == 2, "it left, and could be read on the phone when it was taken"
    assert "that reached the phone (3)" in debrief
    assert COLLEAGUE not in debrief
    assert PANIC not in debrief
    assert "practice 9" in debrief


async def test_nothing_is_kept_but_a_count(
    players: tuple[DrillPlayer, DrillPlayer], rooms: tuple[AbstractSet[str], ...]
) -> None:
    """When all are played no text of one is in a byte of the line; the count is the person's, who deletes it."""
    ada, _ = players
    desk = ada.staffed_line.ready.desk_room
    for player, before in zip(players, rooms, strict=True):
        await wait_until_gone(player, before)
    texts = {
        words
        for script in load_drills().values()
        for scene in script.scenes
        for step in script.steps(scene)
        if isinstance(step, Text)
        for words in step.words.values()
        if len(words) >= TELLING
    }
    await ada.staffed_line.carrier.text("+15555550177", "a text beside all drills")
    await assert_no_leak(ada.staffed_line, *texts)
    await ada.client.say(desk, "!drill count")
    debriefs = [i for i in await ada.client.whole(ada.office) if i.sender == ada.bot and ENDS in i.body]
    await ada.client.find(desk, "the count", lambda i: f"Drills that you have played: {len(debriefs)}." in i.body)
    await ada.client.say(desk, "!drill forget")
    await ada.client.find(desk, "it is deleted", lambda i: "nothing says that you have played any" in i.body)


async def wait_until_gone(player: DrillPlayer, before: AbstractSet[str]) -> None:
    """Wait until every thread of the drills is over: its person is in no room that was not there before."""

    async def gone() -> bool | None:
        return (await player.client.joined()).keys() <= before or None

    await wait_until("the rooms of the drills are gone", gone)
