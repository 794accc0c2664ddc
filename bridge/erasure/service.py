"""Forgetting put together: what `app` makes before there is a homeserver, and `matrix_side` when there is one.

Rule of this module: it is wiring, and the one sentence by which the desk hears that something is not gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from bot.model.actions import DESK
from bot.model.line_incidents import NotGone
from bridge.config import Config
from bridge.erasure.certificate import Signer
from bridge.erasure.expiry import Sweep
from bridge.erasure.job_runner import Erasure
from bridge.erasure.person_steps import PersonSteps
from bridge.erasure.room_steps import RoomSteps
from bridge.matrix.api.admin_api import Administrator, standing_in
from bridge.matrix.api.http_client import Wire
from bridge.matrix.api.module_api import House
from bridge.matrix.rooms.erasure_probe import Forgetting
from bridge.matrix.service import Matrix
from bridge.outbound.dispatcher import Outbox
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash
from bridge.runtime.settings import secret
from bridge.storage.database import Store
from bridge.storage.vault import Vault
from bridge.tables import inbox
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
