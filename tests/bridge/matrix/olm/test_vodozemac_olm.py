"""Olm and Megolm between two of ours; strict clients in `tests/e2e` show that others understand it."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.matrix.olm.vodozemac_olm import (
    MAX_UNPUBLISHED_KEYS,
    PREKEY,
    Account,
    InboundGroupSession,
    OlmGroupSessionError,
    OlmSessionError,
    OlmVerifyError,
    OutboundGroupSession,
    PkSigning,
    Session,
    ed25519_verify,
)

text = st.text(max_size=60)


class Talk(NamedTuple):
    """Two accounts, both ends of a session, and the message that began it."""

    sender: Account
    receiver: Account
    out: Session
    first: str
    back: Session
    plaintext: str


def talk(plaintext: str, *, fallback: bool = False) -> Talk:
    sender, receiver = Account(), Account()
    receiver.generate_fallback_key() if fallback else receiver.generate_one_time_keys(1)
    key = next(iter((receiver.fallback_key if fallback else receiver.one_time_keys).values()))
    receiver.mark_keys_as_published()
    if fallback:
        receiver.generate_fallback_key()  # the next one is already there when a person uses this one
    out = sender.begin_session(receiver.identity_key, key)
    kind, first = out.encrypt(plaintext)
    assert kind == PREKEY
    return Talk(sender, receiver, out, first, *receiver.answer_session(sender.identity_key, first))


@pytest.mark.parametrize("fallback", [False, True])
@settings(max_examples=10, deadline=None)
@given(words=st.lists(text, min_size=2, max_size=6))
def test_olm_is_understood_in_both_directions(fallback: bool, words: list[str]) -> None:
    """Both sides name the session alike, and every message of either arrives as it was, in any order, also pickled."""
    one = talk(words[0], fallback=fallback)
    assert (one.back.id, one.plaintext) == (one.out.id, words[0])
    assert one.back.matches(one.first)
    later = [one.out.encrypt(word) for word in words[1:]]
    assert [one.back.decrypt(*message) for message in reversed(later)] == words[:0:-1]
    back = Session.from_pickle(one.back.pickle())
    for word in words:
        assert one.out.decrypt(*back.encrypt(word)) == word
        assert back.decrypt(*one.out.encrypt(word)) == word
    with pytest.raises(OlmSessionError):
        back.decrypt(PREKEY, one.first)


def test_a_session_key_reads_from_its_index_on() -> None:
    """In any order and again, with the index of each message; what is earlier stays closed to it."""
    out = OutboundGroupSession()
    ciphertexts = [out.encrypt(f"word {n}") for n in range(3)]
    late = InboundGroupSession.from_key(out.session_key)
    ciphertexts += [out.encrypt(f"word {n}") for n in range(3, 6)]
    assert (late.id, late.first_known_index, out.message_index) == (out.id, 3, 6)
    later = InboundGroupSession.from_pickle(late.since(4).pickle())
    for session, first in ((late, 3), (later, 4)):
        for n in (5, 4, 4, first):
            assert session.decrypt(ciphertexts[n]) == (f"word {n}", n)
        with pytest.raises(OlmGroupSessionError):
            session.decrypt(ciphertexts[first - 1])
        with pytest.raises(OlmGroupSessionError):
            session.export_session(first - 1)


def test_a_signature_is_of_one_key_and_message() -> None:
    """Of an account and of a cross-signing key."""
    account, signing = Account(), PkSigning(bytes(range(32)))
    for key, sign in ((account.signing_key, account.sign), (signing.public_key, signing.sign)):
        ed25519_verify(key, "words", sign("words"))
        with pytest.raises(OlmVerifyError):
            ed25519_verify(key, "words.", sign("words"))


def test_one_time_keys_never_pile_up() -> None:
    """However many keys a homeserver's count asks for, so many wait to be uploaded; published ones do not count."""
    account = Account()
    for count in (50, 40, 10**9):
        account.generate_one_time_keys(count)
    assert len(account.one_time_keys) == MAX_UNPUBLISHED_KEYS
    account.mark_keys_as_published()
    account.generate_one_time_keys(3)
    assert len(Account.from_pickle(account.pickle()).one_time_keys) == 3


def test_a_refused_message_leaves_the_one_time_key_usable() -> None:
    """A forged message, or one under another sender's name, takes nothing from the one that comes after."""
    sender, receiver = Account(), Account()
    receiver.generate_one_time_keys(1)
    _, message = sender.begin_session(receiver.identity_key, next(iter(receiver.one_time_keys.values()))).encrypt("hello")
    for bad, key in [(message[:-4] + "AAAA", sender.identity_key), (message, receiver.identity_key)]:
        with pytest.raises(OlmSessionError):
            receiver.answer_session(key, bad)
    assert receiver.answer_session(sender.identity_key, message)[1] == "hello"
    with pytest.raises(OlmSessionError):
        receiver.answer_session(sender.identity_key, message)


def test_an_insecure_key_begins_no_session() -> None:
    """Keys that make the shared secret known to everybody are refused."""
    zero = base64.b64encode(bytes(32)).decode().rstrip("=")
    with pytest.raises(OlmSessionError):
        Account().begin_session(zero, Account().identity_key)


def test_a_pickle_opens_as_its_kind_only() -> None:
    """Another kind, or nothing, is the class's own error."""
    kinds: list[Any] = [Account, Session, InboundGroupSession, OutboundGroupSession]
    for bad in (b"", None, talk("hello").back.pickle()[:-4]):
        for kind in kinds:
            with pytest.raises(kind._error):
                kind.from_pickle(bad)
