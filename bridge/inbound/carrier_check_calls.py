"""Constants of the webhook and of `quietline carrier check`, which calls it by its public address.

Rule of this module: it has nothing else, because the check must not load the bridge.
"""

from __future__ import annotations

from typing import Final

REFUSAL_BODY: Final = b"not signed by the carrier"
"""The body of a refusal, by which `carrier check` distinguishes it from a proxy's."""

PROBE_BODIES: Final = (b"", b"quietline=check", b'{"quietline": "check"}')
"""The bodies with which `carrier check` calls us, unsigned and signed; they cause no alert."""
