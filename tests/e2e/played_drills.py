"""Every drill that comes with Quietline, played in a client on one line to its debrief, and over a kill of the bridge.

Rules of these tests: they run in their order on one line; each drill's debrief is read as its person reads it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from policies.drills.load import load_drills
from policies.drills.script import Text
from tests.e2e import separate_line
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.drill_player import DrillPlayer, hurried, texts_of
from tests.e2e.polling import wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.visibility import TELLING, assert_no_leak

SETTINGS = {**separate_line.HURRIED, "close_undo": "5 s"}
TOGETHER = (
    (("first-contact", "disclosure"), ("phone-taken", "overdose")),
    (("agreed-word", "silence"), ("stop-by-mistake",)),
)
"""What two people play at once, each their own."""
ALONE = ("prank", "shift-change")
"""Those that bring a second card, which nobody else's may be taken for."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def players(
    tmp_path_factory: pytest.TempPathFactory, strict_client_factory: StrictClientFactory
) -> AsyncIterator[tuple[DrillPlayer, DrillPlayer]]:
    """Run a line with short pauses in its drills, with both advocates and the supervisor at its desk."""
    directory = tmp_path_factory.mktemp("drills")
    drills = hurried(directory / "scripts")
    async with separate_line.run_line(directory, settings=SETTINGS, drills=drills, log_level="DEBUG") as staffed_line:
        ready = staffed_line.ready
        opening = [strict_client_factory.log_in(ready.homeserver, ready.account("advocate", number)) for number in range(2)]
        supervisor = separate_line.log_in_nio(ready.homeserver, ready.account("supervisor"))
        async with (
            separate_line.bring_people(staffed_line, opening) as (ada, bea),
            separate_line.bring_people(staffed_line, [supervisor]),
        ):
            one = DrillPlayer(staffed_line, ada, await office_of(ada))
            yield one, DrillPlayer(staffed_line, bea, await office_of(bea), one.begins)


async def office_of(client: StaffClient) -> str:
    """Return a person's office."""
    return next(room for room, name in (await client.joined()).items() if name == "office")


@pytest.mark.parametrize("names", TOGETHER)
async def test_two_people_play_at_once(
    players: tuple[DrillPlayer, DrillPlayer], names: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    """Each their own drills, to debriefs that find well what the practices ask; none is left out in this module."""
    assert {name for pair in TOGETHER for each in pair for name in each} | {*ALONE} == set(load_drills())

    async def play(player: DrillPlayer, names: tuple[str, ...]) -> None:
        for name in names:
            told = await player.play(name)
            assert "Texts of ours that reached the phone" in told

    await asyncio.gather(*(play(player, each) for player, each in zip(players, names, strict=True)))
    if "phone-taken" in names[1]:
        told = await players[1].debrief("phone-taken")
        assert re.search(r"Everything was stopped \d+ (s|minutes) after the phone was taken", told)
        assert "practice 9" in told


async def test_a_prank_that_comes_back(players: tuple[DrillPlayer, DrillPlayer]) -> None:
    """After `!different` the next text of that phone is a thread of its own, with another card."""
    ada, _ = players
    conversation = await ada.take("!drill prank")
    texts = texts_of("prank")
    for number in range(2):
        await ada.wait_for_texts(conversation, number + 1)
        await ada.react(conversation, "prank", number)
    await ada.wait_for_texts(conversation, 3)
    again = await ada.take("!different", conversation.room)
    assert await ada.wait_for_texts(again, 1) == [texts[3]]
    assert again.designation != conversation.designation
    await ada.say(again, "!escalate")
    await ada.debrief("prank")


async def test_a_change_of_shift_with_two_at_once(players: tuple[DrillPlayer, DrillPlayer]) -> None:
    """Both threads are handed over and accepted; whoever took over answers and reads the debrief as well."""
    ada, bea = players
    name = "shift-change"
    first = await ada.take(f"!drill {name}")
    cards = {card.event_id for card in await ada.staffed_line.queue_cards(ada.client)}
    await ada.wait_for_texts(first, 1)
    await ada.react(first, name, 0)
    second = await ada.take_new(cards)
    await ada.wait_for_texts(second, 1)
    await ada.react(second, name, 1)
    await ada.wait_for_texts(first, 2)
    await ada.react(first, name, 2)
    await ada.client.find(ada.office, "the shift ends", lambda i: "Your shift ends now" in i.body)
    for conversation in (second, first):
        said = await ada.client.say(conversation.room, "!say handover")
        await conversation.wait_for_receipt(said, "delivered")
    for conversation in (second, first):
        before = set(await bea.client.invites())
        await ada.say(conversation, "!transfer bea she has two children")
        room = await bea.staffed_line.wait_for_invite(bea.client, before)
        await bea.client.join(room)
        await bea.client.say(room, "!accept")
        await conversation.wait_for_notice("bea is the advocate now")
    await ada.wait_for_texts(first, 3)
    await bea.client.say(first.room, "I am bea, and I have read what you wrote.")
    assert len({(await player.debrief(name)).partition("Thank you")[0] for player in (ada, bea)}) == 1


async def test_a_drill_goes_on_over_a_kill_of_the_bridge(players: tuple[DrillPlayer, DrillPlayer]) -> None:
    """One that runs goes on to its debrief; one that its person stops afterwards ends; nothing of either is left."""
    ada, bea = players
    staffed_line, stack = ada.staffed_line, ada.staffed_line.stack
    desk = staffed_line.ready.desk_room
    earlier = await ada.office_events()
    running = await ada.take("!drill first-contact")
    stopped = await bea.take("!drill silence")
    await ada.wait_for_texts(running, 1)
    await bea.wait_for_texts(stopped, 1)
    await ada.react(running, "first-contact", 0)
    await stack.kill("bridge")
    await stack.wait_until_well()
    for number in range(1, 4):
        await ada.wait_for_texts(running, number + 1)
        await ada.react(running, "first-contact", number)
    await ada.debrief("first-contact", but=earlier)
    await bea.client.say(desk, "!drill stop")
    await bea.client.find(desk, "it is ended", lambda i: i.sender == bea.bot and "The drill is ended" in i.body)
    for player in players:
        await player.client.say(desk, "!drill stop")
        await player.client.find(desk, "none runs", lambda i: i.sender == ada.bot and "No drill of yours runs." in i.body)
        await wait_until_alone(player)


async def wait_until_alone(player: DrillPlayer) -> None:
    """Wait until every thread of the drills is over: its person is in the desk and the office, and in no other room."""

    async def alone() -> bool | None:
        return len(await player.client.joined()) == 2 or None

    await wait_until("the rooms of the drills are gone", alone)


async def test_nothing_is_kept_but_a_count(players: tuple[DrillPlayer, DrillPlayer]) -> None:
    """No text of a drill is in a byte of the line; the count is the person's, who deletes it."""
    ada, _ = players
    desk = ada.staffed_line.ready.desk_room
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
    played = sum(len(each) for each, _ in TOGETHER) + len(ALONE) + 1
    await ada.client.find(desk, "the count", lambda i: f"Drills that you have played: {played}." in i.body)
    await ada.client.say(desk, "!drill forget")
    await ada.client.find(desk, "it is deleted", lambda i: "nothing says that you have played any" in i.body)
