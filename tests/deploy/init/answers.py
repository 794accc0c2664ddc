"""Answers for a line with a gateway of its own, and where a test puts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from click.testing import CliRunner, Result

from deploy.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path

PATH_SECRET = "s" * 40
PASSWORD = "what the gateway asks for"


def answers(**changed: Any) -> dict[str, Any]:
    """Return whole answers; a key that is None is left out."""
    inputs: dict[str, Any] = {
        "mode": "embedded",
        "server_name": "text.agency.org",
        "public_url": "https://text.agency.org",
        "line": {"slug": "main", "number": "+15555550100"},
        "carrier": {
            "kind": "kannel",
            "api_base": "http://127.0.0.1:13013",
            "username": "quietline",
            "password": PASSWORD,
            "path_secret": PATH_SECRET,
            "plain_numbers": "international",
            "region": "US",
        },
        "staff": [{"name": "mira", "role": "supervisor"}, {"name": "noor", "role": "advocate"}],
        "agency": {
            "country": "US",
            "state": "CA",
            "time_zone": "America/Los_Angeles",
            "languages": ["en", "es"],
            "hours": {"mon-fri": "09:00-17:00", "sat": ["10:00-12:00", "13:00-15:00"]},
            "voice_number": "+15038675309",
        },
        **changed,
    }
    return {key: value for key, value in inputs.items() if value is not None}


def joined(**changed: Any) -> dict[str, Any]:
    """Return whole answers of a line on the agency's own Synapse."""
    homeserver = {"url": "http://127.0.0.1:8008", "public_url": "https://matrix.agency.org"}
    return answers(**{"mode": "join", "homeserver": homeserver, **changed})


def answers_file(directory: Path, content: object, *, mode: int = 0o600) -> Path:
    """Write answers, or whatever else may stand in their file."""
    file = directory / "answers.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    file.chmod(mode)
    return file


def run_init(directory: Path, inputs: object, *words: str, mode: int = 0o600) -> Result:
    """Run `quietline init` on `directory/line` with these answers."""
    file = answers_file(directory, inputs, mode=mode)
    return CliRunner().invoke(cli, ["init", str(directory / "line"), "--answers", str(file), *words])
