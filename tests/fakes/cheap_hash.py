"""Makes the slow hash quick, for bridges of tests that are not about its cost. It takes effect when it is imported.

Rule of this module: all processes that share a line's database import it, or none: another cost gives another hash. So it
is in the templates of forks and in the tests of `bridge`; a line of real commands has the real cost.
"""

from __future__ import annotations

from typing import Final

from bridge.storage import slow_hash

REAL: Final = {"MEMORY_KIB": slow_hash.MEMORY_KIB, "TIME_COST": slow_hash.TIME_COST}
CHEAP: Final = {"MEMORY_KIB": 64, "TIME_COST": 1}

vars(slow_hash).update(CHEAP)
