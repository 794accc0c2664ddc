"""The settings of property tests: by day the same fifty examples every time; by night new ones, and many more.

`QUIETLINE_EXPLORE=1` selects the night. A failure of a night is printed as a blob, and is then kept as an explicit example.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

EXPLORES: Final = os.environ.get("QUIETLINE_EXPLORE") == "1"

COMMON: Final = settings(
    deadline=None,
    derandomize=not EXPLORES,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
USUAL: Final = settings(COMMON, max_examples=2000 if EXPLORES else 50)
WALK: Final = settings(COMMON, max_examples=5000 if EXPLORES else 50, stateful_step_count=60)
