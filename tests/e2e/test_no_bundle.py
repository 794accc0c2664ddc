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

from tests.e2e import own_line
from tests.e2e.carrier import handset
from tests.e2e.conftest import OpenStrict
from tests.e2e.devices import second_device
from tests.e2e.faulty import Faulty, Mood
from tests.e2e.reading import knows_us, reads
from tests.e2e.scene import Scene


@contextmanager
def standing_still(scene: Scene) -> Iterator[None]:
    """Let the bridge do nothing meanwhile."""
    pid = scene.ready.pids["bridge"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_recap_where_a_client_takes_nothing(tmp_path: Path, open_strict: OpenStrict) -> None:
    """Given nothing before it accepted, and taking nothing since, it reads the texter's side, and by `!recap` the rest."""
    async with own_line.running(tmp_path) as scene:
        ready = scene.ready
        opening = (open_strict.seat(ready.homeserver, ready.account("advocate", number)) for number in range(2))
        async with (
            own_line.seated(scene, opening) as (ada, bea),
            Faulty(ready.homeserver, only="/join").listening() as late,
        ):
            talk = await scene.talk(ada, handset(), "said before you took nothing")
            await ada.say(talk.room, "// typed before you took nothing")
            await ada.say(talk.room, f"!with {bea.mxid}")
            assert await scene.invited(bea, set()) == talk.room
            with ExitStack() as until_joined:
                until_joined.enter_context(standing_still(scene))
                async with second_device(scene, bea, homeserver=late.url) as second:
                    assert await scene.invited(second, set()) == talk.room
                    late.mood = Mood.LATE
                    await second.join(talk.room)
                    late.mood = Mood.WELL
                    assert late.met[Mood.LATE] == 1
                    until_joined.close()
                    await knows_us(scene, second)
                    await reads(scene, second, talk.room, ready.voice, "said before you took nothing")
                    typed = [i.kind for i in await second.whole(talk.room) if i.sender == ada.mxid and i.kind != "state"]
                    assert set(typed) == {"undecryptable"}
                    await second.say(talk.room, "!recap")
                    await replace(talk, seat=second).told(
                        "on their way to your devices", "// typed before you took nothing"
                    )
