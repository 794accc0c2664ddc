"""The chain master key -> self-signing key -> device, and that no broken link is taken for a whole one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from bridge.matrix.olm.cross_signing import devices_of, master_key_of
from tests.bridge.matrix.client_device import ClientDevice

Answer = dict[str, Any]
ADA = ClientDevice("@ada:x", "DEVICE")
EVE = ClientDevice("@eve:x", "DEVICE")


def device(answer: Answer) -> Any:
    return answer["device_keys"][ADA.mxid][ADA.device_id]


def test_a_whole_chain() -> None:
    """The device is found with its keys, and vouched for; who is not in the answer has nothing."""
    answer = ADA.keys_query_response()
    ((ada_device, vouched),) = devices_of(answer, ADA.mxid)
    assert (ada_device.device_id, ada_device.curve25519, vouched) == (ADA.device_id, ADA.curve25519, True)
    assert master_key_of(answer, ADA.mxid) == ADA.master_key
    assert devices_of(answer, EVE.mxid) == []
    assert master_key_of(answer, EVE.mxid) == ""


def no_master(answer: Answer) -> None:
    answer["master_keys"].clear()


def another_master(answer: Answer) -> None:
    master = copy.deepcopy(EVE.keys_query_response()["master_keys"][EVE.mxid])
    answer["master_keys"][ADA.mxid] = {**master, "user_id": ADA.mxid}


def self_signing_key_of_another(answer: Answer) -> None:
    other = ClientDevice(ADA.mxid, ADA.device_id)
    answer["self_signing_keys"] = other.keys_query_response()["self_signing_keys"]


def self_signing_key_unsigned(answer: Answer) -> None:
    del answer["self_signing_keys"][ADA.mxid]["signatures"]


def two_keys(answer: Answer) -> None:
    answer["self_signing_keys"][ADA.mxid]["keys"]["ed25519:second"] = "second"


def another_usage(answer: Answer) -> None:
    answer["self_signing_keys"][ADA.mxid]["usage"] = ["user_signing"]


def not_signed_by_its_user(answer: Answer) -> None:
    signatures = device(answer)["signatures"][ADA.mxid]
    for name in [name for name in signatures if not name.endswith(ADA.device_id)]:
        del signatures[name]


@pytest.mark.parametrize(
    "breaks",
    [
        no_master,
        another_master,
        self_signing_key_of_another,
        self_signing_key_unsigned,
        two_keys,
        another_usage,
        not_signed_by_its_user,
    ],
)
def test_a_broken_chain_vouches_for_nobody(breaks: Callable[[Answer], None]) -> None:
    """The device is still a device, but nothing trusts it."""
    answer = copy.deepcopy(ADA.keys_query_response())
    breaks(answer)
    assert [vouched for _, vouched in devices_of(answer, ADA.mxid)] == [False]


def other_key(answer: Answer) -> None:
    device(answer)["keys"][f"curve25519:{ADA.device_id}"] = EVE.curve25519


def other_name(answer: Answer) -> None:
    answer["device_keys"][ADA.mxid] = {"OTHER": device(answer)}


def other_user(answer: Answer) -> None:
    answer["device_keys"][ADA.mxid] = {ADA.device_id: EVE.keys_query_response()["device_keys"][EVE.mxid][EVE.device_id]}


def no_megolm(answer: Answer) -> None:
    device(answer)["algorithms"] = ["m.olm.v1.curve25519-aes-sha2"]


def no_signature(answer: Answer) -> None:
    del device(answer)["signatures"]


def no_object(answer: Answer) -> None:
    answer["device_keys"][ADA.mxid] = {ADA.device_id: ["not a device"]}


@pytest.mark.parametrize("breaks", [other_key, other_name, other_user, no_megolm, no_signature, no_object])
def test_what_is_no_device_is_left_out(breaks: Callable[[Answer], None]) -> None:
    """A device that does not sign itself, or calls itself otherwise than the homeserver does, does not exist."""
    answer = copy.deepcopy(ADA.keys_query_response())
    breaks(answer)
    assert devices_of(answer, ADA.mxid) == []
