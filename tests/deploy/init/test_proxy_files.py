"""The proxy's file: which paths lead where, and that nothing is logged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.deploy.init import proxy_rig
from tests.deploy.init.answers import answers, joined, run_init
from tests.deploy.init.proxy_rig import RunningProxy, Upstream, ask_often, running_proxy
from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms

EGRESS = "egress.txt"
"""What the line speaks to, for a firewall: beside the proxy's file, and there without one."""


def test_without_a_public_url_there_is_no_proxy(tmp_path: Path) -> None:
    """A line of this machine alone, or one behind a proxy of the agency's own, gets no file; the checklist says so."""
    assert run_init(tmp_path, answers(proxy="none")).exit_code == 0
    assert [each.name for each in (tmp_path / "line" / "proxy").iterdir()] == [EGRESS]
    assert "Your proxy passes `/carriers/` to the bridge" in (tmp_path / "line" / "CHECKLIST.md").read_text()


def programs_config(kind: str, line: Path, directory: Path, port: int, ports: tuple[int, int]) -> Path:
    """Return the file that the program runs: what was written, with addresses of this test."""
    written = (line / "proxy" / ("Caddyfile" if kind == "caddy" else "nginx.conf")).read_text()
    for old, new in (("127.0.0.1:8449", ports[0]), ("127.0.0.1:8448", ports[1])):
        written = written.replace(old, f"127.0.0.1:{new}")
    changed = (proxy_rig.caddy_config if kind == "caddy" else proxy_rig.nginx_config)(written, directory, port)
    (file := directory / "changed.conf").write_text(changed)
    return file


@asynccontextmanager
async def real_proxy(kind: str, program: str, line: Path, directory: Path) -> AsyncIterator[RunningProxy]:
    """Run the written file in the real program, in front of two servers that note what they are asked."""
    proxy_rig.make_certificates(directory)
    bridge, homeserver = Upstream(), Upstream()
    port = free_ports()
    async with bridge.server, homeserver.server:
        file = programs_config(kind, line, directory, port, (bridge.server.port or 0, homeserver.server.port or 0))
        words = ["run", "--adapter", "caddyfile", "--config"] if kind == "caddy" else ["-p", str(directory), "-c"]
        async with running_proxy([program, *words, str(file)], directory, bridge, homeserver, port) as proxy:
            yield proxy


SECRET = "path-secret-of-the-carrier"
REFUSED = (
    *("/", "/ready", "/live", "/health", "/metrics", "/carriers", "/_matrix", "/.well-known/matrix/server"),
    *("/_synapse/admin/v1/users", "/_synapse/client/quietline/health", "//live", "/carriers/main/../../live"),
    *("/carriers/../ready", "/carriers/%2e%2e/ready", "/carriers/..%2fready"),
    *("/_matrix/../_synapse/admin/v1/users", "/_matrix/%2e%2e/_synapse/admin/v1/users"),
    *("/_matrix/..%2f_synapse/admin/v1/users", "/.well-known/matrix/client/../../../_synapse/admin/v1/users"),
)


@pytest.mark.parametrize("kind", ["caddy", "nginx"])
async def test_the_real_proxy_passes_webhooks_and_clients_alone(
    tmp_path: Path, kind: str, outside_programs: OutsidePrograms
) -> None:
    """Behind a private authority: both ways come through, unchanged; administration, readiness and detours are 404.

    Who asks is said by the proxy and nobody else. Nothing of a request is written anywhere, of a thousand either, also when
    one is long, or the bridge is away.
    """
    if (program := outside_programs.find(kind)) is None:
        return
    assert run_init(tmp_path, answers(proxy=kind)).exit_code == 0
    async with real_proxy(kind, program, tmp_path / "line", tmp_path / "proxy") as proxy:
        proxy.bridge.requests.clear()
        webhook, sync = f"/carriers/main/inbound/{SECRET}?id=1%2F2", "/_matrix/client/v3/sync?since=s%5F1"
        assert await proxy.ask(webhook, method="POST", body=b"x" * (3 << 20)) == 200
        assert await proxy.ask(sync) == 200
        assert await proxy.ask("/.well-known/matrix/client") == 200
        assert proxy.bridge.requests == [(webhook, "127.0.0.1")]
        assert proxy.homeserver.requests == [(sync, "127.0.0.1"), ("/.well-known/matrix/client", "127.0.0.1")]
        statuses = {path: await proxy.ask(path) for path in REFUSED}
        assert {path: status for path, status in statuses.items() if status not in (400, 404)} == {}
        assert (len(proxy.bridge.requests), len(proxy.homeserver.requests)) == (1, 2)
        said = proxy.output.read_bytes()
        ways = (f"/carriers/main/inbound/{SECRET}", "/_matrix/client/v3/sync", "/metrics", "/_synapse/admin/v1/users")
        assert await ask_often(proxy, ways, 1000) == {200, 404}
        assert proxy.output.read_bytes() == said, "a thousand requests, and not a byte of them is written"
        await proxy.bridge.server.close()
        assert await proxy.ask(webhook, method="POST") == 502
    texts = {path: path.read_bytes() for path in (tmp_path / "proxy").rglob("*") if path.is_file()}
    for word in (SECRET, proxy_rig.SPOOFED, "/_matrix/client", "v1/users"):
        assert [path.name for path, text in texts.items() if word.encode() in text and path.name != "changed.conf"] == []


@pytest.mark.parametrize("kind", ["caddy", "nginx"])
async def test_the_real_proxy_of_a_joined_line_leads_to_the_bridge_alone(
    tmp_path: Path, kind: str, outside_programs: OutsidePrograms
) -> None:
    """Clients have the proxy of their own homeserver: nothing here leads to it."""
    if (program := outside_programs.find(kind)) is None:
        return
    assert run_init(tmp_path, joined(proxy=kind)).exit_code == 0
    async with real_proxy(kind, program, tmp_path / "line", tmp_path / "proxy") as proxy:
        assert await proxy.ask("/carriers/main/inbound") == 200
        assert await proxy.ask("/_matrix/client/versions") == 404
        assert proxy.homeserver.requests == []
