"""What a carrier sees while the line's PostgreSQL is restarted, promoted, full of others, or set to read only.

Rule of this module: a text that was answered 200 is there afterwards, once; one that was not is answered 503, so that its
carrier brings it again, and is taken when the server is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from bridge.storage.errors import Unavailable
from bridge.storage.postgres_connection import connect
from tests.bridge.inbound.test_webhook import WebhookClient, adapter, text
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import VARIABLE, AnyDatabase, make_database, place_of
from tests.fakes.postgres_server import REPLICATING, SUPERUSER, PostgresServer
from tests.outside_programs import OutsidePrograms


@contextlib.asynccontextmanager
async def bridge(directory: Path) -> AsyncIterator[WebhookClient]:
    """Start a bridge whose texts stay in its inbox, and stop it."""
    carrier = adapter()
    harness = BridgeHarness(directory, inbound_carrier=carrier)
    try:
        await harness.open()
        await harness.engine.load()
        yield WebhookClient(harness=harness, url=await harness.listen())
    finally:
        await harness.close()
        await carrier.close()


async def kept(webhook: WebhookClient) -> int:
    """Return how many texts wait in the inbox."""
    query = "SELECT COUNT(*) FROM inbox WHERE kind = 'TextArrived'"
    return int(await webhook.harness.database.fetchval(query))


def texts(number: int) -> bytes:
    return text(f"words {number}", message_id=f"id{number}")


async def opens(database: AnyDatabase) -> bool | None:
    """Whether a database can be opened now: a server needs a moment to see that others have gone."""
    try:
        await database.open()
    except Unavailable:
        return None
    await database.close()
    return True


async def test_a_server_that_is_restarted(server: PostgresServer, tmp_path: Path) -> None:
    """503 while it is away, and until the bridge was started anew; then each text is there, and once."""
    async with bridge(tmp_path) as webhook:
        assert await webhook.post(texts(1)) == 200
        await asyncio.to_thread(server.stop)
        assert await webhook.post(texts(2)) == 503
        with pytest.raises((OSError, Unavailable)):
            await webhook.harness.database.wait_for_failure()
        await asyncio.to_thread(server.start, *REPLICATING)
        assert await webhook.post(texts(2)) == 503
    async with bridge(tmp_path) as webhook:
        assert [await webhook.post(texts(n)) for n in (1, 2)] == [200, 200]
        assert await kept(webhook) == 2


async def test_a_replica_is_promoted(server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked by mistake it takes nothing and that is said; promoted after the primary's loss it has what was answered."""
    replica = await asyncio.to_thread(server.make_replica)
    await asyncio.to_thread(replica.start, *REPLICATING)
    try:
        async with bridge(tmp_path) as webhook:
            history = webhook.harness.database.history
            assert await webhook.post(texts(1)) == 200
            await asyncio.to_thread(server.wait_until_replayed, replica)
            await asyncio.to_thread(server.crash)
            assert await webhook.post(texts(2)) == 503
        monkeypatch.setenv(VARIABLE, replica.url("postgres"))
        with pytest.raises(Unavailable, match="read-only replica"):
            await make_database(tmp_path / "main.db").open()
        # Nor does any one connection of several go to a replica: what that has not heard of would count as gone.
        place = place_of(tmp_path / "main.db")
        with pytest.raises(Unavailable, match="read-only replica"):
            await connect(place, read_only=True)
        await (await connect(place, read_only=True, replica_too=True)).close()
        assert replica.execute(SUPERUSER, "SELECT pg_promote(true, 60)") == [(True,)]
        async with bridge(tmp_path) as webhook:
            assert (history, webhook.harness.database.history) == ("00000001", "00000002")
            assert [await webhook.post(texts(n)) for n in (1, 2)] == [200, 200]
            assert await kept(webhook) == 2
    finally:
        await asyncio.to_thread(replica.stop)


async def test_a_synchronous_replica_has_what_was_answered(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text is not answered before the replica that the primary names has it; after the primary's loss it is there."""
    replica = await asyncio.to_thread(server.make_replica)
    await asyncio.to_thread(replica.start, *REPLICATING)
    try:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start, *REPLICATING, "synchronous_standby_names=*")
        follows = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
        await wait_until("the replica follows", partial(answers, server, follows))
        async with bridge(tmp_path) as webhook:
            assert await webhook.post(texts(1)) == 200
            [(receiver,)] = replica.execute(SUPERUSER, "SELECT pid FROM pg_stat_wal_receiver")
            os.kill(receiver, signal.SIGSTOP)
            try:
                answer = asyncio.create_task(webhook.post(texts(2)))
                waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                await wait_until("a sync waits for the replica", partial(answers, server, waits))
                assert await kept(webhook) == 2
                assert not answer.done()
            finally:
                os.kill(receiver, signal.SIGCONT)
            assert await answer == 200
            await asyncio.to_thread(server.crash)
        assert replica.execute(SUPERUSER, "SELECT pg_promote(true, 60)") == [(True,)]
        monkeypatch.setenv(VARIABLE, replica.url("postgres"))
        async with bridge(tmp_path) as webhook:
            assert await kept(webhook) == 2
            assert await webhook.post(texts(2)) == 200
            assert await kept(webhook) == 2
    finally:
        await asyncio.to_thread(replica.stop)


async def answers(server: PostgresServer, question: str) -> bool | None:
    """Whether a server has a row for it."""
    return bool(await asyncio.to_thread(server.execute, SUPERUSER, question)) or None


@contextlib.contextmanager
def own_disk(server: PostgresServer) -> Iterator[Path | None]:
    """Have the server's data lie on a small disk of their own for the length of the block; None where nobody may mount."""
    server.stop()
    data, before = server.directory / "data", server.directory / "before"
    data.rename(before)
    data.mkdir(mode=0o700)
    used = sum(path.stat().st_size for path in before.rglob("*") if path.is_file())
    who = before.stat()
    options = f"size={used + 32 * 2**20},mode=0700,uid={who.st_uid},gid={who.st_gid}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "quietline-test", str(data)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        subprocess.run(["cp", "-a", f"{before}/.", str(data)], check=True)
        server.start(*REPLICATING)
        yield data
    finally:
        server.stop()
        subprocess.run(["umount", str(data)], check=True)


def fill(file: Path) -> None:
    """Leave no byte on a disk."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass


async def test_a_server_whose_disk_is_full(
    server: PostgresServer, tmp_path: Path, outside_programs: OutsidePrograms
) -> None:
    """503 while it has no room for a text, and the bridge goes on; then each text is taken, and each is there once."""
    with own_disk(server) as disk:
        if disk is None:
            outside_programs.lack("a disk of the test's own (mount)")
            pytest.skip("nobody may mount a disk here")
        async with bridge(tmp_path) as webhook:
            filler = disk / "filler"
            fill(filler)
            answers = [await webhook.post(texts(0))]
            while answers[-1] == 200 and len(answers) < 500:
                answers.append(await webhook.post(texts(len(answers))))
            assert answers == [*[200] * (len(answers) - 1), 503]
            # More than what may be left where one text had no room.
            more = "CREATE TABLE more AS SELECT generate_series(1, 1000000) AS n"
            with pytest.raises(Unavailable, match="53100"):
                await webhook.harness.database.commit(lambda transaction: transaction.execute(more))
            assert await kept(webhook) == len(answers) - 1
            filler.unlink()
            assert [await webhook.post(texts(n)) for n in range(len(answers))] == [200] * len(answers)
            assert await kept(webhook) == len(answers)
