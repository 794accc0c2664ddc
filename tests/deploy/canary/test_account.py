"""The canary's account beside a client that fails as matrix-nio does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import nio
import pytest

from bridge.config.sections import Config
from deploy.canary.account import SEND_TRIES, CanaryClient
from deploy.canary.handsets import Unreachable

ROOM = "!thread"
CONFIG = cast("Config", SimpleNamespace(canary_mxid="@canary:h", homeserver=SimpleNamespace(url="http://127.0.0.1:9")))


class ForgetfulClient:
    """A client in one encrypted room. It fails so many times because a sync took the session that it was sharing."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.bodies: list[str] = []
        self.rooms = {ROOM: SimpleNamespace(encrypted=True)}

    def add_event_callback(self, *_: object) -> None:
        """Do nothing."""

    async def room_send(self, room_id: str, _kind: str, content: dict[str, str], **_: object) -> nio.RoomSendResponse:
        """Send, or raise as `share_group_session` does."""
        if self.failures:
            self.failures -= 1
            raise KeyError(room_id)
        self.bodies.append(content["body"])
        return nio.RoomSendResponse("$event", room_id)


async def say(client: Any) -> None:
    await CanaryClient(client, bot="@policy:h", puppet="@line:h").say(ROOM, "words")


@pytest.mark.parametrize("failures", range(SEND_TRIES))
async def test_words_are_sent_once_though_a_membership_comes_between(failures: int) -> None:
    client = ForgetfulClient(failures)
    await say(client)
    assert client.bodies == ["words"]


async def test_words_that_cannot_be_sent_are_a_step_that_failed() -> None:
    """The round trip ends with its alarm, and the canary goes on."""
    client = ForgetfulClient(SEND_TRIES)
    with pytest.raises(Unreachable):
        await say(client)
    assert client.bodies == []
