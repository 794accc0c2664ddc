"""The adapter against libolm, its oracle, and against itself; what it keeps; and how it takes libolm's place."""

from __future__ import annotations

import base64
import importlib
import platform
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.matrix.olm import vodozemac_olm

if TYPE_CHECKING:
    from collections.abc import Callable

# python-olm has binary packages for these interpreters only; elsewhere, and only there, its half of the tests is absent.
HAS_LIBOLM = sys.version_info < (3, 13) and platform.machine() == "x86_64" and sys.platform == "linux"
ORACLE = pytest.mark.skipif(not HAS_LIBOLM, reason="python-olm exists for CPython 3.11 and 3.12 on x86_64 Linux only")

SECRET = "amber heron at the back door"  # what no error and no pickle may show
text = st.text(max_size=60)


def real_libolm() -> ModuleType:
    """Import python-olm beside ours, and leave ours in its place."""

    def out() -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name in {"olm", "_libolm"} or name.startswith("olm.")]
        return {name: sys.modules.pop(name) for name in names}

    modules = out()
    try:
        real = importlib.import_module("olm")
    finally:
        out()
        sys.modules.update(modules)
    assert real is not vodozemac_olm
    assert hasattr(real.Account(), "_account"), "the oracle is not libolm"
    return real


class Pair(NamedTuple):
    """The library that speaks first and the one that listens."""

    speaks: Any
    listens: Any


@pytest.fixture(
    scope="module",
    params=[
        "ours to ours",
        pytest.param("ours to libolm", marks=ORACLE),
        pytest.param("libolm to ours", marks=ORACLE),
    ],
)
def pair(request: pytest.FixtureRequest) -> Pair:
    speaks, _, listens = request.param.partition(" to ")
    return Pair(*[vodozemac_olm if name == "ours" else real_libolm() for name in (speaks, listens)])


def heard(library: Any, message: Any) -> Any:
    """Make the other library's message one of this library's, as the wire does."""
    return getattr(library, type(message).__name__)(message.ciphertext)


def first_of(keys: dict[str, dict[str, str]]) -> str:
    return next(iter(keys["curve25519"].values()))


class Talk(NamedTuple):
    """Two accounts, both ends of a session, and the message that began it."""

    sender: Any
    receiver: Any
    out: Any
    message: Any
    back: Any


def talk(pair: Pair, plaintext: str, *, fallback: bool = False) -> Talk:
    sender, receiver = pair.speaks.Account(), pair.listens.Account()
    if fallback:
        receiver.generate_fallback_key()
    else:
        receiver.generate_one_time_keys(1)
    key = first_of(receiver.fallback_key if fallback else receiver.one_time_keys)
    receiver.mark_keys_as_published()
    if fallback:
        receiver.generate_fallback_key()  # the next one is already there when a person uses this one
    out = pair.speaks.OutboundSession(sender, receiver.identity_keys["curve25519"], key)
    message = heard(pair.listens, out.encrypt(plaintext))
    back = pair.listens.InboundSession(receiver, message, sender.identity_keys["curve25519"])
    return Talk(sender, receiver, out, message, back)


# --- both ways, with the oracle ---------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(words=st.lists(text, min_size=2, max_size=6))
def test_olm_is_understood_in_both_directions(pair: Pair, words: list[str]) -> None:
    """Both sides name the session alike, and every message of either arrives as it was, in any order."""
    one = talk(pair, words[0])
    assert one.back.id == one.out.id
    assert one.back.matches(one.message)
    later = [heard(pair.listens, one.out.encrypt(word)) for word in words[1:]]
    assert one.back.decrypt(one.message) == words[0]
    assert [one.back.decrypt(message) for message in reversed(later)] == words[:0:-1]
    for word in words:
        answer = one.back.encrypt(word)
        assert type(answer).__name__ == "OlmMessage"
        assert one.out.decrypt(heard(pair.speaks, answer)) == word
        again = one.out.encrypt(word)
        assert type(again).__name__ == "OlmMessage"
        assert one.back.decrypt(heard(pair.listens, again)) == word


def test_a_fallback_key_begins_sessions_like_a_one_time_key(pair: Pair) -> None:
    """A fallback key still serves when its successor was made, and each is offered for upload once."""
    one = talk(pair, "hello", fallback=True)
    assert one.back.decrypt(one.message) == "hello"
    assert len(one.receiver.fallback_key["curve25519"]) == 1
    one.receiver.mark_keys_as_published()
    assert one.receiver.fallback_key == {"curve25519": {}}


@settings(max_examples=25, deadline=None)
@given(words=st.lists(text, min_size=1, max_size=6))
def test_megolm_is_understood_in_both_directions(pair: Pair, words: list[str]) -> None:
    """A session key reads what follows it, in any order and again, with the index of each message."""
    out = pair.speaks.OutboundGroupSession()
    out.encrypt("before the key was handed over")
    into = pair.listens.InboundGroupSession(out.session_key)
    assert (into.id, into.first_known_index) == (out.id, 1)
    pairs = [(out.encrypt(word), (word, index)) for index, word in enumerate(words, start=1)]
    assert out.message_index == len(words) + 1
    for ciphertext, expected in [*reversed(pairs), *pairs]:
        assert into.decrypt(ciphertext) == expected


@pytest.mark.parametrize("index", [0, 1, 3, 70_000])
def test_an_exported_key_reads_from_its_index_on(pair: Pair, index: int) -> None:
    """What one library exports the other imports; earlier messages stay closed to it."""
    out = pair.speaks.OutboundGroupSession()
    whole = pair.speaks.InboundGroupSession(out.session_key)
    ciphertexts = [out.encrypt(f"word {number}") for number in range(5)]
    part = pair.listens.InboundGroupSession.import_session(whole.export_session(index))
    assert (part.id, part.first_known_index) == (whole.id, index)
    for number, ciphertext in enumerate(ciphertexts):
        if number >= index:
            assert part.decrypt(ciphertext) == (f"word {number}", number)
        else:
            with pytest.raises(pair.listens.OlmGroupSessionError):
                part.decrypt(ciphertext)
    with pytest.raises(pair.listens.OlmGroupSessionError):
        part.export_session(index - 1) if index else part.decrypt("AAAA")


@settings(max_examples=25, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=text)
def test_signatures_are_the_same_bytes(pair: Pair, seed: bytes, message: str) -> None:
    """One seed gives one public key and one signature in both libraries; a changed message is refused."""
    mine, theirs = pair.speaks.PkSigning(seed), pair.listens.PkSigning(seed)
    assert (mine.public_key, mine.sign(message)) == (theirs.public_key, theirs.sign(message))
    account = pair.speaks.Account()
    for key, signature in [
        (mine.public_key, mine.sign(message)),
        (account.identity_keys["ed25519"], account.sign(message)),
    ]:
        pair.listens.ed25519_verify(key, message, signature)
        with pytest.raises(pair.listens.OlmVerifyError):
            pair.listens.ed25519_verify(key, message + ".", signature)


# --- the account ------------------------------------------------------------------------------------------------------


def test_one_time_keys_never_pile_up_beyond_what_mautrix_was_told() -> None:
    """However many keys a homeserver's count asks for, at most 100 wait to be uploaded; published ones do not count."""
    account = vodozemac_olm.Account()
    assert account.max_one_time_keys == 100
    for count in (50, 40, 10**9):
        account.generate_one_time_keys(count)
    assert len(account.one_time_keys["curve25519"]) == 100
    account.mark_keys_as_published()
    assert account.one_time_keys == {"curve25519": {}}
    account.generate_one_time_keys(3)
    assert len(account.one_time_keys["curve25519"]) == 3
    no_count: list[Any] = [-1, None, "7", 2.5]
    for count in no_count:
        with pytest.raises(vodozemac_olm.OlmAccountError):
            account.generate_one_time_keys(count)


def test_a_refused_message_leaves_the_one_time_key_usable() -> None:
    """A forged prekey message, or one under another sender's name, takes nothing from the one that comes after."""
    sender, receiver = vodozemac_olm.Account(), vodozemac_olm.Account()
    receiver.generate_one_time_keys(1)
    key = first_of(receiver.one_time_keys)
    message = vodozemac_olm.OutboundSession(sender, receiver.identity_keys["curve25519"], key).encrypt("hello")
    forged = vodozemac_olm.OlmPreKeyMessage(message.ciphertext[:-4] + "AAAA")
    assert isinstance(message, vodozemac_olm.OlmPreKeyMessage)
    for bad, name in [(forged, sender), (message, receiver)]:
        with pytest.raises(vodozemac_olm.OlmSessionError):
            vodozemac_olm.InboundSession(receiver, bad, name.identity_keys["curve25519"])
    assert vodozemac_olm.InboundSession(receiver, message, sender.identity_keys["curve25519"]).decrypt(message) == "hello"
    with pytest.raises(vodozemac_olm.OlmSessionError):
        vodozemac_olm.InboundSession(receiver, message, sender.identity_keys["curve25519"])


def test_an_insecure_key_begins_no_session() -> None:
    """Keys that make the shared secret known to everybody are refused."""
    zero = base64.b64encode(bytes(32)).decode().rstrip("=")
    account = vodozemac_olm.Account()
    with pytest.raises(vodozemac_olm.OlmSessionError):
        vodozemac_olm.OutboundSession(account, zero, account.identity_keys["curve25519"])


# --- the first message and the pickles --------------------------------------------------------------------------------


def test_the_first_message_travels_sealed_and_is_given_once() -> None:
    """It survives any number of pickles, is in none of them to read, and is in none at all once it was asked for."""
    one = talk(Pair(vodozemac_olm, vodozemac_olm), SECRET)
    session = one.back
    for passphrase in ("roundtrip", "store", "store"):
        pickle = session.pickle(passphrase)
        assert pickle.count(b".") == 3
        fields = [base64.b64decode(field + b"==") for field in pickle.split(b".")[1:]]
        assert not any(SECRET.encode() in field for field in [pickle, *fields])
        session = vodozemac_olm.Session.from_pickle(pickle, passphrase)
    second = one.out.encrypt("second")
    assert session.decrypt(second) == "second"
    assert session.decrypt(one.message) == SECRET
    assert session.pickle("store").count(b".") == 2
    assert SECRET.encode() not in b"".join(value for value in vars(session).values() if isinstance(value, bytes))
    for again in (session, vodozemac_olm.Session.from_pickle(session.pickle("store"), "store")):
        with pytest.raises(vodozemac_olm.OlmSessionError):
            again.decrypt(one.message)


def samples() -> dict[str, tuple[Any, Any, Callable[[Any], object]]]:
    """One object of each kind that is kept: (object, its class for reading, what must be equal afterwards)."""
    one, group = talk(Pair(vodozemac_olm, vodozemac_olm), "hello"), vodozemac_olm.OutboundGroupSession()
    account = vodozemac_olm.Account()
    account.generate_one_time_keys(2)
    account.generate_fallback_key()
    return {
        "account": (account, vodozemac_olm.Account, lambda it: (it.identity_keys, it.one_time_keys, it.fallback_key)),
        "session": (one.out, vodozemac_olm.Session, lambda it: it.id),
        "unread session": (one.back, vodozemac_olm.Session, lambda it: it.id),
        "inbound": (
            vodozemac_olm.InboundGroupSession(group.session_key),
            vodozemac_olm.InboundGroupSession,
            lambda it: it.export_session(0),
        ),
        "outbound": (group, vodozemac_olm.OutboundGroupSession, lambda it: (it.id, it.session_key)),
    }


@pytest.mark.parametrize("kind", sorted(samples()))
def test_a_pickle_opens_with_its_passphrase_as_its_kind_and_not_otherwise(kind: str) -> None:
    """Round trip; and a wrong passphrase, another kind, an empty passphrase or pickle is the class's own error."""
    sample, reader, same = samples()[kind]
    pickle = sample.pickle("right")
    assert same(reader.from_pickle(pickle, "right")) == same(sample)
    for bad, passphrase in [(pickle, "wrong"), (pickle, ""), (b"", "right"), (None, "right"), (pickle, None)]:
        with pytest.raises(reader._error) as caught:
            reader.from_pickle(bad, passphrase)
        assert caught.value.__context__ is None
    with pytest.raises(reader._error):
        sample.pickle("")
    kinds: set[Any] = {
        vodozemac_olm.Account,
        vodozemac_olm.Session,
        vodozemac_olm.InboundGroupSession,
        vodozemac_olm.OutboundGroupSession,
    }
    for other in kinds - {reader}:
        with pytest.raises(other._error):
            other.from_pickle(pickle, "right")


KEPT = (
    b"ql1.2fLI472Xwenn3krnmFtoiQ==.cs+VUFM2Xfb9AwmpFtRmLg2cbnPb27bf+0YmlOBPB9Tf3AM3X26BJ17m3uaaUh2W3gcVzIFKctOeTicSzQW"
    b"kf1qJUSjSLSgbtaTGNj0LWXrHyLjxAHFiXas+JVJpwFnTc+mzFt392w6dcPGH18DVUy3Iox9SPQaWrLKMOVRcz1pcGr0Px3khdpvh3cX7s0m+Ch2"
    b"hwd6goubNG/ekV0sQ763bp50gz6IKmYpKhNwCqNx9M28XQXoddi9uaW5jNDa1/aKtsIf4PRiUTINQDLFOhBl6SsSE5klm7W9nl8vRkPxXOdP7BCj"
    b"RdpQTWFMkUoZYrGwcrNMZmK74gjBw/dvhPad+XUWBZfDfpFcfPJco1oKcRx6+h+m4Sw1m2JTbxHN2P2vDLBRrWpZ2RveFnwqH+jrfUE2s62uGLbJ"
    b"EZODa+s5RzEU3LqZLo6vYm2H0ja2FN0E8LAkX5Yzfc6ljpC82IoplleZeG5ys2L65WaYWYT+mgjTbIkivomHDtk1VPPN117ZDo+eOGAYVynvNoHt"
    b"FqLIp14JCoDXKteq7andhTo4PHxbPxKLF693coKLxvNygXSRoYroYCRk"
)


# --- taking libolm's place --------------------------------------------------------------------------------------------


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


@ORACLE
def test_the_wrong_order_of_imports_is_refused() -> None:
    """mautrix.crypto over libolm and then our package: a RuntimeError that says what to do."""
    done = run("import mautrix.crypto\nimport bridge.matrix")
    assert done.returncode == 1
    assert "RuntimeError: mautrix.crypto was imported over libolm: import bridge.matrix first." in done.stderr
