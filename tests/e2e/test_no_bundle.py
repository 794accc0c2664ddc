"""A client that takes no bundle of keys is told by `!recap` what colleagues typed.

It learns from its sync that it joined, before its own join is answered, and has forgotten then that it was asked in: the
Rust SDK notes who asked it in only where it was not in yet.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e import separate_line
from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.faulty_homeserver import FaultMode, FaultyHomeserver
from tests.e2e.second_devices import second_device
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.visibility import wait_until_identities_known, wait_until_readable

pytestmark = pytest.mark.long


@contextmanager
def standing_still(staffed_line: StaffedLine) -> Iterator[None]:
    """Let the bridge do nothing meanwhile."""
    pid = staffed_line.ready.pids["bridge"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_recap_where_a_client_takes_nothing(tmp_path: Path, strict_client_factory: StrictClientFactory) -> None:
    """Given nothing before it accepted, and taking nothing since, it reads the texter's side, and by `!recap` the rest."""
    async with separate_line.run_line(tmp_path) as staffed_line:
        ready = staffed_line.ready
        opening = (strict_client_factory.log_in(ready.homeserver, ready.account("advocate", number)) for number in range(2))
        async with (
            separate_line.bring_people(staffed_line, opening) as (ada, bea),
            FaultyHomeserver(ready.homeserver, only="/join").listening() as late,
        ):
            conversation = await staffed_line.start_conversation(ada, handset(), "said before you took nothing")
            await ada.say(conversation.room, "// typed before you took nothing")
            await ada.say(conversation.room, f"!with {bea.mxid}")
            assert await staffed_line.wait_for_invite(bea, set()) == conversation.room
            with ExitStack() as until_joined:
                until_joined.enter_context(standing_still(staffed_line))
                async with second_device(staffed_line, bea, homeserver=late.url) as second:
                    assert await staffed_line.wait_for_invite(second, set()) == conversation.room
                    late.mode = FaultMode.LATE
                    await second.join(conversation.room)
                    late.mode = FaultMode.WELL
                    assert late.requests_by_mode[FaultMode.LATE] == 1
                    until_joined.close()
                    await wait_until_identities_known(staffed_line, second)
                    await wait_until_readable(
                        staffed_line, second, conversation.room, ready.voice, "said before you took nothing"
                    )
                    typed = [
                        i.kind for i in await second.whole(conversation.room) if i.sender == ada.mxid and i.kind != "state"
                    ]
                    assert set(typed) == {"undecryptable"}
                    await second.say(conversation.room, "!recap")
                    await replace(conversation, client=second).wait_for_notice(
                        "on their way to your devices", "// typed before you took nothing"
                    )
