"""YAML as `yaml.safe_load` reads it."""

from __future__ import annotations

import pytest
import yaml

from bridge.runtime.safe_yaml import safe_load
from policies.load import PACKS
from tests.every_row import every_row

WELL = ("", "a: 1\nb: [x, 'y', null, 1.5, 2027-01-02, yes]", "- |\n  two\n  lines\n- é 🫶\n", "a: &x {b: c}\nd: *x\n")
BAD = ("a: [", "a: !!python/name:os.system ''", "\tx: 1", "a: b: c", "---\na\n---\nb\n", "\x00")


@every_row("text", [*WELL, *(path.read_text(encoding="utf-8") for path in sorted(PACKS.rglob("*.yaml"))[:3])])
def test_it_reads_what_pyyaml_does(text: str) -> None:
    """The same values, whichever parser it is."""
    assert safe_load(text) == yaml.safe_load(text)


@every_row("text", BAD)
def test_what_is_refused_is_refused(text: str) -> None:
    """No object of Python, no second document, no half of one: `YAMLError`, as from PyYAML."""
    for loader in (safe_load, yaml.safe_load):
        with pytest.raises(yaml.YAMLError):
            loader(text)


def test_a_date_that_is_none_is_an_error_of_value() -> None:
    """As PyYAML says it; who reads a file has to expect it."""
    for loader in (safe_load, yaml.safe_load):
        with pytest.raises(ValueError, match="month"):
            loader("a: 2027-13-01")


def test_what_is_nested_without_end_is_an_error() -> None:
    """Of YAML where libyaml has a limit of its own, of recursion where PyYAML reads: one of the two."""
    with pytest.raises((yaml.YAMLError, RecursionError)):
        safe_load("[" * 100_000)
