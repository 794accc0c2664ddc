"""The chart's gate in the real program: what comes through from outside, and what its own jobs reach."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.deploy.kubernetes.rendered import FRAGMENTS, RELEASE, Chart, one
from tests.e2e.polling import wait_until
from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms

SECRET = "path-secret-of-the-carrier"
REFUSED = (
    *("/", "/ready", "/live", "/accepting", "/metrics", "/carriers", "/carriers/main", "/carriers/other/inbound"),
    *("/_matrix/client/versions", "//accepting", "/carriers/main/../../live", "/carriers/main/%2e%2e/%2e%2e/ready"),
)


@asynccontextmanager
async def gate(text: str, program: str, directory: Path) -> AsyncIterator[tuple[int, int, list[str]]]:
    """Run the file before one bridge; yield the port outside, the one inside, and what the bridge is asked."""
    requests: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        requests.append(request.raw_path)
        await request.read()  # an answer before the end of the body resets the connection
        return web.json_response({"role": "leader"})

    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", "/{path:.*}", answer)
    base = free_ports()
    async with TestServer(application) as bridge:
        for old, new in (
            (f"{RELEASE}-0.{RELEASE}-bridges:8449", f"127.0.0.1:{bridge.port}"),
            (":8080 {", f":{base} {{\n\tbind 127.0.0.1"),
            (":8449 {", f":{base + 1} {{\n\tbind 127.0.0.1"),
        ):
            assert old in text
            text = text.replace(old, new)
        (file := directory / "Caddyfile").write_text(text, encoding="utf-8")
        with (directory / "output").open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *(program, "run", "--adapter", "caddyfile", "--config", str(file)),
                env={"PATH": "/usr/bin:/bin", "HOME": str(directory)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

        async def looks() -> bool | None:
            assert process.returncode is None, (directory / "output").read_text()
            with contextlib.suppress(OSError):
                return (await ask(base, "/") > 0 and "/accepting" in requests) or None
            return None

        try:
            await wait_until("the gate has looked at the bridge", looks)
            yield base, base + 1, requests
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def ask(port: int, path: str, *, body: bytes = b"") -> int:
    """Send exactly this path; return the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: text.agency.org\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    try:
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


async def test_webhooks_of_the_line_come_through_and_nothing_else(
    chart: Chart, tmp_path: Path, outside_programs: OutsidePrograms
) -> None:
    """With a picture of 16 MiB, unchanged; whatever else is 404. Jobs reach the bridge itself. Nothing is written."""
    if (program := outside_programs.find("caddy")) is None:
        return
    objects = chart.render(FRAGMENTS / "one-bridge.yaml")
    text = one(objects, "ConfigMap", f"{RELEASE}-gate")["data"]["Caddyfile"]
    (directory := tmp_path / "gate").mkdir()
    async with gate(text, program, directory) as (outside, inside, requests):
        webhook = f"/carriers/main/inbound/{SECRET}?id=1%2F2"
        assert await ask(outside, webhook, body=b"x" * (16 << 20)) == 200
        assert webhook in requests
        paths = [path for path in requests if path != "/accepting"]
        statuses = {path: await ask(outside, path) for path in REFUSED}
        assert {path: status for path, status in statuses.items() if status not in (400, 404)} == {}
        assert [path for path in requests if path != "/accepting"] == paths
        assert await ask(inside, "/ready") == 200
        assert "/ready" in requests
    for file in directory.rglob("*"):
        assert not (file.is_file() and SECRET.encode() in file.read_bytes())
