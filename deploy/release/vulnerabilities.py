"""`quietline audit-dependencies`: whether a vulnerability of a package that runs is publicly known.

Rules of this module: it asks OSV (api.osv.dev), which learns names and versions of packages and this machine's IP address;
so it is a verb of its own, which nothing else runs. When OSV does not answer, it reports that, and not a good result.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

OSV: Final = "https://api.osv.dev/v1/query"
ANSWER_SECONDS: Final = 15
"""Seconds for one answer."""
TIMEOUT_SECONDS: Final = 600.0


class NoDatabaseAnswer(Exception):  # noqa: N818 - an answer, not a failure
    """OSV gave no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """A known vulnerability of a version. `fixed_in`: the versions without it."""

    package: str
    version: str
    identity: str
    fixed_in: tuple[str, ...]


def find_vulnerabilities(lock: Path, *, url: str) -> tuple[int, list[Vulnerability]]:
    """Return the number of packages that were looked up, and their vulnerabilities. Raises `NoDatabaseAnswer`."""
    words = ["--vulnerability-service", "osv", "--osv-url", url, "--timeout", str(ANSWER_SECONDS), "--format", "json"]
    with tempfile.TemporaryDirectory(prefix="quietline-audit-") as cache:
        options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--cache-dir", cache]
        command = [sys.executable, "-P", "-m", "pip_audit", "--requirement", str(lock), *options, *words]
        try:
            process = subprocess.run(  # noqa: S603 - the command is ours
                command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise NoDatabaseAnswer from None
    try:
        report: Any = json.loads(process.stdout)
        dependencies = [each for each in report["dependencies"] if "skip_reason" not in each]
    except (ValueError, KeyError, TypeError):
        raise NoDatabaseAnswer from None
    return len(dependencies), [
        Vulnerability(
            package=each["name"], version=each["version"], identity=known["id"], fixed_in=tuple(known["fix_versions"])
        )
        for each in dependencies
        for known in each["vulns"]
    ]
