"""The Synapse module with each version of Synapse that it is said to work with, from the first to the one that is pinned.

Run alone: `python -P -m tests.long synapse`.
"""

from __future__ import annotations

import time

from tests.synapse_versions import VERSIONS, try_version


def run(minutes: float) -> dict[str, bool]:
    """Try one version after another; return for each whether its tests pass. None is begun after that time."""
    until, found = time.monotonic() + 60 * minutes, dict[str, bool]()
    for version in VERSIONS:
        if time.monotonic() < until:
            found[version] = try_version(version)
    return found
