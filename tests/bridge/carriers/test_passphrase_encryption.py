"""The encryption that SMSGate's app opens, against what the app's own client library wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.carriers.vendors.smsgate import PassphraseFile, encrypt
from tests.fakes.smsgate import PASSPHRASE, opened

WRITTEN_BY_THE_LIBRARY = (
    (
        bytes(range(16)),
        "+15555550101",
        "$aes-256-cbc/pbkdf2-sha1$i=75000$AAECAwQFBgcICQoLDA0ODw==$BvpWxeSuqur+Wanl7R5Jeg==",
    ),
    (
        bytes(range(16, 32)),
        "café €5 [ok] 🙂",
        "$aes-256-cbc/pbkdf2-sha1$i=75000$EBESExQVFhcYGRobHB0eHw==$rBTUhumGiciPDhY5CQCSJbJqIAesVVFl9jQ0RL0Bwgk=",
    ),
    (bytes(16), "", "$aes-256-cbc/pbkdf2-sha1$i=75000$AAAAAAAAAAAAAAAAAAAAAA==$FJq1THbnYOuc+/AITeKH+w=="),
    (
        b"\xff" * 16,
        "x" * 16,
        "$aes-256-cbc/pbkdf2-sha1$i=75000$/////////////////////w==$0Cuyw/GGaVswvLzFELz120XI5HZ+y+a4tRHw9ZQJauI=",
    ),
)
"""Salt, words, and what `android_sms_gateway.encryption.Encryptor(PASSPHRASE).encrypt` (4.3.3, PyPI) made of them."""


@pytest.mark.parametrize(("salt", "words", "hidden"), WRITTEN_BY_THE_LIBRARY)
def test_as_the_library_writes_it(salt: bytes, words: str, hidden: str) -> None:
    """The same words, passphrase and salt give the same bytes as the vendor's own client."""
    assert encrypt(words, PASSPHRASE, salt=salt) == hidden
    assert opened(hidden, PASSPHRASE) == words


def test_equal_words_are_never_alike() -> None:
    """Each value has a salt of its own, so that nobody sees that a number is texted again."""
    first, second = encrypt("+15555550101", PASSPHRASE), encrypt("+15555550101", PASSPHRASE)
    assert first.split("$")[3] != second.split("$")[3]
    assert first.split("$")[4] != second.split("$")[4]


@pytest.mark.parametrize("passphrase", ["short", "x" * 31, "é" * 40, "x" * 201, "x" * 20 + "\n" + "x" * 20])
def test_a_passphrase_that_will_not_do(passphrase: str, tmp_path: Path) -> None:
    """A short one could be found by trying, and what is not ASCII is not the same on every phone; neither is shown."""
    place = tmp_path / "passphrase"
    place.write_text(passphrase, encoding="utf-8")
    with pytest.raises(ValidationError, match=r"32 to 200 characters") as caught:
        TypeAdapter(PassphraseFile).validate_python(place)
    assert passphrase not in str(caught.value)
    place.write_text(PASSPHRASE + "\n", encoding="utf-8")
    assert TypeAdapter(PassphraseFile).validate_python(place) == place
