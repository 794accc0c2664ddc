"""Two bridges on one line: whatever becomes of the one that leads, the other one goes on, and everything is counted."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from bridge.config import load
from deploy.inspect.handover import hand_over
from tests.conftest import FIGURES, STRICT_FALLBACKS
from tests.e2e.carrier_api import handset as carrier_handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.kill_scenario import Load, count, play
from tests.e2e.separate_line import bring_people
from tests.e2e.staffed_line import StaffedLine
from tests.fakes.postgres_server import PostgresServer
from tests.fakes.takeovers import NOT_TAKEN, TAKEN, Takeovers
from tests.fakes.texting import Texting
from tests.fakes.two_bridges import TwoBridges
from tests.outside_programs import OutsidePrograms


@pytest.fixture
async def line(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[TwoBridges]:
    made = TwoBridges(tmp_path, postgres_server.url("postgres"))
    async with made.running():
        yield made


@pytest.mark.timeout(600)
async def test_whatever_becomes_of_the_leader_the_other_goes_on(line: TwoBridges) -> None:
    """Killed, frozen and woken, told to hand over, while people text: none is lost, kept twice or answered twice."""
    await line.pair()
    texting = Texting(line)
    for number in (signal.SIGKILL, signal.SIGSTOP):
        leader, other = await line.pair()
        await texting.wait_for(texting.number + 15)
        await line.take_over(leader, other, number)
    await line.pair()
    assert (await hand_over(load(line.layout.config))).ok
    await line.pair()
    await texting.wait_for(texting.number + 5)
    await texting.stop()
    count = await texting.count()
    assert count.is_good, count


@pytest.mark.timeout(600)
async def test_behind_caddy_a_handover_refuses_no_webhook(
    postgres_server: PostgresServer, tmp_path: Path, outside_programs: OutsidePrograms, pytestconfig: pytest.Config
) -> None:
    """With our file for two bridges: texts that come meanwhile are held, and kept once. What was refused is a figure.

    On a machine so busy that Caddy does not look in the two seconds that a leader still takes texts in, one may be.
    """
    if (program := outside_programs.find("caddy")) is None:
        return
    line = TwoBridges(tmp_path, postgres_server.url("postgres"), caddy=program)
    async with line.running():
        await line.pair()
        texting = Texting(line)
        for _ in range(2):
            await texting.wait_for(texting.number + 15)
            assert (await hand_over(load(line.layout.config))).ok
            await line.pair()
        await texting.wait_for(texting.number + 5)
        await texting.stop()
        count = await texting.count()
    assert count.is_good, count
    refused = sum(number for status, number in line.answered.items() if status >= 500)
    told = f"behind Caddy, two handovers: {line.answered.total()} webhooks, {refused} refused for another try"
    pytestconfig.stash[FIGURES].append(told)


@pytest.mark.e2e
@pytest.mark.timeout(600)
async def test_the_next_leader_speaks_with_the_same_voices(
    postgres_server: PostgresServer, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """An answer that waits leaves once, from whoever leads then; rooms go on, no device is made, nothing stands twice."""
    line, log_ins = (
        TwoBridges(tmp_path, postgres_server.url("postgres")),
        StrictClientFactory(fallbacks=pytestconfig.stash[STRICT_FALLBACKS]),
    )
    async with line.running(homeserver=True):
        leader, other = await line.pair()
        scene, number = StaffedLine(stack=line, ready=line.ready), carrier_handset()
        person = await log_ins.log_in(line.ready.homeserver, line.ready.account("advocate"))
        try:
            await scene.bring_to_desk(person)
            devices = await scene.as_bot("GET", "devices")
            talk = await scene.start_conversation(person, number, "first words")
            texts, answers = ["first words"], []
            for number_sent in (signal.SIGSTOP, signal.SIGKILL):
                answers.append(f"answer before {number_sent.name}")
                said = await person.say(talk.room, answers[-1])
                await line.take_over(leader, other, number_sent)
                texts.append(f"words after {number_sent.name}")
                await scene.carrier.text(number, texts[-1])
                await talk.wait_for_text(texts[-1])
                await talk.wait_for_receipt(said, "delivered")
                leader, other = await line.pair()
            assert await talk.texts_in_room(whole=True) == texts
            assert (await scene.carrier.texts_delivered(number))[1:] == answers
            assert await scene.as_bot("GET", "devices") == devices
        finally:
            await person.stop()


@pytest.mark.e2e
@pytest.mark.timeout(600)
async def test_answers_go_out_over_takeovers(
    postgres_server: PostgresServer, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Killed and frozen in mid-request, told to hand over: each answer is once on its phone, in order, or marked unknown.

    Texts come meanwhile, and are in their rooms once. The carrier has lost the one answer and delivered the other of which
    it never said anything; what nobody heard of stays unknown, and is not sent again.
    """
    line, log_ins = (
        TwoBridges(tmp_path, postgres_server.url("postgres")),
        StrictClientFactory(fallbacks=pytestconfig.stash[STRICT_FALLBACKS]),
    )
    load = Load(conversations=2, texts=40, answers=30, kills=3, seconds=40.0, seed=20260101, settle=120.0)
    async with line.running(homeserver=True):
        await line.pair()
        scene, takeovers = StaffedLine(stack=line, ready=line.ready), Takeovers(line=line)
        person = log_ins.log_in(line.ready.homeserver, line.ready.account("advocate"))
        async with bring_people(scene, [person]) as staff:
            story = await play(scene, staff, load, partial(takeovers.spread, load.kills))
            result = await count(scene, story, load)
    assert result.is_good, result
    assert takeovers.under_way == {NOT_TAKEN: 1, TAKEN: 1}
    assert result.answers["unknown"] >= 1
    told = f"{result.texts} texts in, {result.answers.total()} answers out over {takeovers.number} takeovers: {result}"
    pytestconfig.stash[FIGURES].append(told)
