"""A certificate authority for a test's own servers.

Rule of this module: its certificates are for a name of this machine, and keys stay in the test's folder.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    **dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    ),
)
"""Required for an authority's own certificate by RFC 5280, and by Python from 3.13 on. The first also permits use by a
server."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority: its key and its own certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> bytes:
        """Return the certificate for the clients that trust the authority."""
        return self.certificate.public_bytes(PEM)

    def issue(self, host: str, *, days: int) -> bytes:
        """Return a host's key and certificate, as one file's bytes. `days`: until it expires; negative: since then."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.DNSName(host)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = _begun(key, host, self.certificate.subject, days=days).add_extension(
            x509.SubjectAlternativeName([name]), critical=False
        )
        builder = builder.add_extension(issuer, critical=False)
        secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return secret + builder.sign(self.key, hashes.SHA256()).public_bytes(PEM)


def certificate_authority() -> Authority:
    """Make an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _begun(key, "authority", _name("authority"), days=365)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(SIGNS_CERTIFICATES, critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()))


def _begun(key: ec.EllipticCurvePrivateKey, name: str, issuer: x509.Name, *, days: int) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=400))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
