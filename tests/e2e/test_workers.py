"""A line on a Synapse with workers: people logged in, texts shown, commands answered, by the files that `init` writes."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.bench.bench_line import BenchLine
from tests.bench.desk import supervisor_at_desk
from tests.bench.workers import join_thread, measure, run_with_workers
from tests.e2e.polling import wait_until
from tests.e2e.stack import ROOT, run
from tests.e2e.staff_client import attachment
from tests.fakes.postgres_server import running_postgres
from tests.outside_programs import OutsidePrograms

pytestmark = pytest.mark.long

CLIENTS = 5
SEALED = b"what a client has sealed"


async def test_a_line_with_workers(tmp_path: Path, outside_programs: OutsidePrograms) -> None:
    """Two workers behind Caddy, five clients with long polls: the advocate reads texts and the desk answers meanwhile."""
    with running_postgres(outside_programs) as server:
        if server is None:
            return
        outcome = await measure(tmp_path, server, outside_programs, 2, CLIENTS, 4.0, 2.0)
    if outcome is None:
        return
    assert outcome.refused == 0
    assert outcome.syncs >= CLIENTS
    assert min(len(outcome.texts), len(outcome.commands), len(outcome.sends)) >= 1


async def test_an_upload_on_a_worker_ends_with_its_conversation(tmp_path: Path, outside_programs: OutsidePrograms) -> None:
    """From that worker's own disk, which the main process does not see; `erasure verify` finds all of it gone.

    The line is behind nginx here: a text, what the desk says and an end go that way, too.
    """
    with running_postgres(outside_programs) as server:
        if server is None:
            return
        async with AsyncExitStack() as stack:
            line, uploads = BenchLine(tmp_path), tmp_path / "uploads"
            if await run_with_workers(stack, line, server, outside_programs, 2, router="nginx", uploads=uploads) is None:
                return
            sol, ids = await stack.enter_async_context(supervisor_at_desk(line))
            room = await join_thread(line, sol, ids)
            address = await sol.upload(SEALED)
            content = attachment("a file")
            await sol.say_raw(room, {**content, "file": {**content["file"], "url": address}})
            assert len(_kept(uploads)) == 1
            main = line.layout.bridge / "main.db"

            async def noted() -> bool | None:
                return line.ask(main, "SELECT COUNT(*) FROM matrix_upload WHERE mxc = $1", address) == 1 or None

            await wait_until("the bridge has noted the upload", noted)
            await sol.say_quickly(room, "!close now")

            async def over() -> bool | None:
                return line.ask(main, "SELECT COUNT(*) FROM erasure_certificate") == 2 or None

            await wait_until("two certificates are kept", over, within=120)
            assert _kept(uploads) == []
            data = str(line.layout.data)
            code, out = await run([str(ROOT / "quietline"), "erasure", "verify", "--json", "--data", data])
            assert (code, json.loads(out)["ok"]) == (0, True), out


def _kept(uploads: Path) -> list[Path]:
    return [path for path in uploads.rglob("*") if path.is_file() and path.read_bytes() == SEALED]
