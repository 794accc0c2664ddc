"""What the desk asks about devices: which are stale, and signing a person out, whatever the homeserver says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from bot.model.actions import SignOut
from bridge.matrix.api.module_api import (
    HomeserverUnreachable,
    ModuleClient,
    ModuleNotLoaded,
    ModuleRequestRejected,
    SignOutResult,
)
from bridge.matrix.olm.cross_signing import Device
from bridge.matrix.olm.identity import Identity
from bridge.matrix.room_client import RoomClient
from bridge.matrix.room_keys.device_lists import DAY_SECONDS, DeviceLists
from bridge.outbound.dead_letter_retry import DeadLetterRetry
from bridge.outbound.device_trust import DeviceTrustCommands
from bridge.outbound.dispatcher import OutboxTask, RetryLater
from bridge.outbound.room_refusals import RoomRefusals
from bridge.outbound.room_sender import SIGN_OUT_TIMEOUT, RoomSender
from bridge.services import WakeUps
from bridge.storage.database import Transaction
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.room_sender_harness import FakeRoomClient

BEN = "@ben:line.example"


class FakeModuleClient:
    """A module on paper: says what it is told to, or signs two devices out."""

    def __init__(self) -> None:
        self.says: Exception | None = None
        self.out: list[str] = []
        self.everywhere = True

    async def sign_out(self, user_id: str) -> SignOutResult:
        if self.says is not None:
            raise self.says
        self.out.append(user_id)
        return SignOutResult(devices=2, everywhere=self.everywhere)


class RecordingRoomClient(FakeRoomClient):
    """A homeserver on paper that remembers what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    async def send(self, room_id: str, speaker: object, txn: str, kind: str, content: dict[str, str]) -> str:
        self.bodies.append(content["body"])
        return f"${txn}"


class DeviceTrustHarness:
    """Trust and posts over real tables."""

    def __init__(self, harness: BridgeHarness) -> None:
        self.harness, self.module_client, self.room_client = harness, FakeModuleClient(), RecordingRoomClient()
        self.devices = DeviceLists(
            harness.services_with(WakeUps()),
            identity=cast("Identity", _NoIdentity()),
            ours=(),
            trust_on_first_use=True,
            sink=_nowhere,
            on_commit=lambda: None,
        )
        trust = DeviceTrustCommands(
            harness.services_with(WakeUps()),
            devices=self.devices,
            module_client=cast("ModuleClient", self.module_client),
        )
        self.device_trust = trust
        self.posts = RoomSender(
            harness.services_with(WakeUps()),
            room_client=cast("RoomClient", self.room_client),
            device_trust=trust,
            dead_letter_retry=cast("DeadLetterRetry", None),
            room_refusals=RoomRefusals(
                harness.services,
                is_outside=cast("Any", None),
                compare_rooms=cast("Any", None),
                notify_desk=cast("Any", None),
            ),
            zone="UTC",
            lifetime=86_400,
        )

    async def sign_out(self, *, after: float = 0.0, language: str = "") -> str:
        """Perform a sign-out that was asked for so many seconds ago; return what the desk reads."""
        out = SignOut(user=BEN, language=language)
        task = OutboxTask(number=1, owner="desk", txn="q1.0", created=int(self.harness.clock.now() - after), action=out)
        await self.posts.perform(task)
        return self.room_client.bodies[-1]


class _NoIdentity:
    client = None


async def _nowhere(_conn: object, _items: object) -> None:
    raise AssertionError("nothing is told here")


@pytest.fixture
async def trust(tmp_path: Path) -> AsyncIterator[DeviceTrustHarness]:
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.database.commit(
        lambda transaction: transaction.execute(
            "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!desk', 'desk', 'desk', 'k')"
        )
    )
    yield DeviceTrustHarness(harness)
    await harness.close()


async def known(trust: DeviceTrustHarness, *names: str) -> None:
    """Have Ben have these devices."""

    async def note(transaction: Transaction) -> None:
        for name in names:
            await transaction.execute(
                """INSERT INTO matrix_device (user_id, device_id, curve25519, ed25519, cross_signed, master_key)
                   VALUES ($1, $2, $2, $2, FALSE, '')""",
                BEN,
                name,
            )

    await trust.harness.database.commit(note)


@pytest.mark.practice(13)
async def test_a_device_that_was_silent_for_a_month_is_stale(trust: DeviceTrustHarness) -> None:
    """After thirty days without a word a device is called stale; one that speaks is not, and one never dated is not."""
    await known(trust, "OLD", "NEW")
    devices = [Device(user_id=BEN, device_id=name, curve25519=name, ed25519=name) for name in ("OLD", "NEW")]
    for device in devices:
        await trust.harness.database.commit(
            lambda transaction, device=device: trust.devices.record_last_seen(transaction, device)  # type: ignore[misc]
        )
    trust.harness.clock.at += 30 * DAY_SECONDS
    assert "STALE" not in await trust.device_trust.devices(BEN)
    trust.harness.clock.at += DAY_SECONDS
    await trust.harness.database.commit(lambda transaction: trust.devices.record_last_seen(transaction, devices[1]))
    lines = (await trust.device_trust.devices(BEN)).splitlines()
    assert ["STALE" in line for line in lines] == [False, True]
    assert "31 days" in lines[1]
    spoken = (await trust.device_trust.devices(BEN, "es")).splitlines()
    assert spoken[1] == "OLD · SIN confianza: no recibe nada y no manda nada · " + spoken[1].rpartition(" · ")[2]
    assert "31 días" in spoken[1]


@pytest.mark.practice(13)
async def test_somebody_is_signed_out_and_the_desk_reads_it(trust: DeviceTrustHarness) -> None:
    """It is done once, and the desk reads whom and how many devices."""
    assert await trust.sign_out() == (
        "ben is signed out everywhere (2 device(s)). Whatever they log in with next has to be verified anew."
    )
    assert trust.module_client.out == [BEN]
    assert (await trust.sign_out(language="es")).startswith("ben ya no tiene ninguna sesión abierta (2 dispositivo(s)).")


@pytest.mark.practice(13)
async def test_from_then_on_no_device_of_theirs_is_known(trust: DeviceTrustHarness) -> None:
    """A lost one gets no key from when the desk reads that it is signed out, whatever a list says, now or later."""
    await known(trust, "LOST", "OTHER")
    assert "LOST" in await trust.device_trust.devices(BEN)
    await trust.sign_out()
    assert await trust.device_trust.devices(BEN) == "No devices are known."
    (mark,) = await trust.harness.database.fetch("SELECT stale FROM matrix_dirty WHERE user_id=$1", BEN)
    assert mark["stale"]


async def test_a_list_that_was_asked_for_before_brings_none_back(trust: DeviceTrustHarness) -> None:
    """The homeserver's answer of before the sign-out still has the lost one: it is applied first."""
    await known(trust, "LOST")
    async with trust.devices.lock:
        signing_out = asyncio.create_task(trust.sign_out())
        await wait_until("it is signed out", lambda: _is_out(trust), every=0.01)
        await trust.harness.database.commit(lambda transaction: transaction.execute("DELETE FROM matrix_device"))
        await known(trust, "LOST")
    await signing_out
    assert await trust.device_trust.devices(BEN) == "No devices are known."


async def _is_out(trust: DeviceTrustHarness) -> bool | None:
    return bool(trust.module_client.out) or None


async def test_one_that_signed_in_meanwhile_stays(trust: DeviceTrustHarness) -> None:
    """What is ended is what was known before: whoever signs in again at once is not signed out."""
    await known(trust, "LOST")
    sign_out = trust.module_client.sign_out

    async def and_in_again(user_id: str) -> SignOutResult:
        result = await sign_out(user_id)
        await known(trust, "NEXT")
        return result

    trust.module_client.sign_out = and_in_again  # type: ignore[method-assign]
    await trust.sign_out()
    assert (await trust.device_trust.devices(BEN)).startswith("NEXT")


async def test_where_a_login_service_keeps_sessions_nobody_is_called_signed_out(trust: DeviceTrustHarness) -> None:
    """The desk reads what was done, and what has to be done there."""
    trust.module_client.everywhere = False
    answer = await trust.sign_out()
    assert answer.startswith("ben has lost 2 device(s) here. NOT signed out at the login service")
    assert "everywhere" not in answer


@pytest.mark.parametrize(
    ("says", "after", "reason"),
    [
        (ModuleNotLoaded(404), 0.0, "no module"),
        (ModuleRequestRejected(403, "M_FORBIDDEN"), 0.0, "knows nobody of that name"),
        (HomeserverUnreachable(0), 0.0, ""),
        (HomeserverUnreachable(503), SIGN_OUT_TIMEOUT - 1, ""),
        (HomeserverUnreachable(503), SIGN_OUT_TIMEOUT + 1, "does not answer"),
    ],
)
async def test_whoever_could_not_be_signed_out_is_told_of(
    trust: DeviceTrustHarness, says: Exception, after: float, reason: str
) -> None:
    """A refusal is said at once, silence after two minutes of trying; it never says that it was done."""
    trust.module_client.says = says
    if not reason:
        with pytest.raises(RetryLater):
            await trust.sign_out(after=after)
        return
    body = await trust.sign_out(after=after)
    assert "could NOT be signed out" in body
    assert reason in body
