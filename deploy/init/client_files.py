"""What clients of a line are given: Element's `config.json`, and what the server's name answers to those that look for it.

Rules of this module: a client of the agency's own speaks to the line's homeserver and to nobody else: no identity server,
no integrations, no telemetry, no previews, no calls over servers of others; and it gives words to verified devices only.
What a person may do anyway at this homeserver is left as the client has it.

Sources: element-hq/element-web docs/config.md (keys, UI features), docs/labs.md (excluding insecure devices);
spec.matrix.org/latest/client-server-api/#well-known-uris.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.init.answers import Answers

ELEMENT_FILE: Final = "client/config.json"
WELL_KNOWN_FILE: Final = "client/well-known.json"
HIDDEN: Final = (
    "deactivate",
    "feedback",
    "identityServer",
    "passwordReset",
    "registration",
    "shareSocial",
    "thirdPartyId",
    "urlPreviews",
    "voip",
    "widgets",
)
"""What Element does not offer: it would ask a server of others, or one who may not do it here."""


def client_files(answers: Answers) -> Mapping[str, str]:
    """Return the files by name; none where no client comes from outside. The agency's own Synapse answers for its name."""
    if answers.client_url is None or answers.mode == "rehearsal":
        return {}
    files = {ELEMENT_FILE: _as_text(_element(answers.client_url, answers.name))}
    if answers.homeserver is None:
        files[WELL_KNOWN_FILE] = _as_text(well_known(answers.client_url))
    return files


def well_known(client_url: str) -> dict[str, Any]:
    """Return what clients find the homeserver by."""
    return {"m.homeserver": {"base_url": client_url}}


def _element(client_url: str, name: str) -> dict[str, Any]:
    return {
        "default_server_config": {"m.homeserver": {"base_url": client_url, "server_name": name}},
        "disable_custom_urls": True,
        "disable_guests": True,
        "disable_3pid_login": True,
        "brand": "Element",
        # Without these keys Element asks servers of its makers.
        "integrations_ui_url": None,
        "integrations_rest_url": None,
        "integrations_widgets_urls": None,
        "room_directory": {"servers": []},
        "enable_presence_by_hs_url": {client_url: False},
        "default_federate": False,
        "force_verification": True,
        "features": {"feature_exclude_insecure_devices": True},
        "show_labs_settings": False,
        "setting_defaults": {f"UIFeature.{name}": False for name in HIDDEN},
    }


def _as_text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
