"""A configuration of the bridge with its files, which a test may spoil."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config.load import ConfigError, load

FILES = ("as_token", "vault_key", "index_key", "suppression_key", "carrier_token", "signing_key")


class Papers:
    """A configuration that is right, to be spoilt."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "config.yaml"
        self.directory = directory
        self.secrets = {name: secrets.token_hex(32) for name in FILES}
        for name in FILES:
            self.write(name, self.secrets[name])
        self.raw: dict[str, Any] = {
            "data_dir": str(directory / "bridge"),
            "homeserver": {
                "url": "http://127.0.0.1:9",
                "server_name": "quietline.localhost",
                "as_token_file": self.file("as_token"),
            },
            "listen": {"port": 9, "public_base_url": "http://127.0.0.1:9"},
            "keys": {f"{name}_file": self.file(name) for name in ("vault_key", "index_key", "suppression_key")},
            "lines": [
                {
                    "slug": "main",
                    "number": "+15555550100",
                    "rehearsal": True,
                    "packs": ["base", "rehearsal"],
                    "carrier": {
                        "kind": "rehearsal",
                        "api_base": "http://127.0.0.1:9",
                        "token_file": self.file("carrier_token"),
                        "signing_key_file": self.file("signing_key"),
                    },
                    "staff": [{"mxid": "@ada:quietline.localhost", "role": "advocate"}],
                }
            ],
        }

    @property
    def line(self) -> dict[str, Any]:
        line: dict[str, Any] = self.raw["lines"][0]
        return line

    def file(self, name: str) -> str:
        return str(self.directory / name)

    def write(self, name: str, secret: str, mode: int = 0o600) -> None:
        path = self.directory / name
        path.write_text(secret + "\n", encoding="utf-8")
        path.chmod(mode)

    def save(self) -> Path:
        self.path.write_text(yaml.safe_dump(self.raw), encoding="utf-8")
        return self.path

    def problems(self) -> list[str]:
        """Return what is wrong, without the file's own path. No secret and no value may be in it."""
        with pytest.raises(ConfigError) as failure:
            load(self.save())
        for problem in failure.value.problems:
            assert problem.startswith(f"{self.path}: ")
            assert not any(secret in problem for secret in self.secrets.values())
        return [problem.removeprefix(f"{self.path}: ") for problem in failure.value.problems]
