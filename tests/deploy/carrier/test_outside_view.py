"""The certificate of the public address: taken, refused, or nobody there."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge.config.load import load
from bridge.config.sections import Config
from deploy.carrier import outside_view
from deploy.carrier.outside_view import check_certificate
from tests.deploy.carrier.sample_lines import sample
from tests.fakes.authority import SIGNS_CERTIFICATES
from tests.free_ports import free_ports


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no answer be called none because the machine is busy."""
    monkeypatch.setattr(outside_view, "TIMEOUT_SECONDS", 60.0)


def public(directory: Path, url: str, **carrier: str) -> Config:
    config = load(sample(directory, "telnyx", **carrier))
    return config.model_copy(update={"listen": config.listen.model_copy(update={"public_base_url": url})})


def self_signed(directory: Path, host: str = "localhost") -> Path:
    """Make a certificate of a host for a year, and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(SIGNS_CERTIFICATES, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = directory / "localhost.pem"
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + certificate.public_bytes(pem))
    return file


async def test_a_certificate_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of an authority that this machine knows is well; one of a stranger's is wrong; nobody there is no answer."""
    shown, file = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self_signed(tmp_path)
    shown.load_cert_chain(file)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=shown)
    port = server.sockets[0].getsockname()[1]
    config = public(tmp_path, f"https://localhost:{port}")
    async with server:
        refused = await check_certificate(config)
        assert (refused.ok, refused.asked, bool(refused.do)) == (False, True, True)
        known = ssl.create_default_context()
        known.load_verify_locations(file)
        monkeypatch.setattr(ssl, "create_default_context", lambda: known)
        row = await check_certificate(config)
        assert (row.ok, row.asked) == (True, True)
    nobody = await check_certificate(public(tmp_path, f"https://localhost:{free_ports()}"))
    assert (nobody.ok, nobody.asked, bool(nobody.do)) == (True, False, True)
    assert (await check_certificate(public(tmp_path, "http://127.0.0.1:1"))).ok
