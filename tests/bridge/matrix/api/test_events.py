"""What events of the homeserver show of themselves where one is printed.

Rule: ARCHITECTURE.md, "Invariants", 5.
"""

from __future__ import annotations

from typing import Any, Final

from bridge.matrix.api.events import DecryptedMessage, UnencryptedEvent
from bridge.matrix.olm.olm_store import ToDeviceMessage

PLACE: Final[dict[str, Any]] = {"event_id": "$e", "room_id": "!r", "sender": "@ana:example.org", "at": 1}


def test_no_content_is_in_a_repr() -> None:
    """Neither what was said nor a key that came to our device."""
    content = {"body": "marzipan", "session_key": "marzipan"}
    decrypted = DecryptedMessage(**PLACE, device_id="D", type="m.room.message", content=content, clear_relation=content)
    clear = UnencryptedEvent(**PLACE, type="m.room.message", content=content, redacts=None)
    key = ToDeviceMessage(sender="@ana:example.org", sender_key="c", signing_key="e", type="m.room_key", content=content)
    assert "marzipan" not in repr((decrypted, clear, key))
