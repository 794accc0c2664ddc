"""One secret, several values that tell nothing of each other."""

from __future__ import annotations

from bridge.runtime.canary_keys import CANARY_NUMBER, CANARY_PHONE, CanaryKeys

SECRET = "ab" * 32


def test_each_value_is_its_own() -> None:
    """Every value is another, of the secret alone, and none of them is shown by accident."""
    keys = CanaryKeys.derive(SECRET)
    assert keys == CanaryKeys.derive(SECRET)
    values = {keys.route, keys.password, keys.master, keys.self_signing, keys.user_signing}
    assert len(values) == 5
    other = CanaryKeys.derive("cd" * 32)
    assert not values & {other.route, other.password, other.master, other.self_signing, other.user_signing}
    assert keys.route not in repr(keys)
    assert keys.password not in repr(keys)


def test_nobody_has_its_number() -> None:
    """The number has the form of a telephone number and a country code that is assigned to nobody."""
    assert CANARY_PHONE.answerable
    assert CANARY_NUMBER.startswith("+999")
