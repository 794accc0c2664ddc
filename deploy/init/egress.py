"""The destinations of a line's outgoing connections: a list for a firewall, and the addresses that a unit may reach.

Rules of this module: the list contains every destination of the answers and no secret: of a webhook that calls a person
not even the host. A unit is restricted to addresses only when each destination is an address: systemd's lists accept no
names (systemd.resource-control(5), IPAddressAllow=), and the addresses of vendors' names change.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.runtime.settings import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deploy.init.answers import Answers

PUSH_GATEWAYS: Final = ("matrix.org", "matrix.gateway.unifiedpush.org")
"""Push gateways of apps from a store, and of UnifiedPush servers that are no gateway (deploy/docs/phones.md)."""
URL_KEYS: Final = ("api_base", "token_url")
"""Keys of a carrier's settings that contain a URL which the bridge calls."""
HEADER: Final = """\
# Where this line speaks to, for a firewall that knows names or a proxy for outgoing connections. Written by `quietline
# init` from its answers: host, port, who and what for. deploy/docs/phones.md says what holds how far.
# The machine itself needs more: DNS, NTP, packages, and with Caddy the certificate authority.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One destination outside this machine. `host`: a name or an address."""

    host: str
    port: int
    who: str
    why: str


def egress_files(answers: Answers) -> Mapping[str, str]:
    """Return the list as a file; none for a rehearsal, which has no outgoing connections."""
    if answers.mode == "rehearsal":
        return {}
    lines = [f"{each.host} {each.port} # {each.who}: {each.why}" for each in destinations(answers)]
    on_call = answers.on_call or {}
    if "webhook" in on_call or "webhook_file" in on_call:
        lines.append("# and the host of lines.0.on_call.webhook_file, which is a secret # bridge: calling somebody")
    if answers.database:
        lines.append("# and the host of the databases that were answered, which stands in secrets # line: its databases")
    return {"proxy/egress.txt": HEADER + "\n".join(lines) + "\n"}


def destinations(answers: Answers) -> Iterator[Destination]:
    """Yield the destinations outside this machine."""
    for each in _all(answers):
        if not is_loopback_host(each.host):
            yield each


def bridge_address_lists(answers: Answers) -> str:
    """Return the lines for the unit of the bridge; "" also with a database server, or a proxy on another machine.

    The URL of a database is a secret, and the lists filter incoming packets too (systemd.resource-control(5)), of which a
    proxy before two bridges sends some from an address that is not answered.
    """
    return "" if answers.bridge_postgres or answers.standby else address_lists(answers)


def address_lists(answers: Answers) -> str:
    """Return a unit's lines that restrict it to the addresses of carrier and homeserver; "" when it needs a name.

    Only on an agency's homeserver: the line's own connects to push gateways.
    """
    if answers.homeserver is None or answers.on_call:
        return ""
    hosts = [each.host for each in destinations(answers)]
    if not all(_is_address(host) for host in hosts):
        return ""
    allowed = " ".join(["localhost", *dict.fromkeys(hosts)])
    return f"""\
# All that it connects to has an address in config.yaml. Another carrier, somebody on call, a calendar's address, a database
# server, or metrics and webhooks from another machine need more: allow their addresses, or take both lines out.
IPAddressDeny=any
IPAddressAllow={allowed}
"""


def _all(answers: Answers) -> Iterator[Destination]:
    carrier = answers.carrier or {}
    kind = CARRIER_KINDS.get(str(carrier.get("kind")))
    if kind is not None:
        for key in URL_KEYS:
            field = kind.settings.model_fields.get(key)
            if field is not None and (url := carrier.get(key, field.default)):
                yield _of_url(str(url), "texts")
    if answers.homeserver is not None:
        yield _of_url(answers.homeserver.url, "the agency's homeserver")
    else:
        for host in PUSH_GATEWAYS:
            yield Destination(host=host, port=443, who="homeserver", why="waking phones")
    email = (answers.on_call or {}).get("email")
    if isinstance(email, dict) and "host" in email:
        yield Destination(host=str(email["host"]), port=int(email.get("port", 587)), who="bridge", why="calling somebody")


def _of_url(url: str, why: str) -> Destination:
    """Return the destination of a URL that the bridge calls."""
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return Destination(host=parts.hostname or "", port=port, who="bridge", why=why)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
