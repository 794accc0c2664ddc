"""The slow hash runs in threads; look-ups of strangers in threads that let everything else go first."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from bridge.storage.slow_hash import HASH_BYTES, slow_hash


@pytest.mark.usefixtures("real_hash")
def test_the_hash_is_argon2id_as_others_compute_it() -> None:
    """OpenSSL's Argon2id with 19 MiB, two passes and one lane gives the same: stored hashes depend on no library."""
    keyed, salt = b"a keyed value", b"sixteen bytes it"
    other = Argon2id(salt=salt, length=HASH_BYTES, iterations=2, lanes=1, memory_cost=19 * 1024)
    assert slow_hash(keyed, salt) == other.derive(keyed)
