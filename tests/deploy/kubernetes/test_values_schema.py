"""The schema of the chart's values: strict everywhere, every carrier in it, and no place for a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # without annotations

from bridge.carriers.vendors.registry import CARRIER_KINDS
from deploy.kubernetes.chart_files import CHART
from deploy.kubernetes.values_schema import ANYTHING, WORDS, carrier_entries, values_schema
from tests.deploy.kubernetes.rendered import LINE, read_values
from tests.every_row import every_row

JUDGE = Draft7Validator(values_schema())
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


def sections(schema: dict[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each part of the schema that is an object, and where."""
    if schema.get("type") == "object":
        yield at, schema
    for word in ("properties", "patternProperties"):
        for name, inner in schema.get(word, {}).items():
            yield from sections(inner, f"{at}.{name}")
    for n, branch in enumerate(schema.get("allOf", [])):
        yield from sections(branch.get("then", {}), f"{at}#{n}")
    if isinstance(items := schema.get("items"), dict):
        yield from sections(items, f"{at}[]")


def test_it_is_a_schema_and_the_least_line_is_well() -> None:
    Draft7Validator.check_schema(values_schema())
    assert [error.message for error in JUDGE.iter_errors(laid())] == []


def test_every_section_refuses_what_it_does_not_know() -> None:
    """But for what is handed to the cluster as it is, which has a schema of its own, and a carrier before its kind."""
    handed_on = (ANYTHING, WORDS)
    open_ones = [
        at
        for at, section in sections(values_schema())
        if section.get("additionalProperties") is not False and section not in handed_on
    ]
    assert open_ones == [".carrier", ".httpRoute.parentRefs[]"]


def test_the_values_have_every_key_of_the_schema_and_no_other() -> None:
    """What stands in `values.yaml` is what can be said; the sections of mail and carriers are the program's own."""

    def keys(values: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
        known = schema.get("properties", {})
        if at not in {".carrier", ".line.onCall.email", ".secrets.elsewhere"}:
            yield from (f"{at}.{name} is not in values.yaml" for name in known.keys() - values.keys() - {"global"})
            yield from (f"{at}.{name} is not in the schema" for name in values.keys() - known.keys() if known)
        for name, inner in known.items():
            if isinstance(values.get(name), dict) and inner.get("type") == "object":
                yield from keys(values[name], inner, f"{at}.{name}")

    assert list(keys(DEFAULTS, values_schema(), "")) == []


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
    assert {f"carrier_{name}" for name in carrier["secrets"]} <= carrier_entries()


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
