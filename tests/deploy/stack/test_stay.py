"""`quietline stay`: what a container does when its verb refuses."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from typing import TYPE_CHECKING

import aiohttp
import pytest

from deploy.stack import stay
from deploy.stack.stay import STAYS
from tests.deploy.processes import ROOT
from tests.e2e.polling import STEP_TIMEOUT
from tests.free_ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@contextlib.asynccontextmanager
async def staying(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `quietline stay` with these words; it is gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "deploy", "stay", *words), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def until_it_stays(process: asyncio.subprocess.Process) -> list[str]:
    """Return the lines that it says until it stays."""
    assert process.stderr is not None
    said: list[str] = []
    async with asyncio.timeout(STEP_TIMEOUT):
        while not said or STAYS not in said[-1]:
            said.append((await process.stderr.readline()).decode())
            assert said[-1], said
    return said


async def asked(port: int, path: str) -> int:
    async with asyncio.timeout(STEP_TIMEOUT), aiohttp.ClientSession() as http:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"http://127.0.0.1:{port}{path}") as answer:
                    return answer.status
            await asyncio.sleep(0.05)


async def test_a_refusal_is_said_once_and_nothing_starts_again(tmp_path: Path) -> None:
    """The bridge says what is wrong, once, and stays: not well, and not to be started again; SIGTERM ends it with 2."""
    port = free_ports(1)
    (config := tmp_path / "config.yaml").write_text("lines: []\n")
    async with staying("--answer", f"127.0.0.1:{port}", "bridge", "--config", str(config)) as process:
        said = await until_it_stays(process)
        assert sum("homeserver" in line for line in said) == 1
        assert [await asked(port, path) for path in ("/live", "/ready", "/accepting", "/running")] == [503, 503, 503, 200]
        assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        async with asyncio.timeout(STEP_TIMEOUT):
            assert (await process.stderr.read(), await process.wait()) == (b"", 2)


async def test_a_port_that_is_taken_is_had_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What refuses because its port is taken answers there as soon as it is free."""
    monkeypatch.setattr(stay, "BIND_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        task = asyncio.create_task(stay._answer_at("127.0.0.1", port))
        await asyncio.sleep(0)
    assert await asked(port, "/running") == 200
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("words", "code"), [(("--version",), 0), (("status", "--data", "NONE", "--nonsense"), None)])
async def test_all_else_ends_as_without_it(words: tuple[str, ...], code: int | None, tmp_path: Path) -> None:
    """What is well, or may be well next time, ends with its own code; whatever ends with 2 stays."""
    async with staying(*(word.replace("NONE", str(tmp_path)) for word in words)) as process:
        if code is None:
            await until_it_stays(process)
            assert process.returncode is None
        else:
            async with asyncio.timeout(STEP_TIMEOUT):
                assert await process.wait() == code
