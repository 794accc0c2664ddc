"""The rehearsal carrier as a process: how it starts, refuses to start, and ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

import deploy
from deploy.rehearsal.settings import load
from policies import ProblemsError
from tests.e2e.polling import STEP_TIMEOUT

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

ROOT = Path(deploy.__file__).parents[1]


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    for name in ("token", "key"):
        (tmp_path / name).write_text(f"{name}-s3cret\n")
        (tmp_path / name).chmod(0o600)
    return {
        "host": "127.0.0.1",
        "port": 0,
        "number": "+15555550100",
        "token_file": str(tmp_path / "token"),
        "signing_key_file": str(tmp_path / "key"),
        "webhook_base": "http://127.0.0.1:9/carriers/demo",
    }


def written(tmp_path: Path, config: object) -> Path:
    file = tmp_path / "carrier.json"
    file.write_text(json.dumps(config))
    return file


@asynccontextmanager
async def process(file: Path) -> AsyncIterator[tuple[Process, str]]:
    """Start it as `up` does; the value is the process and its URL."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "deploy.rehearsal", "--config", str(file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        assert child.stdout is not None
        line = (await asyncio.wait_for(child.stdout.readline(), STEP_TIMEOUT)).decode()
        assert line.startswith("handsets at http://127.0.0.1:")
        yield child, line.split()[-1].rstrip("/")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def _faults_left(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(f"{url}/api/faults") as answer:
        return int((await answer.json())["times"])


async def test_ends_promptly(tmp_path: Path, config: dict[str, Any]) -> None:
    """SIGTERM ends it at once with 0, also while a send hangs and a text is queued; it has said nothing but its address."""
    async with process(written(tmp_path, config)) as (child, url), aiohttp.ClientSession() as session:
        body = {"from": "+15555550101", "to": "+15555550100", "text": "word"}
        async with session.post(f"{url}/api/texts", json=body) as answer:
            assert answer.status == 202
        async with session.post(f"{url}/api/faults", json={"send": "timeout"}) as answer:
            assert answer.status == 200
        headers = {"Authorization": "Bearer token-s3cret"}
        hanging = asyncio.create_task(
            session.post(f"{url}/v1/messages", json={"to": "+15555550101", "text": "word"}, headers=headers)
        )
        async with asyncio.timeout(STEP_TIMEOUT):
            # The fault is used up once the request is there.
            while await _faults_left(session, url):  # noqa: ASYNC110 - another process answers
                await asyncio.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        output, errors = await asyncio.wait_for(child.communicate(), STEP_TIMEOUT)
        assert (child.returncode, output, errors) == (0, b"", b"")
        with pytest.raises(aiohttp.ClientError):
            await hanging


async def test_logs_no_content(tmp_path: Path, config: dict[str, Any]) -> None:
    """Whatever goes wrong, neither a number nor a word is on its output; that something did go wrong is."""
    async with process(written(tmp_path, config)) as (child, url), aiohttp.ClientSession() as session:
        for body in ({"from": "+15555550101", "to": "+15555550100", "text": "s3cret"}, {"from": "s3cret"}, "s3cret"):
            async with session.post(f"{url}/api/texts", json=body) as answer:
                assert answer.status in (202, 400)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET /api/texts?handset=+15555550101 HTTP/9.9 s3cret\r\ns3cret\r\n\r\n")
        assert b" 400 " in await reader.read()
        writer.close()
        child.send_signal(signal.SIGTERM)
        output, errors = await asyncio.wait_for(child.communicate(), STEP_TIMEOUT)
    assert b"ERROR aiohttp.server" in errors
    for stream in (output, errors):
        assert b"s3cret" not in stream
        assert b"5555" not in stream


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"port": "s3cret"}, ["port"]),
        ({"port": True}, ["port"]),
        ({"port": 70000}, ["port"]),
        ({"number": "s3cret"}, ["number"]),
        ({"webhook_base": "ftp://s3cret"}, ["webhook_base"]),
        ({"webhook_base": "http://host/?s3cret"}, ["webhook_base"]),
        ({"webhook_base": "http://[s3cret"}, ["webhook_base"]),
        ({"host": None, "number": "s3cret", "more": "s3cret"}, ["host", "number", "more"]),
    ],
)
def test_wrong_settings(tmp_path: Path, config: dict[str, Any], change: dict[str, Any], named: list[str]) -> None:
    """Each wrong setting is named, all at once, and no value is told."""
    with pytest.raises(ProblemsError) as caught:
        load(written(tmp_path, config | change))
    assert len(caught.value.problems) == len(named)
    for name in named:
        assert any(f": {name}: " in problem for problem in caught.value.problems)
    assert "s3cret" not in str(caught.value)


def test_secrets(tmp_path: Path, config: dict[str, Any]) -> None:
    """A secret that is missing, empty or readable by others stops the start with 2, said to who started it."""
    (tmp_path / "key").chmod(0o640)
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(ProblemsError) as caught:
        load(written(tmp_path, config))
    assert [problem.split(": ")[1] for problem in caught.value.problems] == ["token_file", "signing_key_file"]
    with pytest.raises(ProblemsError, match="token_file: the file cannot be read"):
        load(written(tmp_path, config | {"token_file": str(tmp_path / "none")}))
