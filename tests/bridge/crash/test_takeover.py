"""Two bridges on one line: whatever becomes of the one that leads, the other one goes on, and everything is counted."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.config import load
from deploy.inspect.handover import hand_over
from tests.conftest import STRICT_FALLBACKS
from tests.e2e.carrier_api import handset as carrier_handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.staffed_line import StaffedLine
from tests.fakes.postgres_server import PostgresServer
from tests.fakes.texting import Texting
from tests.fakes.two_bridges import TwoBridges


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
