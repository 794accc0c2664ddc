"""What the tests of backups share."""

from __future__ import annotations

import pytest

from deploy.backup import backup


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive the key of a passphrase quickly: one test tries how slow it is (`test_a_passphrase_is_slow_to_guess`)."""
    monkeypatch.setattr(backup, "SCRYPT", {"n": 2, "r": 1, "p": 1})
