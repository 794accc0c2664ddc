"""`quietline exposure`."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from click.testing import CliRunner

from bridge.carriers.adapter import Exposure
from bridge.carriers.vendors.registry import CARRIER_KINDS
from deploy.cli import main


@pytest.mark.practice(19)
def test_exposure_for_a_person() -> None:
    """Every sentence of every adapter is printed under its title."""
    shown = CliRunner().invoke(main.cli, ["exposure"])
    assert shown.exit_code == 0
    for kind in CARRIER_KINDS.values():
        assert kind.exposure.carrier in shown.output
        for name in ("keeps", "we_delete", "remains", "unconfirmed", "sources"):
            assert all(sentence in shown.output for sentence in getattr(kind.exposure, name))


def test_exposure_for_a_program() -> None:
    """As JSON it is an object by kind, with every field; a kind that does not exist is a usage error."""
    shown = CliRunner().invoke(main.cli, ["exposure", "--json", "twilio", "smsgate"])
    exposures = json.loads(shown.output)
    assert list(exposures) == ["twilio", "smsgate"]
    assert set(exposures["twilio"]) == {field.name for field in fields(Exposure)}
    assert CliRunner().invoke(main.cli, ["exposure", "pigeon"]).exit_code == 2
