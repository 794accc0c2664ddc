"""Olm, Megolm, signatures and attachments against other implementations: libolm (python-olm) and mautrix over it."""

from __future__ import annotations

import platform
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.matrix.olm.vodozemac_olm import PREKEY, Account, InboundGroupSession, OutboundGroupSession, PkSigning
from bridge.matrix.room_keys.history import encrypt_attachment

# python-olm has binary packages for these interpreters only; elsewhere, and only there, the oracle is absent.
if not (sys.version_info < (3, 13) and platform.machine() == "x86_64" and sys.platform == "linux"):
    pytest.skip("python-olm exists for CPython 3.11 and 3.12 on x86_64 Linux only", allow_module_level=True)

import olm
from mautrix.crypto.attachments import decrypt_attachment

words = st.lists(st.text(max_size=60), min_size=2, max_size=6)


@settings(max_examples=25, deadline=None)
@given(words=words)
def test_libolm_reads_and_answers_our_session(words: list[str]) -> None:
    """We begin it with a one-time key of libolm's account; what either says arrives as it was, and both name it alike."""
    ours, theirs = Account(), olm.Account()
    theirs.generate_one_time_keys(1)
    session = ours.begin_session(
        theirs.identity_keys["curve25519"], next(iter(theirs.one_time_keys["curve25519"].values()))
    )
    kind, body = session.encrypt(words[0])
    assert kind == PREKEY
    first = olm.OlmPreKeyMessage(body)
    back = olm.InboundSession(theirs, first, ours.identity_key)
    assert (back.id, back.decrypt(first)) == (session.id, words[0])
    for word in words[1:]:
        assert session.decrypt(1, back.encrypt(word).ciphertext) == word
        kind, body = session.encrypt(word)
        assert kind != PREKEY
        assert back.decrypt(olm.OlmMessage(body)) == word


@settings(max_examples=25, deadline=None)
@given(words=words, fallback=st.booleans())
def test_we_read_and_answer_a_session_of_libolm(words: list[str], fallback: bool) -> None:
    """It begins the session with a one-time key of ours, or the fallback key."""
    ours, theirs = Account(), olm.Account()
    ours.generate_fallback_key() if fallback else ours.generate_one_time_keys(1)
    key = next(iter((ours.fallback_key if fallback else ours.one_time_keys).values()))
    ours.mark_keys_as_published()
    session = olm.OutboundSession(theirs, ours.identity_key, key)
    first = session.encrypt(words[0]).ciphertext
    back, plaintext = ours.answer_session(theirs.identity_keys["curve25519"], first)
    assert (back.id, plaintext) == (session.id, words[0])
    assert back.matches(first)
    for word in words[1:]:
        kind, body = back.encrypt(word)
        assert session.decrypt((olm.OlmPreKeyMessage if kind == PREKEY else olm.OlmMessage)(body)) == word
        assert back.decrypt(1, session.encrypt(word).ciphertext) == word


@settings(max_examples=25, deadline=None)
@given(words=words)
def test_megolm_is_understood_both_ways(words: list[str]) -> None:
    """A session key reads what follows it, with the index of each message; an exported key reads from its index on."""
    ours, theirs = OutboundGroupSession(), olm.OutboundGroupSession()
    their_inbound, our_inbound = olm.InboundGroupSession(ours.session_key), InboundGroupSession.from_key(theirs.session_key)
    assert (their_inbound.id, our_inbound.id) == (ours.id, theirs.id)
    said = [theirs.encrypt(word) for word in words]
    assert [their_inbound.decrypt(ours.encrypt(word)) for word in words] == list(zip(words, range(len(words)), strict=True))
    assert [our_inbound.decrypt(body) for body in said] == list(zip(words, range(len(words)), strict=True))
    later = olm.InboundGroupSession.import_session(our_inbound.since(1).export_session(1))
    assert later.decrypt(said[1]) == (words[1], 1)
    with pytest.raises(olm.OlmGroupSessionError):
        later.decrypt(said[0])


@given(seed=st.binary(min_size=32, max_size=32), message=st.text())
def test_signatures_are_the_same_bytes(seed: bytes, message: str) -> None:
    """One seed gives one public key and one signature in both libraries: cross-signing keys are these."""
    ours, theirs = PkSigning(seed), olm.PkSigning(seed)
    assert (ours.public_key, ours.sign(message)) == (theirs.public_key, theirs.sign(message))


@given(data=st.binary(max_size=2_000))
def test_an_attachment_opens_in_mautrix(data: bytes) -> None:
    """A bundle of keys is encrypted as the specification says; a changed byte does not open."""
    ciphertext, file = encrypt_attachment(data)
    opens = (file["key"]["k"], file["hashes"]["sha256"], file["iv"])
    assert decrypt_attachment(ciphertext, *opens) == data
    with pytest.raises(Exception, match="Mismatched SHA-256"):
        decrypt_attachment(ciphertext + b"x", *opens)
