"""What a line speaks to is listed whole, without a secret, and a unit is held to it where that is possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploy.init.answers import Answers
from deploy.init.egress import PUSH_GATEWAYS, address_lists, bridge_address_lists, destinations, egress_files
from tests.deploy.init.answers import answers, joined, run_init

WEBHOOK = "https://calls.agency.org/a-secret"
DATABASE = {"bridge_url": "postgresql://quietline:secret@10.0.0.9/quietline"}
BACKUP = {"to": "/srv/backups", "passphrase_file": "/etc/quietline/passphrase"}


def of(inputs: dict[str, Any]) -> Answers:
    return Answers.model_validate(inputs)


def gateway(address: str) -> dict[str, Any]:
    return {**answers()["carrier"], "api_base": address}


def test_an_embedded_line_speaks_to_its_carrier_and_to_push_gateways() -> None:
    """With a mail server where somebody is called by mail; what is on this machine is nowhere outside."""
    email = {"host": "mail.agency.org", "sender": "line@agency.org", "to": ["oncall@agency.org"]}
    line_answers = of(answers(carrier={"kind": "bandwidth"}, on_call={"email": email}))
    assert {(each.host, each.port) for each in destinations(line_answers)} == {
        ("messaging.bandwidth.com", 443),
        ("api.bandwidth.com", 443),
        ("mail.agency.org", 587),
        *((host, 443) for host in PUSH_GATEWAYS),
    }
    assert {each.host for each in destinations(of(answers()))} == set(PUSH_GATEWAYS)


def test_the_list_holds_no_secret(tmp_path: Path) -> None:
    """The address that calls somebody is a secret: its host is not written either."""
    assert run_init(tmp_path, answers(on_call={"webhook": WEBHOOK})).exit_code == 0
    text = (tmp_path / "line" / "proxy" / "egress.txt").read_text()
    assert "calls.agency.org" not in text
    assert "lines.0.on_call.webhook_file" in text
    assert all(host in text for host in PUSH_GATEWAYS)
    assert egress_files(of(answers(mode="rehearsal"))) == {}


def test_a_unit_is_held_to_addresses_where_all_are_addresses(tmp_path: Path) -> None:
    """A joined bridge with a gateway at an address: nothing else is reached by it; a name, or a call, leaves it open."""
    inputs = joined(carrier=gateway("http://10.0.0.7:13013"))
    assert address_lists(of(inputs)).splitlines()[-2:] == ["IPAddressDeny=any", "IPAddressAllow=localhost 10.0.0.7"]
    assert address_lists(of(joined())).splitlines()[-1] == "IPAddressAllow=localhost"
    assert bridge_address_lists(of(inputs)) == address_lists(of(inputs))
    for open_ in (
        joined(carrier={"kind": "twilio"}),
        joined(on_call={"webhook": WEBHOOK}),
        joined(homeserver={"url": "https://matrix.agency.org", "public_url": "https://matrix.agency.org"}),
        answers(),
    ):
        assert address_lists(of(open_)) == bridge_address_lists(of(open_)) == ""
    assert run_init(tmp_path, {**inputs, "backup": BACKUP}).exit_code == 0
    units = tmp_path / "line" / "units"
    for name in ("quietline.service", "quietline-canary.service"):
        assert "IPAddressAllow=localhost 10.0.0.7\n" in (units / name).read_text()
    assert "PrivateNetwork=yes\n" in (units / "quietline-backup.service").read_text()
