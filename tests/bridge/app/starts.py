"""Starts of a line that is stopped at once."""

from __future__ import annotations

from contextlib import AsyncExitStack

from bridge.app.bridge import Bridge
from bridge.config.load import load
from bridge.runtime.crash_points import never_crash
from policies.load import load as load_pack
from tests.bridge.papers import Papers


async def start(papers: Papers, *, take_over: bool = False) -> None:
    """Open a line as the process does, and stop it."""
    config = load(papers.save())
    pack = load_pack(config.line.packs, near=papers.directory)
    async with AsyncExitStack() as stack:
        await Bridge.open(config=config, pack=pack, crash=never_crash, stack=stack, take_over=take_over)
