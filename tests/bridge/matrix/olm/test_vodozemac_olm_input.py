"""Input that another person chose: whatever it is, the adapter raises its own errors, and they say nothing."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import vodozemac
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.matrix.olm import vodozemac_olm
from bridge.matrix.olm.vodozemac_olm import call_or_raise
from tests.bridge.matrix.olm.test_vodozemac_olm import talk

if TYPE_CHECKING:
    from collections.abc import Callable


def unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


SECRET = "amber heron at the back door"
any_text = st.text(st.characters(), max_size=40)  # lone surrogates too: JSON can carry them
odd: st.SearchStrategy[Any] = (
    st.none() | st.integers() | st.floats() | st.booleans() | st.lists(st.integers()) | st.binary(max_size=20)
)
encoded = st.builds(
    lambda head, tail: unpadded(head + tail), st.sampled_from([b"", b"\3", b"\2", b"\1"]), st.binary(max_size=300)
)
# a prekey message's four fields, each of any length
fields = st.lists(st.tuples(st.sampled_from(b"\x0a\x12\x1a\x22"), st.binary(max_size=100)), max_size=5)
prekeys = fields.map(lambda them: unpadded(b"\3" + b"".join(bytes([tag, len(value)]) + value for tag, value in them)))
garbage = odd | any_text | encoded | prekeys


@st.composite
def damaged(draw: st.DrawFn, whole: str) -> str:
    """Change, cut or lengthen what was good."""
    data = bytearray(base64.b64decode(whole + "=" * (-len(whole) % 4)))
    where = draw(st.integers(0, len(data) - 1))
    match draw(st.sampled_from(["change", "cut", "insert"])):
        case "change":
            data[where] ^= draw(st.integers(1, 255))
        case "cut":
            del data[where:]
        case _:
            data[where:where] = draw(st.binary(min_size=1, max_size=8))
    return unpadded(bytes(data))


GOOD = SimpleNamespace(group=vodozemac_olm.OutboundGroupSession(), talk=talk("hello"))
GOOD.key = GOOD.group.session_key
GOOD.into = vodozemac_olm.InboundGroupSession.from_key(GOOD.key)
GOOD.export = GOOD.into.export_session(0)
GOOD.megolm = GOOD.group.encrypt("hello")
GOOD.account, GOOD.theirs = GOOD.talk.receiver, GOOD.talk.sender.identity_key
GOOD.normal = GOOD.talk.back.encrypt("hello")[1]

DOORS: dict[str, tuple[Callable[[Any], object], type[Exception], str]] = {
    "first message": (
        lambda x: GOOD.account.answer_session(GOOD.theirs, x),
        vodozemac_olm.OlmSessionError,
        GOOD.talk.first,
    ),
    "sender's key": (lambda x: GOOD.account.answer_session(x, GOOD.talk.first), vodozemac_olm.OlmSessionError, GOOD.theirs),
    "prekey message": (lambda x: GOOD.talk.out.decrypt(0, x), vodozemac_olm.OlmSessionError, GOOD.talk.first),
    "message": (lambda x: GOOD.talk.out.decrypt(1, x), vodozemac_olm.OlmSessionError, GOOD.normal),
    "one-time key": (lambda x: GOOD.account.begin_session(GOOD.theirs, x), vodozemac_olm.OlmSessionError, GOOD.theirs),
    "room key": (vodozemac_olm.InboundGroupSession.from_key, vodozemac_olm.OlmGroupSessionError, GOOD.key),
    "exported key": (vodozemac_olm.InboundGroupSession.import_session, vodozemac_olm.OlmGroupSessionError, GOOD.export),
    "room message": (GOOD.into.decrypt, vodozemac_olm.OlmGroupSessionError, GOOD.megolm),
    "index": (GOOD.into.export_session, vodozemac_olm.OlmGroupSessionError, ""),
    "signature": (
        lambda x: vodozemac_olm.ed25519_verify(GOOD.theirs, "m", x),
        vodozemac_olm.OlmVerifyError,
        unpadded(bytes(64)),
    ),
    "signing key": (
        lambda x: vodozemac_olm.ed25519_verify(x, "m", unpadded(bytes(64))),
        vodozemac_olm.OlmVerifyError,
        GOOD.theirs,
    ),
    "seed": (vodozemac_olm.PkSigning, vodozemac_olm.PkSigningError, ""),
    "pickle": (vodozemac_olm.Session.from_pickle, vodozemac_olm.OlmSessionError, ""),
}


@pytest.mark.parametrize("door", sorted(DOORS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_garbage_ends_in_the_documented_error(door: str, data: st.DataObject) -> None:
    """No input, of whatever type, raises anything but the door's own error, which has no cause and quotes nothing."""
    enter, error, good = DOORS[door]
    value = data.draw(garbage | damaged(good) if good else garbage)
    outcome: BaseException | None = None
    try:
        enter(value)
    except BaseException as anything:  # noqa: BLE001 -- that nothing else comes is the promise
        outcome = anything
    if outcome is None:
        return  # what is damaged can be good by chance: a spare bit, an unknown field
    assert type(outcome) is error
    assert outcome.__cause__ is None
    assert outcome.__context__ is None
    assert not (isinstance(value, str) and len(value) > 20 and value in str(outcome))


def test_a_panic_of_the_library_is_an_error_like_another() -> None:
    """A key of 33 bytes makes vodozemac 0.10.0 panic, which python sees as something outside `Exception`."""
    key = unpadded(bytes(33))
    with pytest.raises(vodozemac_olm.OlmVerifyError):
        call_or_raise(vodozemac_olm.OlmVerifyError, "No key", lambda: vodozemac.Ed25519PublicKey.from_base64(key))
    with pytest.raises(KeyboardInterrupt):
        call_or_raise(vodozemac_olm.OlmVerifyError, "No key", interrupted)
    with pytest.raises(vodozemac_olm.OlmVerifyError, match="ValueError"):
        vodozemac_olm.ed25519_verify(key, "m", unpadded(bytes(64)))


def interrupted() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (vodozemac_olm.OlmSessionError, lambda: GOOD.talk.out.encrypt(SECRET + "\ud800")),
        (vodozemac_olm.OlmGroupSessionError, lambda: GOOD.group.encrypt(SECRET + "\ud800")),
        (vodozemac_olm.OlmAccountError, lambda: GOOD.account.sign(SECRET + "\ud800")),
        (vodozemac_olm.PkSigningError, lambda: vodozemac_olm.PkSigning(bytes(32)).sign(SECRET + "\ud800")),
        (vodozemac_olm.OlmSessionError, lambda: GOOD.talk.out.encrypt({"body": SECRET})),
        (vodozemac_olm.OlmAccountError, lambda: GOOD.account.sign(SECRET.encode())),
        (vodozemac_olm.OlmGroupSessionError, lambda: vodozemac_olm.InboundGroupSession.from_key(GOOD.key[:-8])),
    ],
)
def test_an_error_holds_neither_plaintext_nor_key(error: type[Exception], call: Callable[[], object]) -> None:
    """Not in its text, and not behind it: python's own encoding error would carry the whole text along."""
    with pytest.raises(error) as caught:
        call()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert SECRET not in json.dumps(caught.value.args)
    assert GOOD.key[:20] not in json.dumps(caught.value.args)


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    """A sender may encrypt any bytes; the answer is a string all the same."""
    raw = GOOD.group._inner.encrypt(b"caf\xe9").to_base64()
    assert GOOD.into.decrypt(raw)[0] == "caf\N{REPLACEMENT CHARACTER}"
