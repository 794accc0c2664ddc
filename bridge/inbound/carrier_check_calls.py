"""What the webhook and `quietline carrier check`, which calls it by its public address, have in common.

Rule of this module: nothing else is in it, for a check loads no bridge.
"""

from __future__ import annotations

from typing import Final

REFUSAL_BODY: Final = b"not signed by the carrier"
"""What a stranger is told: with it `carrier check` knows our refusal from a proxy's."""

PROBE_BODIES: Final = (b"", b"quietline=check", b'{"quietline": "check"}')
"""What `carrier check` calls us with, unsigned and signed: nobody need hear of it."""
