"""Encrypts with a passphrase, in the form that SMSGate's app decrypts on the phone.

Rules of this module: each value has a salt of its own, so that equal values have different ciphertexts. This module does
not decrypt, because nothing encrypted ever comes back to us. cryptography is imported where it encrypts, as aiohttp is in
`http_request`.

Format: `$aes-256-cbc/pbkdf2-sha1$i=ITERATIONS$SALT$WORDS`, both in base64. The key is PBKDF2 of the passphrase with
HMAC-SHA1 over the salt, 32 bytes; the salt (16 bytes) is also the initialisation vector of AES-256-CBC, with PKCS #7
padding. Limits: it hides lengths only within 16 bytes, and authenticates nothing. Sources: docs.sms-gate.app
(docs-web@af97537), privacy/encryption; capcom6/android-sms-gateway@0cdc5d8, EncryptionService.kt.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator

from bridge.carriers.secret_strength import MIN_LENGTH, secret_or_none

ITERATIONS: Final = 75_000
"""The app's default. More would only slow down the phone: a passphrase of this length cannot be found by brute force."""
SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
# Outside ASCII, versions of Android encode a passphrase differently.
_PASSPHRASE = re.compile(rf"[\x20-\x7e]{{{MIN_LENGTH},200}}")


def _check_passphrase(path: Path) -> Path:
    value = secret_or_none(path)
    if value is not None and not _PASSPHRASE.fullmatch(value):
        raise ValueError(f"the file must hold {MIN_LENGTH} to 200 characters of ASCII")
    return path


PassphraseFile: TypeAlias = Annotated[Path, AfterValidator(_check_passphrase)]
"""The file of a passphrase that is also set in the app."""


def encrypt(words: str, passphrase: str, *, salt: bytes | None = None) -> str:
    """Encrypt words for the app. It takes about 30 ms: call it in a thread. `salt`: for tests; by default it is random."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.padding import PKCS7  # noqa: PLC0415

    salt = os.urandom(SALT_BYTES) if salt is None else salt
    key = hashlib.pbkdf2_hmac("sha1", passphrase.encode(), salt, ITERATIONS, _KEY_BYTES)
    filler, cipher = PKCS7(algorithms.AES.block_size).padder(), Cipher(algorithms.AES(key), modes.CBC(salt)).encryptor()
    filled = filler.update(words.encode()) + filler.finalize()
    parts = (base64.b64encode(part).decode() for part in (salt, cipher.update(filled) + cipher.finalize()))
    return "$".join(("", "aes-256-cbc/pbkdf2-sha1", f"i={ITERATIONS}", *parts))
