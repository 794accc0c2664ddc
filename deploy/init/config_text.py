"""`config.yaml`, written from the models of the configuration: every key once, with its purpose.

Rule of this module: the keys come from the models, so a new key cannot be forgotten; a key without an answer is a comment
with the default value. The text about a key is in one table below.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.config.sections import Config
from bridge.runtime.settings import Section

HEADER: Final = """\
# The line's configuration, written once by `quietline init`. It is yours to edit; it is read at the start.
# A key behind `#` has the value that stands there. Every *_file is a file of mode 0600 with one secret in it.
# `quietline up` makes the ports on this machine follow --port-base.
"""

COMMENTS: Final[Mapping[str, str]] = types.MappingProxyType(
    {
        "data_dir": "The bridge's databases. No backup program may copy it; `quietline backup` does.",
        "homeserver": "The homeserver of the line.",
        "homeserver.joined": "True for the agency's own Synapse; else `quietline up` runs it.",
        "homeserver.server_name": "The second half of every account's id. It can never be changed.",
        "homeserver.public_url": "Where clients reach it, through the proxy.",
        "homeserver.admin_token_file": "Only for a homeserver that cannot load our module.",
        "homeserver.database_url_file": "A file with postgresql://USER:PASSWORD@HOST/NAME; else its data are in SQLite.",
        "homeserver.policy_localpart": "The account of the software that looks after the rooms.",
        "homeserver.other_lines": "Further lines on the homeserver that `up` runs: registration and policy bot of each.",
        "listen": "Where webhooks arrive; public_base_url is what the carrier was told, and what it signs.",
        "keys": "Keep them apart from every backup but that of suppression_key_file, which `quietline backup` holds.",
        "lines": "One line. Its slug stands in the webhook's address: /carriers/SLUG/inbound.",
        "lines.numbers": "Further numbers of the same line.",
        "lines.rehearsal": "True for a line without phones only.",
        "lines.packs": "Wordings, hours and settings, in order; the agency's own is the last one.",
        "lines.staff": "Who is invited to the desk at the first start; `identity`: a fingerprint, see keys.md.",
        "lines.on_call": "How whoever is on call hears that they are needed, outside Matrix.",
        "lines.on_call.webhook_file": "A file with a URL.",
        "lines.on_call.email": "A mail server that takes the agency's mail.",
        "lines.calendar": "Who is on shift, as a calendar file (deploy/docs/shifts.md): one of the two, or neither.",
        "lines.calendar.file": "A file in the form of RFC 5545 (ICS).",
        "lines.calendar.address_file": "A file with the https address of one, which is fetched every half hour.",
        "quiet_hours": "From and to, in the packs' time zone: when databases are rewritten.",
        "canary": 'With it the line texts itself to see that it works (deploy/docs/decisions/operations.md, "The canary").',
        "canary.secret_file": "32 bytes in hex, for nothing else: `openssl rand -hex 32`.",
        "canary.localpart": "Its account on the homeserver, which is nobody's.",
        "canary.handset": "True only with the rehearsal carrier: it texts from a handset there.",
        "canary.every": "Seconds between two texts.",
        "canary.slow": "Seconds after which one is called slow.",
        "canary.limit": "Seconds after which one is given up; at most 110.",
        "metrics": "Where Prometheus finds the metrics, on a listener of its own (deploy/docs/monitoring.md).",
        "metrics.listen": "HOST:PORT, such as 127.0.0.1:9464.",
        "metrics.exposed": "True where networks of others may reach that address, all addresses (0.0.0.0) among them.",
        "backup": "Where `quietline backup` writes a new file each time, and the file of its passphrase.",
        "backup.keep": "Which files of this line stay there: 8, or 7d,4w,12m; null: all.",
        "log_level": "DEBUG, INFO, WARNING or ERROR; none of them logs words or numbers.",
    }
)


def config_text(answers: Mapping[str, Any]) -> str:
    """Return the configuration's text. `answers`: the keys with an answer, in the form of the models."""
    return HEADER + "\n" + "\n".join(_section(Config, answers, "", 0, silent=False)) + "\n"


def _section(model: type[Section], answers: Mapping[str, Any], path: str, depth: int, *, silent: bool) -> Iterator[str]:
    for name, field in model.model_fields.items():
        place = f"{path}.{name}" if path else name
        if comment := COMMENTS.get(place):
            yield f"{'  ' * depth}# {comment}"
        yield from _key(name, field, answers, (place, depth), silent=silent)


def _key(name: str, field: FieldInfo, answers: Mapping[str, Any], at: tuple[str, int], *, silent: bool) -> Iterator[str]:
    """Yield the lines of one key and its children. `silent`: as comments, because there is no answer."""
    place, depth = at
    off = silent or name not in answers
    indent = "  " * depth + ("# " if off else "")
    value = answers.get(name)
    model, many = _model_of(name, field, value)
    if model is None or (many and off):
        yield f"{indent}{name}: {_flow(_default(field) if off else value)}".rstrip()
    elif not many:
        yield f"{indent}{name}:"
        yield from _section(model, value if isinstance(value, Mapping) else {}, place, depth + 1, silent=off)
    else:
        yield f"{indent}{name}:"
        for n, item in enumerate(value or ()):
            if n or (_required_fields(model) <= item.keys() and all(isinstance(each, str) for each in item.values())):
                yield f"{'  ' * (depth + 1)}- {_flow(dict(item))}"
                continue
            first, *rest = [line[2 * (depth + 2) :] for line in _section(model, item, place, depth + 2, silent=off)]
            yield f"{'  ' * (depth + 1)}- {first}"
            yield from (f"{'  ' * (depth + 2)}{line}" for line in rest)


def _model_of(name: str, field: FieldInfo, value: Any) -> tuple[type[Section] | None, bool]:
    """Return the section that a key holds, and whether it holds a list of them."""
    if name == "carrier" and isinstance(value, Mapping):
        return CARRIER_KINDS[str(value["kind"])].settings, False
    annotation: Any = field.annotation
    many = get_origin(annotation) is list
    if many or get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if isinstance(kind, type) and issubclass(kind, Section)]
        return (kinds[0] if kinds else None), many
    return (annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None), many


def _required_fields(model: type[Section]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True)
    return "" if value is PydanticUndefined else value


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    if value == "":
        return ""
    plain = str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump([plain], default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True).strip()[1:-1]
