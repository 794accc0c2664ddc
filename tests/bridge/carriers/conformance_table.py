"""The conformance table, adapter by behaviour, drawn from what a run of the suite gave.

Rule of this module: a cell is what happened or what the vendor does not offer, and never what a person typed.
`python -m tests.bridge.carriers.conformance_table` runs the suite and writes the file again.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bridge.carriers.vendors.registry import CARRIER_KINDS
from tests.bridge.carriers.behaviours import BEHAVIOURS
from tests.bridge.carriers.harness import Trait
from tests.bridge.carriers.published_documents import published
from tests.bridge.carriers.rows import ROWS

ROOT: Final = Path(__file__).parents[3]
FILE: Final = ROOT / "deploy" / "CONFORMANCE.md"
REWRITE: Final = "QUIETLINE_WRITE_CONFORMANCE"
"""An environment variable: set to 1, a whole run writes the file instead of comparing it."""

Cell = tuple[str, str]
"""Names of an adapter and of a behaviour."""

ASKED: Final = frozenset(
    (row.name, behaviour.promise.__name__) for row in ROWS for behaviour in BEHAVIOURS if behaviour.asked_of(row.traits)
)
NOT_OFFERED: Final = "-"
SIGNS: Final = {"passed": "✓", "failed": "**failed**", "skipped": "not tried"}

HEAD: Final = """\
# What each carrier adapter was shown to do

Written by the test run (`.venv/bin/python -m tests.bridge.carriers.conformance_table`); a run of the tests that gives
anything else fails. Each adapter ran over real sockets beside **a fake of its vendor** that follows what the vendor
documents. None of them was ever tried against a live vendor: what nobody could confirm is told by `./quietline exposure`.

A long text arrives as one: each of these vendors puts its parts together before it calls (`words_stay`). Vonage's older SMS
API, which leaves that to others, is not used.

✓ shown in the run. - not asked: the vendor does not offer it, or it does the opposite, which is then a row of its own.

The last column says what of the fakes in that row is held against what the vendors themselves publish (the second table):
their *webhooks*, the *requests* to them, or both. What a vendor answers, and when, is the fake's alone, except Kannel's.
"""


AGAINST: Final = """
## What each adapter was checked against

A fake is written by whoever writes the adapter, and shares its mistakes. So the requests of each adapter are held against
what its vendor publishes, and the vendor's own examples of webhooks are read (`tests/bridge/carriers/published`, with the
licences).
"""


DATA: Final = """
## What each adapter says of itself

`refusal_status`: the status that a webhook without a valid signature gets. 401 comes with a challenge, after which the
vendor calls again with its credentials. `max_webhook_bytes`: how much of one is taken.

`delete_copy` may be asked again at any time; 404 is gone; 409, 429 and 5xx mean later. *confirmed*: gone when a look
afterwards finds nothing. *not confirmed*: the vendor says yes and offers no look. *cannot*: there is nothing to ask for.
What remains in each case is told by `./quietline exposure`.
"""


CHECKED_AGAINST: Final = {
    "behaviours_inbound": "webhooks",
    "behaviours_outbound": "requests",
    "behaviours_copies": "requests",
    "behaviours_line": "both",
}
"""By the module of a behaviour: the columns of the second table that hold its fakes."""


def whole(outcomes: Mapping[Cell, str]) -> bool:
    """Tell whether a run asked everything of everybody; part of a run is no table."""
    return outcomes.keys() == ASKED


def drawn(outcomes: Mapping[Cell, str]) -> str:
    """Draw the table. `outcomes` holds pytest's word for every cell of `ASKED`; a cell that is missing is a KeyError."""
    return "\n".join([HEAD, *_lines(outcomes), AGAINST, *_against(), DATA, *_data(), ""])


def _lines(outcomes: Mapping[Cell, str]) -> Iterator[str]:
    yield _row("behaviour", *(row.name for row in ROWS), "checked against")
    yield _row("---", *(":-:" for _ in ROWS), "---")
    for behaviour in BEHAVIOURS:
        name = behaviour.promise.__name__
        promise = (inspect.getdoc(behaviour.promise) or "").replace("\n", " ").replace("|", "\\|")
        cells = (
            SIGNS[outcomes[row.name, name]] if behaviour.asked_of(row.traits) else NOT_OFFERED  # so that a gap is an error
            for row in ROWS
        )
        yield _row(f"`{name}`: {promise}", *cells, CHECKED_AGAINST[behaviour.promise.__module__.rpartition(".")[2]])


def _against() -> Iterator[str]:
    yield _row("adapter", "requests", "webhooks", "by which right parts of it are kept")
    yield _row("---", "---", "---", "---")
    for row in ROWS:
        entry = published(row.name)
        requests = f"[{entry['requests_from']}]({entry['document']})" if entry["document"] else entry["requests_from"]
        yield _row(f"`{row.name}`", requests, entry["webhooks_from"], entry["licence"])


def _data() -> Iterator[str]:
    adapters = [CARRIER_KINDS[row.name] for row in ROWS]
    yield _row("", *(row.name for row in ROWS))
    yield _row("---", *(":-:" for _ in ROWS))
    yield _row("`refusal_status`", *(str(adapter.refusal_status) for adapter in adapters))
    yield _row("`max_webhook_bytes`", *(_size(adapter.max_webhook_bytes) for adapter in adapters))
    yield _row("`delete_copy`", *(_deletion(row.traits) for row in ROWS))


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def _deletion(traits: frozenset[Trait]) -> str:
    if Trait.DELETES not in traits:
        return "cannot"
    return "confirmed" if Trait.SHOWS_COPIES in traits else "not confirmed"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    suite = Path(__file__).parent / "test_conformance.py"
    run = (sys.executable, "-P", "-m", "pytest", str(suite), "-k", "test_adapter")
    sys.exit(subprocess.run(run, env=os.environ | {REWRITE: "1"}, cwd=ROOT, check=False).returncode)
