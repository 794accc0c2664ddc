"""Files for the clients of a line: Element's `config.json`, and the well-known file of the server name.

Rules of this module: a client that the agency hosts connects only to the line's homeserver: no identity server, no
integrations, no telemetry, no previews, no calls over other servers; without a key such as `integrations_ui_url` Element
contacts its vendor's. It sends messages to verified devices only. Features
that the homeserver permits anyway keep the client's own setting.

Sources: element-hq/element-web docs/config.md (keys, UI features), docs/labs.md (excluding insecure devices);
spec.matrix.org/latest/client-server-api/#well-known-uris.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from deploy.init.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.init.answers import Answers

ELEMENT_FILE: Final = "client/config.json"
WELL_KNOWN_FILE: Final = "client/well-known.json"


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
