"""The reverse proxy in front of a line: a file for Caddy or nginx, for one bridge, or for a leader and a standby.

Rules of this module: `/carriers/` goes to the bridge, `/_matrix/` and the well-known file to the homeserver (an agency's
own homeserver has a proxy already), and every other path is refused: no administration, no readiness, no metrics. No
request is logged, because the path of a webhook may contain a secret and an IP address shows who texts or who works here.
Whoever sends half a request loses the connection within 15 seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from deploy.data_dir.layout import HOST
from deploy.init.compose_files import has_own_network
from deploy.init.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.data_dir.layout import Ports
    from deploy.init.answers import Answers

WELL_KNOWN: Final = "/.well-known/matrix/client"
MAX_BODY: Final = "25m"
"""Uploads to the homeserver have up to 20 MiB, webhooks with a phone's pictures up to 16 MiB."""


def proxy_files(answers: Answers, ports: Ports) -> Mapping[str, str]:
    """Return the files by name; none without a proxy or without a public URL."""
    if answers.public_url is None or answers.proxy_kind == "none":
        return {}
    by_name = has_own_network(answers)
    homeserver, bridge = (f"{name if by_name else HOST}:{ports.of(name)}" for name in ("homeserver", "bridge"))
    bridges = (bridge,) if answers.standby is None else answers.standby.at(ports.bridge)
    clients = homeserver if answers.homeserver is None else None
    values = {"bridges": bridges, "homeserver": clients, "well_known": WELL_KNOWN, "max_body": MAX_BODY}
    if answers.proxy_kind == "caddy":
        return {"proxy/Caddyfile": render("proxy/Caddyfile", public_url=answers.public_url, **values)}
    parts = urlsplit(answers.public_url)
    secure = parts.scheme == "https"
    name = f"quietline_{answers.line.slug}"
    own = {
        "name": name,
        "address": f"${name.replace('-', '_')}_address",
        "host": parts.hostname or "",
        "port": parts.port or (443 if secure else 80),
        "secure": secure,
    }
    return {"proxy/nginx.conf": render("proxy/nginx.conf", **own, **values)}
