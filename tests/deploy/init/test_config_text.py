"""`config.yaml` as `quietline init` writes it: from the models, whole, and readable."""

from __future__ import annotations

import re
import types
from collections import Counter
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
import yaml

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.config.sections import Config, OtherLine, PhoneLine, Staff
from bridge.runtime.settings import Section
from deploy.init.config_text import config_text
from tests.deploy.init.answers import answers, run_init

KEY = re.compile(r" *(?:# )?(?:- )?([a-z_]+):(?: .*)?$")


def keys(model: type[Section], carrier: type[Section]) -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        names.append(name)
        annotation: Any = field.annotation
        parts = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType, list) else (annotation,)
        sections = [part for part in parts if isinstance(part, type) and issubclass(part, Section)]
        if model is PhoneLine and name == "carrier":
            names += keys(carrier, carrier)
        elif sections and sections[0] not in {Staff, OtherLine}:  # people are on a line each, and so are lines
            names += keys(sections[0], carrier)
    return names


@pytest.mark.parametrize("on_call", [None, {"email": {"host": "mail.agency.org", "sender": "a@b.org", "to": ["c@d.org"]}}])
def test_every_key_of_the_models_stands_there_once(tmp_path: Path, on_call: dict[str, Any] | None) -> None:
    """An operator sees everything that can be said: what was answered, and behind `#` the rest with its default."""
    assert run_init(tmp_path, answers(on_call=on_call)).exit_code == 0
    text = (tmp_path / "line" / "config.yaml").read_text()
    written = Counter(match[1] for line in text.splitlines() if (match := KEY.fullmatch(line)))
    assert written == Counter(keys(Config, CARRIER_KINDS["kannel"].settings))


def test_values_survive_the_writing() -> None:
    """What YAML would read as something else is quoted: a number with plus, a secret's path, a list, nothing."""
    line = {"number": "+15", "packs": [], "carrier": {"kind": "kannel"}}
    configuration = {"log_level": "INFO", "data_dir": "/srv/a: b #c", "quiet_hours": [3, 5], "lines": [line]}
    values = yaml.safe_load(config_text(configuration))
    assert (values["data_dir"], values["quiet_hours"], values["log_level"]) == ("/srv/a: b #c", [3, 5], "INFO")
    assert (values["lines"][0]["number"], values["lines"][0]["packs"]) == ("+15", [])
