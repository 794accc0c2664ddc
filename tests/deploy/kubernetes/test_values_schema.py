"""The schema of the chart's values: strict everywhere, every carrier in it, and no place for a secret."""

from __future__ import annotations

import json
from typing import Any

import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # without annotations

from bridge.carriers.vendors.registry import CARRIER_KINDS
from tests.deploy.kubernetes.rendered import CHART, LINE, read_values
from tests.every_row import every_row

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
JUDGE = Draft7Validator(SCHEMA)
DEFAULTS = read_values(CHART / "values.yaml")
SECRET = "4f3c1a9e4f3c1a9e4f3c1a9e4f3c1a9e4f3c1a9e4f3c1a9e4f3c1a9e4f3c1a9e"


def laid(*over: dict[str, Any]) -> dict[str, Any]:
    """Lay values over the defaults and the least line, as helm does."""

    def merge(low: Any, high: Any) -> Any:
        if not (isinstance(low, dict) and isinstance(high, dict)):
            return high
        return low | {key: merge(low.get(key), value) for key, value in high.items()}

    values = DEFAULTS
    for each in (read_values(LINE), *over):
        values = merge(values, each)
    return dict(values)


def test_it_is_a_schema_and_the_least_line_is_well() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert [error.message for error in JUDGE.iter_errors(laid())] == []


@every_row("kind", sorted(set(CARRIER_KINDS) - {"rehearsal"}))
def test_each_carrier_names_its_secrets_and_holds_none(kind: str) -> None:
    """A secret in the clear, under either name, is refused; so is one that is missing, and one of another carrier."""
    settings = CARRIER_KINDS[kind].settings
    needed = [name for name, field in settings.model_fields.items() if name.endswith("_file") and field.is_required()]
    assert needed
    entry = yaml.safe_load((CHART.parent / "examples" / f"{kind}.yaml").read_text(encoding="utf-8"))["lines"][0]["carrier"]
    carrier = {name: value for name, value in entry.items() if not name.endswith("_file")}
    carrier["secrets"] = sorted(name.removesuffix("_file") for name in entry if name.endswith("_file"))
    values = laid() | {"carrier": carrier}
    assert [error.message for error in JUDGE.iter_errors(values)] == []
    for file in (name for name in settings.model_fields if name.endswith("_file")):
        for name in (file, file.removesuffix("_file")):
            assert not JUDGE.is_valid(values | {"carrier": carrier | {name: SECRET}})
    for name in needed:
        others = [each for each in carrier["secrets"] if f"{each}_file" != name]
        assert not JUDGE.is_valid(values | {"carrier": carrier | {"secrets": others}})
    assert not JUDGE.is_valid(values | {"carrier": carrier | {"secrets": [*carrier["secrets"], SECRET]}})


@every_row(
    "wrong",
    [
        {"secrets": {"vault_key": SECRET}},
        {"secrets": {"name": SECRET}},
        {"secrets": {"elsewhere": {"vault_key": SECRET}}},
        {"secrets": {"elsewhere": {"vault_key": {"name": "other", "key": SECRET}}}},
        {"secrets": {"elsewhere": {"vault_key": {"name": "other", "key": "k", "value": SECRET}}}},
        {"secrets": {"elsewhere": {"carrier_of_nobody": {"name": "other", "key": "k"}}}},
        {"homeserver": {"adminToken": SECRET}},
        {"homeserver": {"as_token": SECRET}},
        {"line": {"onCall": {"webhook": "https://call.agency.org/secret"}}},
        {"line": {"onCall": {"email": {"password": SECRET}}}},
        {"database": {"url": f"postgresql://quietline:{SECRET}@quietline-db-rw:5432/quietline"}},
        {"canary": {"secret": SECRET}},
        {"backup": {"passphrase": SECRET}},
        {"backup": {"keep": SECRET}},
    ],
)
def test_a_secret_has_no_place_in_a_file_of_values(wrong: dict[str, Any]) -> None:
    assert not JUDGE.is_valid(laid(wrong))


@every_row(
    "wrong",
    [
        {"replicas": 3},
        {"replicas": "2"},
        {"serverName": ""},
        {"serverName": "Text.Agency.org"},
        {"publicUrl": "http://text.agency.org"},
        {"publicUrl": "https://text.agency.org/"},
        {"image": {"repository": ""}},
        {"line": {"number": "5125550100"}},
        {"line": {"staff": []}},
        {"line": {"packs": ["/etc/passwd"]}},
        {"line": {"packsFrom": {"configMap": "one", "secret": "two"}}},
        {"line": {"rehearsal": True}},
        {"carrier": {"kind": "rehearsal", "api_base": "http://carrier:8450", "secrets": ["token", "signing_key"]}},
        {"carrier": {"kind": "fax"}},
        {"keys": {"mode": "both"}},
        {"networkPolicy": {"carrier": {"cidrs": ["api.telnyx.com"]}}},
        {"networkPolicy": {"homeserver": {"peers": [{}]}}},
        {"unknown": True},
    ],
)
def test_bad_values_are_refused(wrong: dict[str, Any]) -> None:
    assert not JUDGE.is_valid(laid(wrong))
