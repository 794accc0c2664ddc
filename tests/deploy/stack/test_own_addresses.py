"""Our addresses in `config.yaml` follow the ports and the kind of start; everything else stays letter for letter."""

from __future__ import annotations

import pytest

from deploy.data_dir.layout import EVERYWHERE, Ports
from deploy.stack.own_addresses import homeserver_url, with_addresses

TEXT = """\
# a person's own words
homeserver: {url: "HOME", server_name: text.agency.org, public_url: https://text.agency.org}
listen:
  host: LISTEN   # here
  port: 1
  public_base_url: https://text.agency.org
lines: [{carrier: {kind: kannel, api_base: "http://127.0.0.1:13013"}}]
"""
ONE_MACHINE = ("http://127.0.0.1:20000", "127.0.0.1")
CONTAINERS = ("http://homeserver:20000", EVERYWHERE)


def written(home: str, listen: str, port: int = 1) -> str:
    return TEXT.replace("HOME", home).replace("LISTEN", listen).replace("port: 1\n", f"port: {port}\n")


@pytest.mark.parametrize("before", [("http://127.0.0.1:1", "127.0.0.1"), ("http://homeserver:1", EVERYWHERE)])
@pytest.mark.parametrize("after", [ONE_MACHINE, CONTAINERS])
def test_a_start_of_either_kind_puts_them_right(before: tuple[str, str], after: tuple[str, str]) -> None:
    """What `up` left for loopback serves containers, and the other way round; a second time changes nothing."""
    text = with_addresses(written(*before), Ports(20000), listen=after[1])
    assert text == written(*after, port=20001)
    assert with_addresses(text, Ports(20000), listen=after[1]) == text
    assert homeserver_url(Ports(20000), listen=after[1]) == after[0]


@pytest.mark.parametrize("listen", ["127.0.0.1", EVERYWHERE])
def test_what_an_operator_chose_stays(listen: str) -> None:
    """A homeserver elsewhere, another address to listen at, and, beside a start of the same kind, all addresses."""
    elsewhere = written("http://10.0.0.9:8008", "10.0.0.1")
    assert with_addresses(elsewhere, Ports(20000), listen=listen) == written("http://10.0.0.9:8008", "10.0.0.1", 20001)
    of_the_same_kind = homeserver_url(Ports(1), listen=listen)
    for host in ("10.0.0.1", "127.0.0.1", EVERYWHERE):
        result = with_addresses(written(of_the_same_kind, host), Ports(20000), listen=listen)
        assert result == written(homeserver_url(Ports(20000), listen=listen), host, 20001)
