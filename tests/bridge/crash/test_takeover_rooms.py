"""Two bridges on one line with rooms and a person at its desk: whoever leads speaks, hears and erases as the last did."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.config.load import load
from deploy.inspect.handover import hand_over
from tests.conftest import STRICT_FALLBACKS
from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED, bring_people
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.fakes.key_file_reader import wrapped_keys
from tests.fakes.postgres_server import PostgresServer
from tests.fakes.takeovers import CUT_OFF, FROZEN, HANDED_OVER, KILLED, NOT_TAKEN, TAKEN, wait_for_request
from tests.fakes.two_bridges import TwoBridges

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.fixture
def log_ins(pytestconfig: pytest.Config) -> StrictClientFactory:
    return StrictClientFactory(fallbacks=pytestconfig.stash[STRICT_FALLBACKS])


@asynccontextmanager
async def staffed(
    line: TwoBridges, role: str, log_ins: StrictClientFactory
) -> AsyncIterator[tuple[StaffedLine, StaffClient]]:
    """Run the line with a homeserver and both bridges, and bring a person to its desk."""
    async with line.running(homeserver=True):
        await line.pair()
        ready = line.ready
        scene = StaffedLine(stack=line, ready=ready)
        async with bring_people(scene, [log_ins.log_in(ready.homeserver, ready.account(role))]) as (person,):
            yield scene, person


async def test_the_next_leader_speaks_as_the_same_users(
    postgres_server: PostgresServer, tmp_path: Path, log_ins: StrictClientFactory
) -> None:
    """An answer that waits leaves once, from whoever leads then; rooms go on, no device is made, nothing stands twice.

    Of an answer whose request was under way nobody heard: it is marked unknown and not sent again, whether the carrier has
    lost it or delivered it. With hundreds of answers: `./quietline test --long answers`.
    """
    line, number = TwoBridges(tmp_path, postgres_server.url("postgres")), handset()
    async with staffed(line, "advocate", log_ins) as (scene, person):
        devices = await scene.as_bot("GET", "devices")
        talk = await scene.start_conversation(person, number, "first words")
        texts, answers, under_way = ["first words"], [], []
        for how, fault in ((signal.SIGSTOP, NOT_TAKEN), (signal.SIGKILL, TAKEN), (None, None)):
            leader, other = await line.pair()
            name = "a change" if how is None else how.name
            if fault is not None:
                under_way.append(await person.say(talk.room, words := f"answer under way at {name}"))
                await wait_for_request(scene.carrier, fault)
                answers += [words] if fault == TAKEN else []
            answers.append(f"answer before {name}")
            said = await person.say(talk.room, answers[-1])
            if how is None:
                assert (await hand_over(load(line.layout.config))).ok
                await line.wait_until_leading(other)
            else:
                await line.take_over(leader, other, how)
            texts.append(f"words after {name}")
            await scene.carrier.text(number, texts[-1])
            await talk.wait_for_text(texts[-1])
            await talk.wait_for_receipt(said, "delivered")
        await line.pair()
        for cut in under_way:
            await talk.wait_for_receipt(cut, "unknown")
        assert await talk.texts_in_room(whole=True) == texts
        assert (await scene.carrier.texts_delivered(number))[1:] == answers
        assert await scene.as_bot("GET", "devices") == devices


@pytest.mark.long
async def test_what_was_ended_is_gone_whoever_leads(
    postgres_server: PostgresServer, tmp_path: Path, log_ins: StrictClientFactory
) -> None:
    """The leader is killed, cut off, hands over or is frozen while a conversation is erased: the other goes on with it.

    The frozen one is the last: no answer leaves for eleven seconds after it.
    """
    line = TwoBridges(tmp_path, postgres_server.url("postgres"), settings=HURRIED)
    async with staffed(line, "supervisor", log_ins) as (scene, sol):
        for how, step in ((KILLED, "purge"), (CUT_OFF, "%"), (HANDED_OVER, "purge"), (FROZEN, "%")):
            await _erased_by_another(line, scene, sol, how, step)


async def _erased_by_another(line: TwoBridges, scene: StaffedLine, sol: StaffClient, how: str, step: str) -> None:
    number, (leader, other) = handset(), await line.pair()
    talk = await scene.start_conversation(sol, number, f"planted before it is {how}")
    said = await sol.say(talk.room, f"an answer before it is {how}")
    await talk.wait_for_receipt(said, "delivered")
    ((owner,),) = line.rows("SELECT id FROM thread")
    query = "SELECT id, body FROM erasure_certificate"
    before = line.rows(query)
    await scene.send_closing_command(sol, talk.room, "!close now")

    async def begun() -> bool | None:
        return bool(line.rows(f"SELECT 1 FROM erasure WHERE step LIKE '{step}'")) or None  # noqa: S608 - a word of ours

    await wait_until("it is being erased", begun, every=0.05)
    if how == HANDED_OVER:
        assert (await hand_over(load(line.layout.config))).ok
        await line.wait_until_leading(other)
    elif how == CUT_OFF:
        await line.cut_off(leader, other)
    else:
        await line.take_over(leader, other, signal.SIGKILL if how == KILLED else signal.SIGSTOP)

    async def gone() -> bool | None:
        return not line.rows("SELECT 1 FROM erasure UNION ALL SELECT 1 FROM thread") or None

    await wait_until("everything is gone", gone, within=75)
    certificates = [json.loads(row[1]) for row in line.rows(query) if row not in before]
    assert sorted(certificate["what"] for certificate in certificates) == ["conversation", "person"]
    assert not set(wrapped_keys(line.layout.bridge / "keys.db")) & {owner, f"room:{talk.room}"}
    assert talk.room not in (await scene.as_bot("GET", "joined_rooms"))["joined_rooms"]
    assert [record for record in await scene.carrier.records() if number in (record["from"], record["to"])] == []
    assert line.rows("SELECT kind FROM dead_letter") == []
