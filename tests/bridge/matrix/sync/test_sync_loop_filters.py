"""What the line asks the homeserver for of what passes in a room."""

from __future__ import annotations

from bridge.matrix.sync.sync_loop import NO_ROOM_FILTER, ROOM_FILTER


def test_it_asks_who_has_read_and_never_who_types_or_is_there() -> None:
    """Of what passes only receipts, in the rooms of the policy bot alone: they begin a text's lifetime."""
    assert ROOM_FILTER["room"]["ephemeral"] == {"types": ["m.receipt"]}
    assert NO_ROOM_FILTER["room"] == {"rooms": []}
    for sync_filter in (ROOM_FILTER, NO_ROOM_FILTER):
        assert sync_filter["presence"] == {"types": []}
