"""`python -P -m tests.synapse_versions VERSION…`: the module's tests with other versions of Synapse, one line for each.

Rule of this module: it is run by hand or by `./quietline test --long synapse`, because it fetches a wheel a version and
takes minutes for each; it does not change its own environment. `deploy/synapse_module/README.md` has the results.

Each version gets its own environment with the packages of this one, except Synapse.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
VERSIONS: Final = ("1.155.0", "1.156.0", "1.157.2", "1.158.0", "1.159.0", "1.160.0", "1.161.0", "1.162.0", "1.163.2")
"""Versions that the long run tries, one a release: from the first that supports the module to the pinned one."""
TESTS: Final = (
    "tests/deploy/synapse_module",
    "tests/deploy/stack/test_admin_token.py",
)


def main(versions: list[str]) -> int:
    """Try each version; return 1 if one of them fails."""
    return max([int(not try_version(version)) for version in versions], default=2)


def try_version(version: str) -> bool:
    """Run the module's tests with a version, and print their result; return whether all passed."""
    with tempfile.TemporaryDirectory(prefix="quietline-synapse-") as directory:
        python = _environment(Path(directory), version)
        tests = [str(python), "-P", "-m", "pytest", "--no-header", *TESTS]
        result = subprocess.run(
            tests, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
        )
    lines = [line for line in result.stdout.splitlines() if line.startswith(("FAILED", "ERROR")) or " passed" in line]
    sys.stdout.write(f"Synapse {version}: {'well' if result.returncode == 0 else 'NOT well'}\n")
    sys.stdout.writelines(f"  {line}\n" for line in lines)
    sys.stdout.flush()
    return result.returncode == 0


def _environment(directory: Path, version: str) -> Path:
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    site = next((directory / "lib").glob("python*/site-packages"))
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--ignore-installed", f"matrix-synapse=={version}"], check=True)
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
