"""What a line speaks to is listed whole, without a secret, and a unit is held to it where that is possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.carriers.vendors.registry import CARRIER_KINDS
from deploy.init.answers import Answers
from deploy.init.egress import PUSH_GATEWAYS, address_lists, bridge_address_lists, destinations, egress_files
from tests.deploy.init.answers import answers, joined, run_init
from tests.deploy.init.test_service_files import SEVERAL, make_one_of_several

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


@pytest.mark.parametrize("kind", CARRIER_KINDS)
def test_every_carrier_is_in_the_list(kind: str) -> None:
    """Its address is the answer's, or else that of its adapter; one without either has to be answered."""
    default = CARRIER_KINDS[kind].settings.model_fields["api_base"]
    inputs = answers(carrier={"kind": kind, **({"api_base": "https://a.agency.org"} if default.is_required() else {})})
    hosts = {each.host for each in destinations(of(inputs))}
    assert len(hosts - set(PUSH_GATEWAYS)) >= (0 if kind in {"kannel", "jasmin"} else 1)


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


@pytest.mark.parametrize("standby", [None, {"bridges": ["10.0.0.1", "10.0.0.2"]}])
def test_a_bridge_with_a_database_server_is_held_to_no_addresses(tmp_path: Path, standby: dict[str, Any] | None) -> None:
    """Its host is in no file, and neither is the address from which a proxy reaches the second bridge."""
    assert run_init(tmp_path, joined(database=DATABASE, standby=standby)).exit_code == 0
    units = tmp_path / "line" / "units"
    assert "IPAddress" not in (units / "quietline.service").read_text()
    # The canary connects to no database. Before two bridges it asks by the proxy, whose address is not answered.
    assert ("IPAddressDeny=any\n" in (units / "quietline-canary.service").read_text()) == (standby is None)


def test_the_bridge_of_one_of_several_with_a_database_server_is_held_to_no_addresses(tmp_path: Path) -> None:
    """The same in the drop-in of such a line."""
    units = make_one_of_several(tmp_path, joined(line=SEVERAL, database=DATABASE))
    assert "IPAddress" not in (units / "quietline@south.service.d" / "line.conf").read_text()
    assert "IPAddressDeny=any\n" in (units / "quietline-canary@south.service.d" / "line.conf").read_text()


@pytest.mark.parametrize(
    ("inputs", "is_handed", "is_open"),
    [
        (joined(), True, False),
        (joined(carrier={"kind": "twilio", "account_sid": "AC" + "0" * 32, "auth_token": "signs"}), True, True),
        (joined(service="none"), False, True),
        (answers(), False, True),
    ],
    ids=["addresses", "names", "no units", "embedded"],
)
def test_the_checklist_says_what_keeps_a_unit_from_calling_somebody(
    tmp_path: Path, inputs: dict[str, Any], *, is_handed: bool, is_open: bool
) -> None:
    """Whoever adds somebody on call later reads which lines of the units are changed for it."""
    assert run_init(tmp_path, inputs).exit_code == 0
    page = (tmp_path / "line" / "CHECKLIST.md").read_text()
    (step,) = [line for line in page.splitlines() if "] Somebody on call" in line]
    assert ("`LoadCredential=" in step) == ("`lines.0.calendar.address_file`" in step) == is_handed
    assert ("`IPAddressDeny=`" in step) != is_open
