"""The verbs of `quietline`, run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from click.testing import CliRunner, Result

from deploy.cli.main import cli


async def invoke(words: Sequence[str]) -> Result:
    """Run a verb in a thread, for some have a loop of their own and others block."""
    return await asyncio.to_thread(CliRunner().invoke, cli, words)
