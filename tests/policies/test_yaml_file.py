"""Files of YAML that people write."""

from __future__ import annotations

import yaml

from policies.load import PACKS
from policies.yaml_file import key_path, parse_yaml


def test_the_fast_parser_reads_packs_as_the_other_does() -> None:
    """PyYAML's own parser and libyaml read every pack that comes with Quietline alike: a machine may have either."""
    files = sorted(PACKS.rglob("*.yaml"))
    assert len(files) > 5
    for file in files:
        assert parse_yaml(file) == yaml.safe_load(file.read_text(encoding="utf-8")), file.name


def test_the_place_of_a_key_shows_no_phone_number() -> None:
    """Numbers of a list, days and misspelt keys are shown, so that a person finds them; what may be a phone is not."""
    assert key_path(("lines", 0, "numbrs")) == "lines.0.numbrs"
    assert key_path(("hours", "dates", "2027-12-24")) == "hours.dates.2027-12-24"
    assert key_path(("keywords", "555 0142", 0)) == "keywords.(a number).0"
    assert key_path(()) == "the whole file"
