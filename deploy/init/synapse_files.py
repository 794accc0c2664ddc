"""Files for an agency's own Synapse (`mode: join`): registration, settings, the module's route with workers, PostgreSQL.

Rules of this module: each file is pasted or copied unchanged; only the registration is secret. No
file gives the bridge more than its own rooms: the administrator keeps control of the agency's accounts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import yaml

from deploy.init.answers import REGISTRATION_FILE
from deploy.init.line_names import FOLDER, SETTINGS
from deploy.init.render import render
from deploy.stack.homeserver_database import LOG_SETTINGS
from deploy.stack.synapse_config import registration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.data_dir.secret_files import Secrets
    from deploy.init.answers import Answers
    from deploy.init.line_names import LineNames

MODULE_PATH: Final = "/_synapse/client/quietline"
MODULE_SOURCE: Final = Path(__file__).resolve().parent.parent / "synapse_module"


def synapse_files(answers: Answers, names: LineNames, secrets: Secrets) -> Mapping[str, str]:
    """Return the files by name; none when the homeserver is the line's own."""
    if answers.homeserver is None:
        return {}
    upstream = urlsplit(answers.homeserver.url).netloc
    return {
        f"{FOLDER}/{names.registration}": _registration(answers, names, secrets),
        SETTINGS: _settings(answers, names),
        f"{FOLDER}/workers.nginx": render("synapse/workers.nginx", path=MODULE_PATH, upstream=upstream),
        f"{FOLDER}/workers.caddy": render("synapse/workers.caddy", path=MODULE_PATH, upstream=upstream),
        f"{FOLDER}/postgresql.conf": render("synapse/postgresql.conf", log_settings=LOG_SETTINGS),
    }


def registration_path(answers: Answers, names: LineNames) -> Path:
    """Return where to copy the registration: on the homeserver's machine."""
    homeserver = answers.homeserver
    if homeserver is None or (names.slug and "registration_file" not in homeserver.model_fields_set):
        return REGISTRATION_FILE.with_name(names.registration)
    return homeserver.registration_file


def _registration(answers: Answers, names: LineNames, secrets: Secrets) -> str:
    head = """\
# The bridge's registration. It holds tokens: mode 0600, or 0640 with Synapse's group.
"""
    identities = (names.policy, f"line-{answers.line.slug}")
    return head + yaml.safe_dump(registration(secrets, answers.name, identities, name=names.service), sort_keys=False)


def _settings(answers: Answers, names: LineNames) -> str:
    return render(
        "synapse/quietline.yaml",
        several=names.slug is not None,
        registration=str(registration_path(answers, names)),
        policy=f"@{names.policy}:{answers.name}",
    )
