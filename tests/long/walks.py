"""The files that each journey uses: `.venv/bin/python -m tests.long.walks` prints ARCHITECTURE.md's table of walks.

Rules of this module: the bridge is the product's own, with a hook that counts calls into `bridge`, `bot` and `policies`;
the homeserver, the carrier and the client are real. A file is on the path of a journey if a line that is idle for ten
seconds does not use it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from tests.e2e.carrier_api import handset
from tests.e2e.nio_client import NioClient
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import bring_people, log_in_nio
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.visibility import wait_until_readable
from tests.fakes.crashable_bridge import fork_at_orders
from tests.fakes.crashing_stack import CrashingStack

ROOT: Final = Path(__file__).resolve().parents[2]
OURS: Final = tuple(f"{ROOT / folder}/" for folder in ("bridge", "bot", "policies"))
COUNTS: Final = "QUIETLINE_TEST_WALKS"
"""The environment variable with the file into which a bridge writes its counts, at SIGUSR1."""
REST: Final = 3.0
"""Seconds to wait after a journey's last sign, for the work that follows it."""
IDLE: Final = 10.0


class Counter:
    """Counts calls until `write`, which resets the counts."""

    def __init__(self) -> None:
        self.functions: dict[str, set[str]] = {}
        self.calls = self.moves = 0
        self._last = ""

    def see(self, frame: FrameType, event: str, _argument: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(OURS):
            self.functions.setdefault(file, set()).add(frame.f_code.co_qualname)
            self.calls += 1
            self.moves += file != self._last
            self._last = file

    def write(self, *_signal: Any) -> None:
        counted = {
            "functions": {file.removeprefix(f"{ROOT}/"): len(names) for file, names in self.functions.items()},
            "calls": self.calls,
            "moves": self.moves,
        }
        self.functions, self.calls, self.moves = {}, 0, 0
        whole = Path(os.environ[COUNTS])
        whole.with_suffix(".new").write_text(json.dumps(counted), encoding="utf-8")
        whole.with_suffix(".new").replace(whole)


class CountedStack(CrashingStack):
    """A line whose bridge counts calls."""

    BRIDGES = ("tests.long.walks", "bridge")

    counts: Path

    async def counted(self) -> dict[str, Any]:
        """Return the bridge's counts since the last call."""
        self.counts.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)

        async def written() -> dict[str, Any] | None:
            return json.loads(self.counts.read_text(encoding="utf-8")) if self.counts.exists() else None

        return await wait_until("the bridge has written its counts", written)


def row(name: str, counted: dict[str, Any], idle: set[str]) -> str:
    """Return a journey's row of the table."""
    files = set(counted["functions"])
    packages = {file.rpartition("/")[0] for file in files - idle}
    numbers = (len(files), len(files - idle), len(packages), sum(counted["functions"].values()))
    cells = (name, *(f"{number:,}" for number in (*numbers, counted["calls"], counted["moves"])))
    return f"| {' | '.join(cells)} |"


async def walk(directory: Path) -> None:
    """Run the journeys and print the table."""
    line = CountedStack(directory)
    line.counts = directory / "counts.json"
    os.environ[COUNTS] = str(line.counts)
    async with line.running():
        scene = StaffedLine(stack=line, ready=line.ready)
        opening = (log_in_nio(line.ready.homeserver, line.ready.account(role)) for role in ("advocate", "supervisor"))
        await journeys(line, scene, opening)


async def journeys(line: CountedStack, scene: StaffedLine, opening: Iterable[Awaitable[NioClient]]) -> None:
    """Run the journeys of an advocate and a supervisor, and print the files that each used."""
    async with bring_people(scene, opening) as (person, supervisor):
        await asyncio.sleep(REST)
        await line.counted()
        await asyncio.sleep(IDLE)
        idle = set((await line.counted())["functions"])
        print("| journey | files touched | on path | packages on path | functions | calls | moves from file to file |")  # noqa: T201
        print("| --- | --- | --- | --- | --- | --- | --- |")  # noqa: T201

        async def journey(name: str, going: Awaitable[Any]) -> Any:
            await line.counted()
            done = await going
            await asyncio.sleep(REST)
            print(row(name, await line.counted(), idle))  # noqa: T201
            return done

        number = handset()
        card = await journey("first text of a new texter, to the room", scene.wait_for_card(person, number, "hello?"))
        talk = await scene.claim(person, number, card, by="!claim")
        await scene.carrier.wait_for_acknowledgements(number, 1)

        async def next_text() -> None:
            await scene.carrier.text(number, "are you there?")
            await talk.wait_for_text("are you there?")

        async def answer() -> None:
            said = await person.say(talk.room, "yes, I am here")
            await talk.wait_for_receipt(said, "delivered")

        def command(words: str, sign: str) -> Callable[[], Awaitable[None]]:
            async def said() -> None:
                await person.say(talk.room, words)
                await talk.wait_for_notice(sign)

            return said

        async def escalate() -> None:
            before = set(await supervisor.invites())
            await person.say(talk.room, "!escalate")
            await supervisor.join(await scene.wait_for_invite(supervisor, before))
            await wait_until_readable(scene, supervisor, talk.room, scene.ready.voice, "hello?", "are you there?")

        async def certified() -> bool | None:
            return line.rows("SELECT COUNT(*) FROM erasure_certificate")[0][0] == 2 or None

        async def close() -> None:
            await supervisor.say(talk.room, "!close now")
            await wait_until("room and person are erased", certified, within=60)

        await asyncio.sleep(REST)
        await journey("next text in an open thread", next_text())
        await journey("an answer, to delivered", answer())
        await journey("`!status`", command("!status", talk.designation)())
        await journey("`!escalate`, to the supervisor who reads the thread", escalate())
        await journey("`!close now`, to two certificates", close())


def bridge(config: str) -> None:
    """Run the bridge, and count its calls."""
    from bridge.app.main import main

    counter = Counter()
    signal.signal(signal.SIGUSR1, counter.write)
    sys.setprofile(counter.see)
    sys.exit(main(Path(config)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["bridge"]:
        fork_at_orders()
        bridge(sys.argv[2])
    logging.disable()  # nio logs every event without a key
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(walk(Path(temporary)))
