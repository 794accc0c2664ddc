"""What the desk asks about devices: which are stale, and signing somebody out, whatever the homeserver says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from bot.model.actions import SignOut
from bridge.matrix.api.module_api import Away, House, Missing, Refused
from bridge.matrix.olm.cross_signing import Device
from bridge.matrix.olm.identity import Identity
from bridge.matrix.room_client import Edge
from bridge.matrix.room_keys.device_lists import DAY, Devices
from bridge.outbound.dead_letter_retry import Retries
from bridge.outbound.device_trust import Trust
from bridge.outbound.dispatcher import Task, TryAgain
from bridge.outbound.room_sender import GIVES_UP, Posts
from bridge.runtime.crash_points import nowhere
from bridge.storage.database import Connection
from tests.fakes.nerves import Nerves
from tests.fakes.posting import PaperEdge

BEN = "@ben:line.example"


class PaperHouse:
    """A module on paper: says what it is told to, or signs two devices out."""

    def __init__(self) -> None:
        self.says: Exception | None = None
        self.out: list[str] = []

    async def sign_out(self, user_id: str) -> int:
        if self.says is not None:
            raise self.says
        self.out.append(user_id)
        return 2


class Telling(PaperEdge):
    """A homeserver on paper that remembers what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    async def send(self, room_id: str, speaker: object, txn: str, kind: str, content: dict[str, str]) -> str:
        self.bodies.append(content["body"])
        return f"${txn}"


class Stand:
    """Trust and posts over real tables."""

    def __init__(self, nerves: Nerves) -> None:
        self.nerves, self.house, self.edge = nerves, PaperHouse(), Telling()
        self.devices = Devices(
            store=nerves.store,
            identity=cast("Identity", _Nobody()),
            ours=(),
            trust_on_first_use=True,
            clock=nerves.clock,
            sink=_nowhere,
            committed=lambda: None,
        )
        trust = Trust(
            store=nerves.store,
            devices=self.devices,
            wake=lambda: None,
            house=cast("House", self.house),
            clock=nerves.clock,
        )
        self.trust = trust
        self.posts = Posts(
            store=nerves.store,
            vault=nerves.vault,
            clock=nerves.clock,
            edge=cast("Edge", self.edge),
            trust=trust,
            retries=cast("Retries", None),
            zone="UTC",
            lifetime=86_400,
            wake_engine=lambda _owner: None,
            crash=nowhere,
        )

    async def sign_out(self, *, after: float = 0.0) -> str:
        """Perform a sign-out that was asked for so many seconds ago; return what the desk reads."""
        task = Task(
            number=1, owner="desk", txn="q1.0", created=int(self.nerves.clock.wall() - after), action=SignOut(user=BEN)
        )
        await self.posts.perform(task)
        return self.edge.bodies[-1]


class _Nobody:
    wire = None


async def _nowhere(_conn: object, _items: object) -> None:
    raise AssertionError("nothing is told here")


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.store.commit(
        lambda conn: conn.execute(
            "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!desk', 'desk', 'desk', 'k')"
        )
    )
    yield Stand(nerves)
    await nerves.end()


async def known(stand: Stand, *names: str) -> None:
    """Have Ben have these devices."""

    async def note(conn: Connection) -> None:
        for name in names:
            await conn.execute(
                """INSERT INTO matrix_device (user_id, device_id, curve25519, ed25519, cross_signed, master_key)
                   VALUES ($1, $2, $2, $2, FALSE, '')""",
                BEN,
                name,
            )

    await stand.nerves.store.commit(note)


async def test_a_device_that_was_silent_for_a_month_is_stale(stand: Stand) -> None:
    """After thirty days without a word a device is called stale; one that speaks is not, and one never dated is not."""
    await known(stand, "OLD", "NEW")
    devices = [Device(user_id=BEN, device_id=name, curve25519=name, ed25519=name) for name in ("OLD", "NEW")]
    for device in devices:
        await stand.nerves.store.commit(lambda conn, device=device: stand.devices.heard(conn, device))  # type: ignore[misc]
    stand.nerves.clock.at += 30 * DAY
    assert "STALE" not in await stand.trust.devices(BEN)
    stand.nerves.clock.at += DAY
    await stand.nerves.store.commit(lambda conn: stand.devices.heard(conn, devices[1]))
    told = (await stand.trust.devices(BEN)).splitlines()
    assert ["STALE" in line for line in told] == [False, True]
    assert "31 days" in told[1]


async def test_somebody_is_signed_out_and_the_desk_reads_it(stand: Stand) -> None:
    """It is done once, and the desk reads whom and how many devices."""
    assert await stand.sign_out() == (
        "ben is signed out everywhere (2 device(s)). Whatever they log in with next has to be verified anew."
    )
    assert stand.house.out == [BEN]


@pytest.mark.parametrize(
    ("says", "after", "told"),
    [
        (Missing(404), 0.0, "no module"),
        (Refused(403, "M_FORBIDDEN"), 0.0, "knows nobody of that name"),
        (Away(0), 0.0, ""),
        (Away(503), GIVES_UP - 1, ""),
        (Away(503), GIVES_UP + 1, "does not answer"),
    ],
)
async def test_whoever_could_not_be_signed_out_is_told_of(stand: Stand, says: Exception, after: float, told: str) -> None:
    """A refusal is said at once, silence after two minutes of trying; it never says that it was done."""
    stand.house.says = says
    if not told:
        with pytest.raises(TryAgain):
            await stand.sign_out(after=after)
        return
    body = await stand.sign_out(after=after)
    assert "could NOT be signed out" in body
    assert told in body
