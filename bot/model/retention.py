"""For how long a conversation is kept: by the pack, and never longer than by the pack with which it began."""

from __future__ import annotations

from dataclasses import fields

from bot.model.desk import Thread
from bot.model.thread import Retention
from policies.pack import Pack


def retention_of_pack(pack: Pack) -> Retention:
    """Return the retention of conversations that begin now."""
    return Retention(**{each.name: getattr(pack.settings, each.name) for each in fields(Retention)})


def retention_of(pack: Pack, thread: Thread) -> Retention:
    """Return the retention of a conversation: of each time the shorter one, that at its beginning or the present one.

    The texter was told the one, and a pack that was shortened since is what the agency wants now.
    """
    present, first = retention_of_pack(pack), thread.lifecycle.retention
    if first is None or first == present:
        return present
    return Retention(
        **{each.name: min(getattr(present, each.name), getattr(first, each.name)) for each in fields(Retention)}
    )
