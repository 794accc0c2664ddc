"""The tests of the Synapse module with each supported release of Synapse, from the first to the pinned one.

Run alone: `python -P -m tests.long synapse`.
"""

from __future__ import annotations

import time

from tests.synapse_versions import VERSIONS, try_version


def run(minutes: float) -> dict[str, bool]:
    """Try one version after another; return for each whether its tests pass. No version begins after `minutes`."""
    until, results = time.monotonic() + 60 * minutes, dict[str, bool]()
    for version in VERSIONS:
        if time.monotonic() < until:
            results[version] = try_version(version)
    return results
