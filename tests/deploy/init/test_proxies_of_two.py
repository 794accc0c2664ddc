"""The files for Caddy and nginx before two bridges (`deploy/examples/standby`), in the real programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.deploy.init import proxy_rig
from tests.deploy.init.proxy_rig import RunningProxy, Upstream, running_proxy
from tests.deploy.processes import free_port_base
from tests.e2e.polling import wait_until
from tests.e2e.stack import ROOT
from tests.outside_programs import OutsidePrograms

WEBHOOK = "/carriers/main/inbound"
HOLD = "lb_try_duration 60s"
"""Longer than the file's: what is held here is held for as long as this test needs."""


class Bridge(Upstream):
    """One of the two: it takes webhooks, or says 503 as one that waits does."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = False

    async def _answer(self, request: web.Request) -> web.Response:
        await super()._answer(request)
        return web.Response(status=200 if self.takes else 503)

    @property
    def texts(self) -> int:
        """How many webhooks were taken or refused."""
        return [path for path, _ in self.asked].count(WEBHOOK)

    async def is_looked_at(self) -> None:
        """Wait until the proxy has asked, and has had the answer: it asks again only then."""
        before = len(self.asked)

        async def asked() -> bool | None:
            return [path for path, _ in self.asked[before:]].count("/accepting") >= 2 or None

        await wait_until("the proxy has looked", asked)


@asynccontextmanager
async def before_two(kind: str, program: str, directory: Path) -> AsyncIterator[tuple[RunningProxy, Bridge, Bridge]]:
    """Run the file in the program, with addresses of this test."""
    proxy_rig.make_certificates(directory)
    name = "Caddyfile" if kind == "caddy" else "nginx.conf"
    text = (ROOT / "deploy" / "examples" / "standby" / name).read_text(encoding="utf-8")
    one, two, port = Bridge(), Bridge(), free_port_base()
    async with one.server, two.server:
        for old, new in (
            ("text.example.org", proxy_rig.HOST),
            ("10.0.0.1:8449", f"127.0.0.1:{one.server.port}"),
            ("10.0.0.2:8449", f"127.0.0.1:{two.server.port}"),
        ):
            assert old in text
            text = text.replace(old, new)
        text = text.replace("lb_try_duration 15s", HOLD)
        assert (HOLD in text) is (kind == "caddy")
        changed = (proxy_rig.caddy_config if kind == "caddy" else proxy_rig.nginx_config)(text, directory, port)
        (file := directory / "changed.conf").write_text(changed, encoding="utf-8")
        words = ["run", "--adapter", "caddyfile", "--config"] if kind == "caddy" else ["-p", str(directory), "-c"]
        async with running_proxy([program, *words, str(file)], directory, one, two, port) as proxy:
            yield proxy, one, two


async def test_caddy_holds_a_webhook_until_a_bridge_takes_it(tmp_path: Path, outside_programs: OutsidePrograms) -> None:
    """It goes to the one that leads, whichever that is; while none does it waits, and is given to one alone, once."""
    if (program := outside_programs.find("caddy")) is None:
        return
    async with before_two("caddy", program, tmp_path / "proxy") as (proxy, one, two):
        for leads, waits in ((one, two), (two, one)):
            leads.takes, waits.takes = True, False
            for bridge in (leads, waits):
                await bridge.is_looked_at()
            seen = leads.texts, waits.texts
            assert await proxy.ask(WEBHOOK, method="POST", body=b"text") == 200
            assert (leads.texts, waits.texts) == (seen[0] + 1, seen[1])
        two.takes = False
        await two.is_looked_at()
        seen = one.texts, two.texts
        held = asyncio.create_task(proxy.ask(WEBHOOK, method="POST", body=b"text"))
        await one.is_looked_at()
        assert not held.done()
        one.takes = True
        assert await held == 200
        assert (one.texts, two.texts) == (seen[0] + 1, seen[1])
        for path in ("/accepting", "/ready", "/", "/carriers/../ready"):
            assert await proxy.ask(path) == 404


async def test_nginx_asks_the_other_bridge(tmp_path: Path, outside_programs: OutsidePrograms) -> None:
    """The one that says 503 is passed over, with the whole text; where both do the carrier hears it, and comes again."""
    if (program := outside_programs.find("nginx")) is None:
        return
    text = b"x" * (3 << 20)
    async with before_two("nginx", program, tmp_path / "proxy") as (proxy, one, two):
        for leads, waits in ((one, two), (two, one)):
            leads.takes, waits.takes = True, False
            seen = leads.texts
            for _ in range(3):
                assert await proxy.ask(WEBHOOK, method="POST", body=text) == 200
            assert leads.texts == seen + 3
        one.takes = two.takes = False
        assert await proxy.ask(WEBHOOK, method="POST", body=text) == 503
        for path in ("/accepting", "/ready", "/", "/carriers"):
            assert await proxy.ask(path) == 404
    for file in (tmp_path / "proxy").rglob("*"):
        assert not (file.is_file() and text[:64] in file.read_bytes()), "a text is in a file"


@pytest.mark.parametrize("name", ["Caddyfile", "nginx.conf"])
def test_nothing_of_a_request_is_logged(name: str) -> None:
    text = (ROOT / "deploy" / "examples" / "standby" / name).read_text(encoding="utf-8")
    assert ("exclude http.log.error" in text) if name == "Caddyfile" else ("access_log off;" in text)
