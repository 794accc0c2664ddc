"""How hard the property tests try: the same examples every time, unless `QUIETLINE_EXPLORE=1` asks for new ones."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

EXPLORES: Final = os.environ.get("QUIETLINE_EXPLORE") == "1"

COMMON: Final = settings(deadline=None, derandomize=not EXPLORES, print_blob=True, report_multiple_bugs=False)
USUAL: Final = settings(COMMON, max_examples=2000 if EXPLORES else 150)
WALK: Final = settings(COMMON, max_examples=5000 if EXPLORES else 400, stateful_step_count=60)
