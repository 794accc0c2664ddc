"""The sample line of each carrier as a configuration that can be read, and its adapter."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from bridge.carriers.adapter import AdapterContext
from bridge.carriers.vendors import registry
from bridge.config.sections import Config
from tests.e2e.stack import ROOT
from tests.fakes import vonage

EXAMPLES = ROOT / "deploy" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
SECRET = "s3cret" * 8


def sample(directory: Path, name: str, *, base: str = "https://text.example.org", **carrier: Any) -> Path:
    """Make a configuration of a sample line, its secrets written beside it; returns its path."""
    raw = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    line = raw["lines"][0]
    line["carrier"] |= carrier
    raw |= {
        "data_dir": str(directory / "data"),
        "homeserver": {"url": "http://127.0.0.1:1", "server_name": "example.org", "as_token_file": str(directory / "as")},
        "listen": {"port": 1, "public_base_url": base},
        "keys": {f"{key}_key_file": str(directory / key) for key in ("vault", "index", "suppression")},
    }
    secrets = {"as": SECRET, "vault": "00" * 32, "index": "11" * 32, "suppression": "22" * 32}
    for key, value in line["carrier"].items():
        if key.endswith("_file"):
            secrets[key] = vonage.PRIVATE_KEY if key == "private_key_file" else SECRET
            assert value.startswith("/etc/quietline/secrets/")
            line["carrier"][key] = str(directory / key)
    for key, value in secrets.items():
        (directory / key).write_text(value + "\n", encoding="utf-8")
        (directory / key).chmod(0o600)
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def adapter_of(config: Config, *, public: str | None = None) -> Any:
    """Make the adapter of a configured line. `public`: another public address than the configured one."""
    context = AdapterContext(
        public_base_url=public or config.listen.public_base_url,
        slug=config.line.slug,
        numbers=config.line.all_numbers,
        validity=900,
        clock=time.time,
    )
    return registry.make_carrier(config.line.carrier, context)
