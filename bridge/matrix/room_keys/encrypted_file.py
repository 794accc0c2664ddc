"""A file that goes to the homeserver's media encrypted, and what a client needs to open it (`EncryptedFile`).

Source: https://spec.matrix.org/latest/client-server-api/#sending-encrypted-attachments
"""

from __future__ import annotations

import secrets
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 8


def encrypt_file(plaintext: bytes) -> tuple[bytes, dict[str, Any]]:
    """Encrypt with a new key; returns what to upload, and the `EncryptedFile` without its `url`."""
    key = secrets.token_bytes(KEY_BYTES)
    # The upper half is chosen, the lower half counts blocks from zero, so that it never runs over.
    counter = secrets.token_bytes(NONCE_BYTES) + bytes(16 - NONCE_BYTES)
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    data = encryptor.update(plaintext) + encryptor.finalize()
    return data, {
        "v": "v2",
        "key": {
            "kty": "oct",
            "key_ops": ["encrypt", "decrypt"],
            "alg": "A256CTR",
            "k": urlsafe_b64encode(key).decode().rstrip("="),
            "ext": True,
        },
        "iv": _unpadded(counter),
        "hashes": {"sha256": _unpadded(sha256(data).digest())},
    }


def _unpadded(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")
