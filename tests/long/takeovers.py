"""Ten takeovers of a line of two bridges, while people text: killed, frozen, and told to hand over, in turn.

Rules of this module: the server is the tests' own; without a homeserver, so that the bridges and not Synapse are what is
measured; everything is counted, and the seconds of each takeover are told.

Run alone: `python -P -m tests.long takeovers`.
"""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path
from typing import Final

from bridge.config import load
from deploy.inspect.handover import hand_over
from tests.fakes.postgres_server import SUPERUSER, bridge_server, running_postgres
from tests.fakes.texting import Count, Texting
from tests.fakes.two_bridges import TwoBridges
from tests.outside_programs import OutsidePrograms

HOW: Final = ("killed", "frozen", "handed over")
TEXTS_A_SECOND: Final = 25.0
NEW_OF: Final = 20


async def run(texts: int, *, takeovers: int = 10) -> tuple[Count, dict[str, list[float]]] | None:
    """Play it; None where PostgreSQL is not on this machine. The seconds by how it came about."""
    with running_postgres(OutsidePrograms(missing=[])) as found, tempfile.TemporaryDirectory() as directory:
        if found is None:
            return None
        line = TwoBridges(Path(directory), bridge_server(found).url(SUPERUSER))
        seconds: dict[str, list[float]] = {how: [] for how in HOW}
        async with line.running():
            await line.pair()
            texting = Texting(line, every=1 / TEXTS_A_SECOND, new_of=NEW_OF)
            for number in range(takeovers):
                await texting.wait_for(texts * (number + 1) // (takeovers + 1))
                how, (leader, other) = HOW[number % len(HOW)], await line.pair()
                if how == "handed over":
                    began = time.monotonic()
                    report = await hand_over(load(line.layout.config))
                    assert report.ok, report.as_text()
                    await line.wait_until_leading(other)
                    seconds[how].append(time.monotonic() - began)
                else:
                    sign = signal.SIGKILL if how == "killed" else signal.SIGSTOP
                    seconds[how].append(await line.take_over(leader, other, sign))
            await texting.wait_for(texts)
            await texting.stop()
            return await texting.count(), seconds
