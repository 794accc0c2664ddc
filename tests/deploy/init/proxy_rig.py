"""The proxy's file behind a private certificate authority: the program runs it, and two servers stand behind it.

Rule of this module: of what `init` wrote only addresses are changed, to free ports of this machine, and the certificate.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.polling import wait_until
from tests.fakes.authority import SIGNS_CERTIFICATES

HOST = "text.agency.org"
SPOOFED = "203.0.113.9"


@dataclass(slots=True)
class Upstream:
    """A server behind the proxy. `requests`: path, and who the proxy says is asking, of every request."""

    server: TestServer = field(init=False)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{any:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.requests.append((request.raw_path, request.headers.get("X-Forwarded-For", "")))
        return web.Response()


@dataclass(slots=True, kw_only=True)
class RunningProxy:
    """The proxy, the two behind it, and where it writes everything that it says."""

    bridge: Upstream
    homeserver: Upstream
    port: int
    trusted: ssl.SSLContext
    output: Path

    async def ask(self, path: str, *, method: str = "GET", body: bytes = b"") -> int:
        """Send exactly this path, as a client that trusts the private authority; returns the status."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trusted, server_hostname=HOST)
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: {SPOOFED}\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()


async def ask_often(proxy: RunningProxy, paths: tuple[str, ...], times: int) -> set[int]:
    """Ask for these paths in turn, so often, over connections that are kept; returns the statuses."""
    base, statuses = f"https://127.0.0.1:{proxy.port}", set[int]()
    connector = aiohttp.TCPConnector(limit=8)
    async with aiohttp.ClientSession(connector=connector, headers={"Host": HOST, "X-Forwarded-For": SPOOFED}) as http:

        async def ask(path: str) -> None:
            async with http.get(base + path, ssl=proxy.trusted, server_hostname=HOST) as answer:
                statuses.add(answer.status)

        for n in range(0, times, 8):
            await asyncio.gather(*(ask(paths[(n + k) % len(paths)]) for k in range(8)))
    return statuses


def make_certificates(directory: Path) -> None:
    """In a new directory, make an authority (`ca.pem`), and its certificate for the host (`host.pem`, `host.key`)."""
    directory.mkdir()
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("private authority", HOST))
    now = datetime.now(UTC)

    def certificate(subject: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.Certificate:
        names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if ca:
            builder = builder.add_extension(SIGNS_CERTIFICATES, critical=True)
        return builder.sign(ca_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    (directory / "ca.pem").write_bytes(certificate(ca_name, ca_key.public_key(), ca=True).public_bytes(pem))
    (directory / "host.pem").write_bytes(certificate(name, key.public_key(), ca=False).public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    (directory / "host.key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))


def caddy_config(written: str, directory: Path, port: int) -> str:
    """Change what `init` wrote for Caddy: a port and a certificate of its own, and no redirection on port 80."""
    return caddy_site(written, f"https://{HOST}", directory).replace(f"https://{HOST} ", f"https://{HOST}:{port} ")


def caddy_site(written: str, public_url: str, directory: Path) -> str:
    """Give the site that `init` wrote for this URL a certificate of its own, and no redirection on port 80."""
    site = f"{public_url} {{\n"
    assert site in written
    own = f"{site}\ttls {directory}/host.pem {directory}/host.key\n"
    return written.replace("{\n", "{\n\tauto_https disable_redirects\n", 1).replace(site, own)


def nginx_config(written: str, directory: Path, port: int) -> str:
    """Change what `init` wrote for nginx likewise, and put it into what nginx needs around a server."""
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("    listen [::]:443 ssl;\n", ""),
        (f"/etc/letsencrypt/live/{HOST}/fullchain.pem", f"{directory}/host.pem"),
        (f"/etc/letsencrypt/live/{HOST}/privkey.pem", f"{directory}/host.key"),
    ):
        assert old in written
        written = written.replace(old, new)
    places = "\n".join(
        f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"pid {directory}/pid;\nerror_log stderr notice;\ndaemon off;\nevents {{}}\n"
    return f"{head}http {{\naccess_log /dev/stdout;\n{places}\n{written}}}\n"


@asynccontextmanager
async def running_proxy(
    command: list[str], directory: Path, bridge: Upstream, homeserver: Upstream, port: int
) -> AsyncIterator[RunningProxy]:
    """Run the program for the length of the block."""
    output = directory / "output"
    with output.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env={"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(directory)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    trusted = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    proxy = RunningProxy(bridge=bridge, homeserver=homeserver, port=port, trusted=trusted, output=output)

    async def answers() -> bool:
        assert process.returncode is None, output.read_text()
        try:
            return await proxy.ask("/") > 0
        except (OSError, IndexError, aiohttp.ClientError):
            return False

    try:
        await wait_until("the proxy answers", answers)
        yield proxy
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
