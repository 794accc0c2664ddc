"""A refusal in a room that one of us is not in is not final: words wait until it is made again, or we are back."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import AsyncMock

import aiohttp
import pytest

from bot.model.actions import DESK, THREAD, KickMember, SendMessage, Speaker
from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind
from bridge.matrix.api.http_client import LIFTED_BY_A_PERSON, LIFTED_WAIT, HomeserverClient, Permanent
from bridge.outbound.dispatcher import PermanentFailure, RetryLater
from tests.bridge.matrix.conftest import server as server  # noqa: PLC0414 - the fixture
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.room_sender_harness import RoomSenderHarness

WORDS = SendMessage(place=THREAD, body="help", speaker=Speaker.TEXTER)


@pytest.mark.parametrize(
    ("outside", "errcode", "raised"),
    [(True, "M_FORBIDDEN", RetryLater), (True, "M_TOO_LARGE", PermanentFailure), (False, "M_TOO_LARGE", PermanentFailure)],
)
async def test_words_make_no_dead_letter_for_a_room_that_is_lost(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch, outside: bool, errcode: str, raised: type[Exception]
) -> None:
    """Only a refusal of the room itself, and only where one of us is outside, is tried again; then rooms are compared."""
    sender = RoomSenderHarness(harness)
    sender.outside_rooms = {"!room"} if outside else set()
    task = await sender.task(WORDS)
    monkeypatch.setattr(sender.room_client, "send", AsyncMock(side_effect=Permanent(403, errcode)))
    with pytest.raises(raised):
        await sender.room_sender.perform(task)
    assert sender.comparisons == (1 if raised is RetryLater else 0)


async def test_words_that_were_refused_just_before_we_were_back_are_sent(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was outside at the refusal can be in the room when that is asked: only a second refusal there is final."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(WORDS)
    refuses = AsyncMock(side_effect=Permanent(403, "M_FORBIDDEN"))
    with monkeypatch.context() as patched:
        patched.setattr(sender.room_client, "send", refuses)
        with pytest.raises(RetryLater):
            await sender.room_sender.perform(task)
        sender.outside_rooms = {"!room"}
        with pytest.raises(RetryLater):
            await sender.room_sender.perform(task)
        sender.outside_rooms = set()
        with pytest.raises(RetryLater):
            await sender.room_sender.perform(task)
    await sender.room_sender.perform(task)
    later = replace(task, number=task.number + 1)
    monkeypatch.setattr(sender.room_client, "send", refuses)
    with pytest.raises(RetryLater):
        await sender.room_sender.perform(later)
    with pytest.raises(PermanentFailure):
        await sender.room_sender.perform(later)
    assert sender.comparisons == 1


@pytest.mark.parametrize("action", [KickMember(user="@eve:x", place=DESK), KickMember(user="@eve:x"), WORDS])
async def test_who_cannot_be_removed_is_told(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch, action: KickMember | SendMessage
) -> None:
    """Before the row is a dead letter; of nothing else that the homeserver refuses for good."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(action)
    for name in ("remove", "send"):
        monkeypatch.setattr(sender.room_client, name, AsyncMock(side_effect=Permanent(403, "M_UNKNOWN")))
    monkeypatch.setattr("bridge.outbound.room_lookup.room_of", AsyncMock(return_value="!room"))
    with pytest.raises(PermanentFailure):
        await sender.room_sender.perform(task)
    kinds = [HomeserverIncidentKind.NOT_REMOVED] if isinstance(action, KickMember) else []
    assert [incident.kind for incident in sender.told] == kinds


@pytest.mark.parametrize("errcode", sorted(LIFTED_BY_A_PERSON))
async def test_what_an_administrator_lifts_is_waited_for_and_told(
    harness: BridgeHarness, server: ScriptedHomeserver, errcode: str
) -> None:
    """An account that is locked or suspended makes no dead letter of a texter's words; people hear of it once a day."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(WORDS)
    async with aiohttp.ClientSession() as session:
        client = HomeserverClient(session=session, url=server.url, token="t", user_id="@line-main:x")
        server.refuse, server.refuse_errcode = ("/send/", 403), errcode

        async def send(room: str, _speaker: Speaker, txn: str, *_: object) -> str:
            return str(await client.request("PUT", "rooms", room, "send", "m.room.encrypted", txn))

        sender.room_client.send = send  # type: ignore[method-assign,assignment]
        for _ in range(2):
            with pytest.raises(RetryLater) as later:
                await sender.room_sender.perform(task)
            assert later.value.after == LIFTED_WAIT
    assert sender.told == [HomeserverIncident(kind=HomeserverIncidentKind.SUSPENDED)]
