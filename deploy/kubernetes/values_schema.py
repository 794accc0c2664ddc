"""The schema of the chart's values (`deploy/chart/values.schema.json`).

Rules of this module: only these keys are accepted, and none contains a secret: a value gives the name of a Secret, never
its content. The carrier's keys come from its adapter's settings, so the chart has every carrier that the program has; a
key that ends in `_file` is instead listed, without the suffix, in `carrier.secrets`. What a pattern cannot check, the
program checks when it reads its configuration at the start, and the chart's test before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.carriers.vendors.registry import CARRIER_KINDS

if TYPE_CHECKING:
    from bridge.runtime.settings import CarrierSettings

Schema = dict[str, Any]

FILE: Final = "_file"
URL: Final = r"^https?://[A-Za-z0-9.\[\]:_/-]*[A-Za-z0-9\]]$"
NAME: Final[Schema] = {"type": "string", "maxLength": 63, "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
"""The name of an object in the cluster."""
NAME_OR_NONE: Final[Schema] = {"type": "string", "maxLength": 63, "pattern": r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"}
FILE_NAME: Final[Schema] = {"type": "string", "maxLength": 63, "pattern": r"^[a-z][-._a-z0-9]*$"}
E164: Final[Schema] = {"type": "string", "pattern": r"^\+[1-9][0-9]{6,14}$"}
TEXT: Final[Schema] = {"type": "string", "minLength": 1}
FLAG: Final[Schema] = {"type": "boolean"}
SCHEDULE: Final[Schema] = {"type": "string", "pattern": r"^(@[a-z]+|\S+ \S+ \S+ \S+ \S+)$"}
PORT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 65535}
DURATION: Final[Schema] = {"type": "string", "pattern": r"^[1-9][0-9]*(ms|s|m)$"}
WORDS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
ANYTHING: Final[Schema] = {"type": "object"}
"""Passed to the cluster unchanged; Kubernetes has its own schema for it."""
PEERS: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"namespaceSelector": ANYTHING, "podSelector": ANYTHING, "ipBlock": ANYTHING},
        "additionalProperties": False,
        "minProperties": 1,
    },
}
ENTRIES: Final = (
    *("as_token", "vault_key", "index_key", "suppression_key", "database_url", "admin_token", "canary"),
    *("calendar_address", "on_call_webhook", "on_call_mail_password", "backup_passphrase"),
)
"""Entries of the line's Secret, beside those of its carrier: `carrier_` and the key without `_file`."""


def values_schema() -> Schema:
    """Return the schema."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of Quietline's chart; made by python -m deploy.kubernetes.chart_files",
        **_section(_parts(), required=("image", "serverName", "publicUrl", "homeserver", "line", "carrier", "secrets")),
    }


def carrier_entries() -> set[str]:
    """Return the entries of a Secret that carriers can have."""
    return {f"carrier_{name}" for kind in CARRIER_KINDS.values() for name in _secrets(kind.settings)}


def _parts() -> dict[str, Schema]:
    return {
        "replicas": {"type": "integer", "minimum": 0, "maximum": 2},
        "image": _image(required=True),
        "serverName": {"type": "string", "pattern": r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]+)?$"},
        "publicUrl": {"type": "string", "pattern": r"^https://[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:[0-9]+)?$"},
        "homeserver": _section(
            {
                "url": {"type": "string", "pattern": URL},
                "publicUrl": {"type": "string", "pattern": f"^$|{URL}"},
                "policyLocalpart": {"type": "string", "pattern": "^[a-z][a-z0-9._-]{0,63}$"},
                "adminToken": FLAG,
            },
            required=("url",),
        ),
        "line": _line(),
        "carrier": _carrier(),
        "quietHours": {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": "integer", "minimum": 0, "maximum": 24},
        },
        "logLevel": {"enum": ["DEBUG", "INFO", "WARNING", "ERROR"]},
        "secrets": _secret_references(),
        "database": _section(
            {
                "ca": _reference(key=FILE_NAME),
                "copiesKeptDays": {"type": ["integer", "null"], "minimum": 0, "maximum": 3650},
            }
        ),
        "keys": _section(
            {
                "mode": {"enum": ["shared", "follows"]},
                "existingClaim": NAME_OR_NONE,
                "storageClass": NAME_OR_NONE,
                "size": {"type": "string", "pattern": "^[0-9]+(Mi|Gi)$"},
            }
        ),
        "gate": _section(
            {
                "replicas": {"type": "integer", "minimum": 1, "maximum": 5},
                "image": _image(),
                "hold": DURATION,
                "resources": ANYTHING,
            }
        ),
        "ingress": _section({"enabled": FLAG, "className": NAME_OR_NONE, "annotations": WORDS, "tlsSecret": NAME_OR_NONE}),
        "httpRoute": _section(
            {"enabled": FLAG, "parentRefs": {"type": "array", "items": {"type": "object", "required": ["name"]}}}
        ),
        "metrics": _section(
            {
                "enabled": FLAG,
                "serviceMonitor": _section({"enabled": FLAG, "labels": WORDS, "interval": DURATION}),
                "prometheusRule": _section({"enabled": FLAG, "labels": WORDS}),
            }
        ),
        "networkPolicy": _network_policy(),
        "canary": _section(
            {
                "enabled": FLAG,
                "localpart": {"type": "string", "pattern": "^[a-z][a-z0-9._-]{0,63}$"},
                "every": {"type": "number", "minimum": 5, "maximum": 86400},
                "slow": {"type": "number", "minimum": 1, "maximum": 110},
                "limit": {"type": "number", "minimum": 5, "maximum": 110},
            }
        ),
        "doctor": _section({"enabled": FLAG, "schedule": SCHEDULE}),
        "backup": _section(
            {
                "enabled": FLAG,
                "schedule": SCHEDULE,
                "drillSchedule": SCHEDULE,
                "existingClaim": NAME_OR_NONE,
                "keep": {"type": "string", "pattern": r"^([0-9]+|[0-9]+[dwm](,[0-9]+[dwm])*)?$"},
            }
        ),
        "upgrade": _section({"enabled": FLAG}),
        "resources": ANYTHING,
        "spread": {"enum": ["required", "preferred"]},
        "topologyKey": {"type": "string", "pattern": r"^[A-Za-z0-9./_-]+$"},
        "nodeSelector": WORDS,
        "tolerations": {"type": "array", "items": ANYTHING},
        "priorityClassName": NAME_OR_NONE,
        "podAnnotations": WORDS,
        "podLabels": WORDS,
        "global": ANYTHING,
    }


def _line() -> Schema:
    staff = _section(
        {
            "mxid": {"type": "string", "pattern": r"^@[a-z0-9._=/+-]{1,200}:.+$"},
            "role": {"enum": ["advocate", "supervisor"]},
            "identity": {"type": "string", "pattern": r"^[A-Za-z0-9+/ ]{43,64}$"},
        },
        required=("mxid", "role"),
    )
    email = _section(
        {
            "host": TEXT,
            "port": PORT,
            "starttls": FLAG,
            "user": TEXT,
            "password": FLAG,
            "sender": TEXT,
            "to": {"type": "array", "items": TEXT, "minItems": 1},
        }
    )
    return _section(
        {
            "slug": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,30}$"},
            "number": E164,
            "numbers": {"type": "array", "items": E164},
            "staff": {"type": "array", "items": staff, "minItems": 1},
            "packs": {"type": "array", "items": FILE_NAME, "minItems": 1},
            "packsFrom": _reference(),
            "calendar": _section({"file": {**FILE_NAME, "pattern": r"^([a-z][-._a-z0-9]*)?$"}, "address": FLAG}),
            "onCall": _section({"webhook": FLAG, "email": email}),
        },
        required=("slug", "number", "staff", "packs"),
    )


def _secret_references() -> Schema:
    # A Secret's entry may have any name; a long sequence of letters and digits is a secret itself, in the wrong place.
    entry = {"type": "string", "maxLength": 63, "pattern": r"^[-._a-zA-Z0-9]+$", "not": {"pattern": "[A-Za-z0-9]{20,}"}}
    elsewhere = _section({"name": NAME, "key": entry}, required=("name", "key"))
    return _section(
        {
            "name": NAME,
            "elsewhere": _section(dict.fromkeys((*ENTRIES, *sorted(carrier_entries())), elsewhere)),
        },
        required=("name",),
    )


def _network_policy() -> Schema:
    blocks = {"type": "array", "items": {"type": "string", "pattern": r"^[0-9a-fA-F.:]+/[0-9]+$"}}
    ports = {"type": "array", "items": PORT, "minItems": 1}
    outside = _section({"cidrs": blocks, "ports": ports})
    return _section(
        {
            "enabled": FLAG,
            "ingressController": PEERS,
            "prometheus": PEERS,
            "dns": PEERS,
            "homeserver": _section({"peers": PEERS, "ports": ports}),
            "database": _section({"peers": PEERS, "ports": ports}),
            "carrier": outside,
            "onCall": outside,
            "calendar": outside,
            "publicAddress": outside,
        }
    )


def _carrier() -> Schema:
    kinds = {name: kind for name, kind in CARRIER_KINDS.items() if name != "rehearsal"}
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": sorted(kinds)}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": name}}}, "then": _settings(name, kinds[name].settings)}
            for name in sorted(kinds)
        ],
    }


def _settings(name: str, settings: type[CarrierSettings]) -> Schema:
    """Return the schema of a carrier's section, from its settings."""
    schema = settings.model_json_schema()
    properties: dict[str, Schema] = {"kind": {"const": name}}
    for key, property_schema in schema["properties"].items():
        if key != "kind" and not key.endswith(FILE):
            # `null` means a key that is left out; the program has the defaults.
            shapes = [each for each in property_schema.get("anyOf", [property_schema]) if each.get("type") != "null"]
            properties[key] = {word: value for word, value in shapes[0].items() if word not in {"title", "default"}}
    secrets = _secrets(settings)
    properties["secrets"] = {
        "type": "array",
        "uniqueItems": True,
        "items": {"enum": sorted(secrets)},
        "allOf": [{"contains": {"const": key}} for key, needed in sorted(secrets.items()) if needed],
    }
    required = {key.removesuffix(FILE) if key.endswith(FILE) else key for key in schema["required"]} - set(secrets)
    return _section(properties, required=("secrets", *sorted(required)))


def _secrets(settings: type[CarrierSettings]) -> dict[str, bool]:
    """Return the carrier's secrets by name, each with whether it is required."""
    return {
        name.removesuffix(FILE): field.is_required() for name, field in settings.model_fields.items() if name.endswith(FILE)
    }


def _section(properties: dict[str, Schema], *, required: tuple[str, ...] = ()) -> Schema:
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return schema | ({"required": list(required)} if required else {})


def _image(*, required: bool = False) -> Schema:
    repository = {"type": "string", "minLength": 1, "pattern": r"^[a-z0-9./:_-]+$"}
    return _section(
        {
            "repository": repository,
            "tag": {"type": "string", "pattern": r"^[A-Za-z0-9._-]{0,128}$"},
            "digest": {"type": "string", "pattern": r"^(sha256:[0-9a-f]{64})?$"},
            "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
            "pullSecrets": {"type": "array", "items": NAME},
        },
        required=("repository",) if required else (),
    )


def _reference(*, key: Schema | None = None) -> Schema:
    """Return the schema of a reference to a config map or a secret: at most one of them is named."""
    kinds = ("configMap", "secret")
    schema = _section(dict.fromkeys(kinds, NAME_OR_NONE) | ({"key": key} if key else {}))
    return schema | {"not": {"required": list(kinds), "properties": {kind: {"minLength": 1} for kind in kinds}}}
