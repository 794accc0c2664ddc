"""Whoever logs in for the first time as late as can be reads both sides of a thread they are called into, on that device.

Rule of these tests: the desk's invitation was accepted on a device that is gone, so that nothing but the thread's own
invitation and what follows it tells the new device anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.carrier import handset
from tests.e2e.conftest import OpenStrict
from tests.e2e.reading import READS, reads, reads_or_is_told
from tests.e2e.scene import Scene, Talk
from tests.e2e.seat import Account, Seat
from tests.e2e.stack import Stack
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from tests.e2e.strict import StrictClient


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory, open_strict: OpenStrict) -> AsyncIterator[tuple[Scene, Seat]]:
    """Run a line of this module's own, with one advocate at the desk; nobody else has ever logged in."""
    line = Stack(tmp_path_factory.mktemp("first"))
    ada: Seat | None = None
    try:
        await line.start()
        scene = Scene(stack=line, ready=line.ready)
        ada = await open_strict.seat(line.ready.homeserver, line.ready.account("advocate", 0))
        yield scene, await scene.seated(ada)
    finally:
        if ada is not None:
            await ada.stop()
        await line.end()


async def was_here(scene: Scene, account: Account) -> None:
    """Have somebody accept the desk's invitation on a device without keys, and sign that device out."""
    named = {"type": "m.id.user", "user": account.user}
    login = {"type": "m.login.password", "identifier": named, "password": account.password}
    async with aiohttp.ClientSession(f"{scene.ready.homeserver}/_matrix/client/v3/", raise_for_status=True) as http:
        async with http.post("login", json=login) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        for path in (f"join/{quote(scene.ready.desk_room, safe='')}", "logout"):
            async with http.post(path, json={}, headers=headers):
                pass


async def newcomer(scene: Scene, ada: Seat, account: Account, words: str) -> tuple[Talk, StrictClient]:
    """Begin a thread in which both sides have spoken; returns it, and the newcomer's client, not logged in yet."""
    if not isinstance(ada, _strict()):
        pytest.fail("a first login needs the strict client, which has no build for this C library")
    await was_here(scene, account)
    talk = await scene.talk(ada, handset(), f"said {words}")
    await ada.say(talk.room, f"// typed {words}")
    return talk, _strict()(scene.ready.homeserver, account)


def _strict() -> type[StrictClient]:
    from tests.e2e.strict import StrictClient

    return StrictClient


async def accepts(scene: Scene, talk: Talk, seat: Seat, words: str) -> None:
    """Have somebody accept their invitation when their client shows them something, and read what was said before."""

    async def asked_in() -> bool | None:
        # By the room itself: a client may not know an invitation's name yet, and take the office's for a thread's.
        return talk.room in await seat.invites() or None

    await until("they are asked in", asked_in)
    desk, bot = scene.ready.desk_room, scene.ready.bot
    await seat.find(desk, "the desk can be read", lambda i: i.sender == bot and i.kind == "message", within=READS)
    await seat.join(talk.room)
    await reads(scene, seat, talk.room, scene.ready.voice, f"said {words}")
    await reads_or_is_told(talk, seat, talk.seat.mxid, f"// typed {words}")


async def test_called_in_before_the_client_has_heard_of_us(own: tuple[Scene, Seat]) -> None:
    """What came with the invitation is lost on a client that knows nobody yet: after the join it reads all the same."""
    scene, ada = own
    words = "before her client knew anybody"
    talk, bea = await newcomer(scene, ada, scene.ready.account("advocate", 1), words)
    try:
        await bea.log_in()
        await ada.say(talk.room, f"!with {bea.mxid}")
        await talk.told("is asked in")
        await bea.back()
        await accepts(scene, talk, bea, words)
    finally:
        await bea.stop()


async def test_called_in_before_there_was_a_device(own: tuple[Scene, Seat]) -> None:
    """With the invitation nothing could be sent, because there was no device yet; the one that accepts reads both sides."""
    scene, ada = own
    words = "before she had a device"
    talk, sol = await newcomer(scene, ada, scene.ready.account("supervisor"), words)
    try:
        await ada.say(talk.room, f"!with {sol.mxid}")
        await talk.told("is asked in")
        await sol.start()
        await accepts(scene, talk, sol, words)
    finally:
        await sol.stop()
