"""JSON Web Tokens, as carriers use them: HS256 from them, RS256 from us (RFC 7515, RFC 7518).

Rule of this module: the claims of a token are read only after its signature was verified, in constant time. Input from
outside raises no error here. cryptography is imported where a key is used, as aiohttp is in `http_request`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import AfterValidator

from bridge.carriers.parsing import constant_time_equal, object_or_empty, utf8_bytes
from bridge.runtime.settings import read_secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa


def verified_hs256_claims(authorization: str, secret: bytes) -> dict[str, Any] | None:
    """Return the claims of `Bearer TOKEN` if it is signed with that secret by HS256; else None."""
    scheme, _, token = authorization.partition(" ")
    signing_input, _, signature = token.rpartition(".")
    head, _, claims = signing_input.partition(".")
    right = _base64(hmac.new(secret, utf8_bytes(signing_input), hashlib.sha256).digest())
    if not constant_time_equal(right, signature) or scheme.lower() != "bearer" or _decode_part(head).get("alg") != "HS256":
        return None
    return _decode_part(claims)


def is_in_force(claims: Mapping[str, Any], now: float, *, leeway: float) -> bool:
    """Whether a token has not expired (`exp`) and is valid already (`nbf`), if it has these claims (RFC 7519 §4.1).

    `leeway` in seconds.
    """
    ends, begins = claims.get("exp", now), claims.get("nbf", now)
    if any(isinstance(claim, bool) or not isinstance(claim, (int, float)) for claim in (ends, begins)):
        return False
    # Compared without subtraction, because a number may be too large for it.
    return bool(ends >= now - leeway and begins <= now + leeway)


def sign_rs256(key: RsaKey, claims: Mapping[str, Any]) -> str:
    """Make a token with these claims."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

    signed = f"{_encode_part({'alg': 'RS256', 'typ': 'JWT'})}.{_encode_part(claims)}"
    return f"{signed}.{_base64(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def private_key(pem: str) -> RsaKey:
    """Read an RSA key in PEM without password. Raises `ValueError`, whose text has nothing of the key."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    # Raised outside the `except`, so that the library's error is not the context of this one.
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key in PEM without password")  # noqa: TRY004 - the value is wrong, not the type
    return key


def _check_rsa_key(path: Path) -> Path:
    try:
        pem = read_secret(path)
    except (OSError, ValueError):
        # The configuration loader reports a file that cannot be read.
        return path
    private_key(pem)
    return path


RsaKey: TypeAlias = "rsa.RSAPrivateKey"
"""What `private_key` returns."""
PrivateKeyFile: TypeAlias = Annotated[Path, AfterValidator(_check_rsa_key)]
"""The file of an RSA key, in PEM without password."""


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _encode_part(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _decode_part(part: str) -> dict[str, Any]:
    try:
        return object_or_empty(base64.urlsafe_b64decode(utf8_bytes(part) + b"=" * (-len(part) % 4)))
    except ValueError:
        return {}
