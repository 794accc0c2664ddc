"""The reverse proxy in front of a line (Caddy or nginx, one bridge or two), and the files by which clients find it.

Rules of this module: `/carriers/` goes to the bridge, `/_matrix/` and the well-known file to the homeserver (an agency's
own homeserver has a proxy already), and every other path is refused: no administration, no readiness, no metrics. No
request is logged, because the path of a webhook may contain a secret and an IP address shows who texts or who works here.
Whoever sends half a request loses the connection within 15 seconds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from deploy.data_dir.layout import HOST
from deploy.init.compose_files import has_own_network
from deploy.init.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.data_dir.layout import Ports
    from deploy.init.answers import Answers

ELEMENT_FILE: Final = "client/config.json"
WELL_KNOWN_FILE: Final = "client/well-known.json"


WELL_KNOWN: Final = "/.well-known/matrix/client"
MAX_BODY: Final = "25m"
"""Uploads to the homeserver have up to 20 MiB, webhooks with a phone's pictures up to 16 MiB."""


def client_files(answers: Answers) -> Mapping[str, str]:
    """Return the files by name; none without clients from outside. An agency's Synapse serves its own well-known file."""
    if answers.client_url is None or answers.mode == "rehearsal":
        return {}
    files = {ELEMENT_FILE: render("client/config.json", url=answers.client_url, name=answers.name)}
    if answers.homeserver is None:
        files[WELL_KNOWN_FILE] = _as_text(well_known(answers.client_url))
    return files


def well_known(client_url: str) -> dict[str, Any]:
    """Return the well-known content by which clients find the homeserver."""
    return {"m.homeserver": {"base_url": client_url}}


def _as_text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


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
