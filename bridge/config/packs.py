"""The packs of a configuration, as a start needs them.

Rule of this module: all reasons why a line cannot start with its packs are reported together.
"""

from __future__ import annotations

from pathlib import Path

from bridge.config.load import ConfigError
from bridge.config.sections import Config
from policies.load import load
from policies.pack import Pack, samples, unreviewed


def load_packs(config: Config, *, file: Path) -> Pack:
    """Load the packs of a configuration; only a rehearsal line may have unreviewed legal texts or examples.

    Raises `PackError` and `ConfigError`.
    """
    pack = load(config.line.packs, near=file.parent)
    if not config.line.rehearsal:
        problems = [f"packs: {name} is legal text and not reviewed" for name in unreviewed(pack)]
        problems += [f"packs: {name} still holds an example" for name in samples(pack)]
        if problems:
            own = file.parent / config.line.packs[-1]
            lint = f"`quietline policy lint --config {file}` says what each is compared with"
            raise ConfigError([*problems, f"packs: put them right in the agency's own pack, {own}; {lint}"])
    return pack
