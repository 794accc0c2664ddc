"""Forgetting put together: what `app` makes before there is a homeserver, and `matrix_side` when there is one.

Rule of this module: it is wiring, and the one sentence by which the desk hears that something is not gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from bot.actions import DESK
from bot.incidents import NotGone
from bridge import inbox, log
from bridge.clock import Clock
from bridge.config import Config
from bridge.crash import Crash
from bridge.erasure import Erasure
from bridge.erasure_person import PersonSteps
from bridge.erasure_receipt import Signer
from bridge.erasure_room import RoomSteps
from bridge.matrix.administrator import Administrator, standing_in
from bridge.matrix.assembly import Matrix
from bridge.matrix.forget import Forgetting
from bridge.matrix.house import House
from bridge.matrix.wire import Wire
from bridge.outbox import Outbox
from bridge.settings import secret
from bridge.store import Store
from bridge.sweep import Sweep
from bridge.vault import Vault
from policies.pack import Settings


class Alarm:
    """Tells the desk that something is not gone which should be."""

    def __init__(self, *, store: Store, vault: Vault, clock: Clock, wake_engine: Callable[[str], None]) -> None:
        self._store, self._vault, self._clock, self._wake_engine = store, vault, clock, wake_engine

    async def __call__(self, what: str, since: float) -> None:
        """Say what, and that it should have been gone since then (seconds since the epoch)."""
        hours = max(0, int((self._clock.wall() - since) // 3600))
        letter = await inbox.seal(self._vault, DESK, NotGone(what=what, hours=hours))
        await self._store.commit(lambda conn: inbox.put(conn, letter))
        log.event("erasure.not_gone")
        self._wake_engine(DESK)


async def house_of(config: Config, matrix: Matrix, session: aiohttp.ClientSession) -> House:
    """Return what purges, deletes uploads and signs out: the homeserver's module, or an administrator in its stead."""
    path, url = config.homeserver.admin_token_file, config.homeserver.url
    user_id = matrix.policy.user_id
    wire = None if path is None else Wire(session=session, url=url, token=secret(path), user_id=user_id)
    return await standing_in(House(wire=matrix.policy.wire), None if wire is None else Administrator(wire=wire))


class WayDown:
    """Erasure and sweep over one homeserver. `run` until cancelled; `wake` when something may be due."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        settings: Settings,
        matrix: Matrix,
        house: House,
        outbox: Outbox,
        alarm: Callable[[str, float], Awaitable[None]],
        crash: Crash,
    ) -> None:
        signer = Signer(vault=vault)
        rooms = RoomSteps(
            store=store,
            vault=vault,
            clock=clock,
            edge=matrix.edge,
            house=house,
            forgetting=Forgetting(policy=matrix.policy, ours=(matrix.policy.user_id, matrix.voice.user_id)),
            signer=signer,
            retention=settings.receipt_retention,
            talk=outbox.talk,
            keys_gone=matrix.keyring.forget,
            crash=crash,
        )
        people = PersonSteps(
            store=store, vault=vault, clock=clock, signer=signer, retention=settings.receipt_retention, crash=crash
        )
        steps = {**rooms.steps(), **people.steps()}
        self._erasure = Erasure(store=store, clock=clock, steps=steps, pause=outbox.talk.pause, alarm=alarm, crash=crash)
        self._sweep = Sweep(store=store, vault=vault, clock=clock, rooms=rooms, alarm=alarm, crash=crash)

    def wake(self) -> None:
        """Say that something may be due."""
        self._erasure.wake()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._erasure.run(), name="erasure")
            group.create_task(self._sweep.run(), name="sweep")
