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
        f"{FOLDER}/workers.nginx": _NGINX.format(path=MODULE_PATH, upstream=upstream),
        f"{FOLDER}/workers.caddy": _CADDY.format(path=MODULE_PATH, upstream=upstream),
        f"{FOLDER}/postgresql.conf": _POSTGRESQL,
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
    own = {"registration": str(registration_path(answers, names)), "policy": f"@{names.policy}:{answers.name}"}
    settings = {
        "app_service_config_files": [own["registration"]],
        "modules": [{"module": "quietline_synapse.Quietline", "config": own if names.slug is None else {"lines": [own]}}],
        "redaction_retention_period": "1s",
        "experimental_features": {"msc4222_enabled": True},
        "push": {"include_content": False},
        "enable_search": False,
    }
    return ("" if names.slug is None else _SEVERAL) + _SETTINGS + yaml.safe_dump(settings, sort_keys=False)


_SEVERAL: Final = """\
# Where this homeserver has another line already, add these entries of app_service_config_files and `lines` to its file.
"""

_SETTINGS: Final = """\
# For Synapse's folder conf.d, or another --config-path, or pasted into homeserver.yaml. A later file replaces a key of an
# earlier one whole: where yours has app_service_config_files, modules or experimental_features, add these entries to it.
# With workers every one of them reads this file.
#
# redaction_retention_period holds for the whole homeserver, and must never be null: what is redacted goes at once.
# msc4222: a sync tells which membership holds; without it one that is over may be told.
# push: no content goes to the makers of apps and telephones.
# enable_search: the index of names and clear words would hold names of the line's rooms. It holds for the whole homeserver:
# a Synapse on PostgreSQL, which deletes its rows, may go without this line.
"""

_NGINX: Final = """\
# nginx before a Synapse with workers, where the bridge comes in: the module answers in the main process alone.
# Place it before every other location. {upstream} is where the bridge was told that Synapse is: put the main process there.
# Where a worker keeps the uploads, `location {path}/media` leads to that one.
location {path} {{
    proxy_pass http://{upstream};
    access_log off;
}}
# Where people come in from outside, instead:
# location {path} {{ return 404; }}
"""

_CADDY: Final = """\
# Caddy before a Synapse with workers, where the bridge comes in: the module answers in the main process alone.
# {upstream} is where the bridge was told that Synapse is: put the main process there.
# Where a worker keeps the uploads, `handle {path}/media*` before this leads to that one.
handle {path}/* {{
	reverse_proxy {upstream}
}}
# Where people come in from outside, instead: handle {path}/* {{ respond 404 }}
"""

_POSTGRESQL: Final = (
    """\
# Only for a Synapse on PostgreSQL: lines for postgresql.conf.
# A segment of the write-ahead log that is done with is removed, and not kept under another name with words in it.
wal_recycle = off
# Its own log holds no statement that failed, and no value: Synapse's statements hold names of people.
"""
    + "".join(f"{name} = {value}\n" for name, value in LOG_SETTINGS.items())
    + """\
# The database itself is as Synapse asks for it: encoding UTF8, LC_COLLATE and LC_CTYPE 'C', TEMPLATE template0.
"""
)
