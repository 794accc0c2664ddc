"""What the line asks the homeserver for of what passes in a room, and what it never tells."""

from __future__ import annotations

import re
from typing import Final

from bridge.matrix.sync.sync_loop import NO_ROOM_FILTER, ROOM_FILTER
from tests.documents import source, strings

TELLS: Final = re.compile(r"/(?:typing|receipt|read_markers)\b|\bpresence/")
"""Where a client says that it types, has read, or is there (Client-Server API)."""


def test_it_asks_who_has_read_and_never_who_types_or_is_there() -> None:
    """Of what passes only receipts, in the rooms of the policy bot alone: they begin a text's lifetime."""
    assert ROOM_FILTER["room"]["ephemeral"] == {"types": ["m.receipt"]}
    assert NO_ROOM_FILTER["room"] == {"rooms": []}
    for sync_filter in (ROOM_FILTER, NO_ROOM_FILTER):
        assert sync_filter["presence"] == {"types": []}


def test_it_says_of_its_own_identities_neither() -> None:
    """No part of the bridge has a word for it: neither to the homeserver nor, through a carrier, to a phone."""
    said = {
        file
        for file, tree in source().items()
        if file.startswith("bridge/")
        for each in strings(tree)
        if TELLS.search(each)
    }
    assert said == set()
    assert TELLS.search("/_matrix/client/v3/rooms/!r/typing/@u")
