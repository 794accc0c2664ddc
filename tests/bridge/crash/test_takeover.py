"""Two bridges on one line: whatever becomes of the one that leads, the other one goes on, and every text is counted.

There is no homeserver here: `test_takeover_rooms.py` has one, and a person at the desk.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import yaml

from bridge.app.line_files import stale_keys
from bridge.config.load import load
from bridge.storage.database import Transaction
from bridge.storage.sqlite_connection import snapshot
from bridge.tables import line_state
from bridge.tables.lease_table import LEADER_NAME
from deploy.data_dir import offline
from tests.conftest import FIGURES
from tests.e2e.polling import wait_until
from tests.fakes.mail_server import MailServer
from tests.fakes.postgres_server import PostgresServer
from tests.fakes.takeovers import HOW, Takeovers
from tests.fakes.texting import Texting
from tests.fakes.two_bridges import STANDBY, TwoBridges

HOLDS_LEASE: Final = f"""SELECT pid FROM pg_stat_activity
    WHERE application_name = '{LEADER_NAME}' AND datname = current_database()"""  # noqa: S608 - our own word
"""Asks which process of the server speaks with the leader about its lease."""


@pytest.fixture
async def line(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[TwoBridges]:
    bridges = TwoBridges(tmp_path, postgres_server.url("postgres"))
    async with bridges.running():
        yield bridges


@pytest.mark.timeout(1800)
async def test_whatever_becomes_of_the_leader_the_other_goes_on(line: TwoBridges, pytestconfig: pytest.Config) -> None:
    """Killed, frozen and woken, cut off, told to hand over, while people text: none is lost, kept or answered twice."""
    await line.pair()
    texting, takeovers = Texting(line), Takeovers(line=line)
    for _ in HOW:
        await texting.wait_for(texting.number + 15)
        await takeovers.next()
    await texting.wait_for(texting.number + 5)
    await texting.stop()
    count = await texting.count()
    assert count.is_good, count
    summary = ", ".join(f"{how} {seconds:.1f}" for how, (seconds,) in takeovers.seconds.items())
    pytestconfig.stash[FIGURES].append(f"two bridges on one line, seconds until the other leads: {summary}")


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_with_a_copy_of_the_keys_nobody_leads_and_with_the_file_nothing_is_lost(
    line: TwoBridges, tmp_path: Path
) -> None:
    """A snapshot of the volume from the lost leader's own time is in its place, while people text: the other one waits.

    It says which file. With the newest one it leads, and each text is kept once, those of who came since the copy too.
    """
    leader, other = await line.pair()
    keys, copied, lost = line.layout.bridge / "keys.db", tmp_path / "copied", tmp_path / "lost"
    for directory in (copied, lost):
        directory.mkdir()
    texting = Texting(line)
    await texting.wait_for(texting.number + 10)
    with snapshot(keys) as whole:  # nobody changes it while it is copied
        whole.tables()
        shutil.copyfile(keys, copied / keys.name)
    await texting.wait_for(texting.number + 10)
    with line.frozen(other):
        line.bridges[leader].kill()
        await line.bridges[leader].wait()
        move_keys(keys.parent, lost)
        move_keys(copied, keys.parent)
    await wait_until("it says which file", partial(has_said, line, other, stale_keys(keys)))
    assert await line.role(other) == STANDBY
    with line.frozen(other):
        move_keys(keys.parent, copied)
        move_keys(lost, keys.parent)
    await line.wait_until_leading(other)
    await texting.wait_for(texting.number + 5)
    await texting.stop()
    count = await texting.count()
    assert count.is_good, count


def move_keys(here: Path, there: Path) -> None:
    """Move a file of keys with its journal, which may have a change that was broken off."""
    for each in here.glob("keys.db*"):
        each.rename(there / each.name)


async def has_said(line: TwoBridges, name: str, words: str) -> bool | None:
    """Whether a bridge has said that."""
    return words in line.layout.log(name).read_text(encoding="utf-8") or None


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_whoever_wakes_without_the_lead_calls_nobody(line: TwoBridges, postgres_server: PostgresServer) -> None:
    """A leader that is frozen while it calls the person on call: the next one calls, and one e-mail comes.

    Its way to the lease is slow when it wakes, so that it has the time to call before it is told that another leads.
    """
    next_has_called = asyncio.Event()

    async def greet() -> None:
        """Be slow to the first, until it is woken: it finds the greeting then."""
        if mail.begun == 1:
            await next_has_called.wait()

    async with MailServer() as mail:
        mail.greet = greet
        email = {
            "host": "127.0.0.1",
            "port": mail.port,
            "starttls": False,
            "sender": "line@agency.test",
            "to": ["a@agency.test"],
        }
        (settings,) = yaml.safe_load(line.layout.config.read_text(encoding="utf-8"))["lines"]
        line.configure(lines=[{**settings, "on_call": {"email": email}}])
        leader, other = await line.pair()
        await offline.commit(load(line.layout.config), ask_for_call)
        await wait_until("the leader has begun to call", partial(counted, lambda: mail.begun))
        line.bridges[leader].send_signal(signal.SIGSTOP)
        ((lease,),) = postgres_server.execute(line.database.rpartition("/")[2], HOLDS_LEASE)
        await line.wait_until_leading(other)
        await wait_until("the next one has called", partial(counted, lambda: len(mail.taken)))
        next_has_called.set()
        os.kill(lease, signal.SIGSTOP)
        try:
            await line.take_over(leader, other, signal.SIGSTOP)
        finally:
            os.kill(lease, signal.SIGCONT)
        assert (mail.begun, len(mail.taken)) == (2, 1)
        await line.stop_bridges()
        assert line.rows("SELECT id FROM outbox WHERE transport = 'page'") == []


async def ask_for_call(transaction: Transaction) -> None:
    """Leave what `quietline doctor --alarm` leaves: the desk is told, and the person on call is called."""
    await line_state.put(transaction, line_state.CHECK_FOUND, '["disk"]')


async def counted(number: Callable[[], int]) -> bool | None:
    """Whether there is one."""
    return number() > 0 or None
