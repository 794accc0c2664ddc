"""`quietline exposure`: what carriers keep and do.

Rule of this module: facts about a vendor come from the adapter's own data; the vendor is not asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from bridge.carriers.vendors.registry import CARRIER_KINDS

if TYPE_CHECKING:
    from bridge.carriers.adapter import Exposure

TITLES: Final = {
    "keeps": "What it keeps",
    "we_delete": "What we delete there, and when that is confirmed",
    "remains": "What stays there even of a text that is gone",
    "bill_shows": "What its bill shows",
    "opt_outs": "Opt-outs that it enforces by itself",
    "speaks": "What it may send to a phone without us",
    "signed": "How its webhooks are authenticated",
    "sources": "Read in",
    "unconfirmed": "Not confirmed",
}


def exposure_json(kinds: Sequence[str]) -> str:
    """Return the exposure of these kinds as JSON: an object by kind, each with the fields of `Exposure`."""
    return json.dumps({kind: asdict(CARRIER_KINDS[kind].exposure) for kind in kinds}, ensure_ascii=False)


def exposure_text(kinds: Sequence[str]) -> list[str]:
    """Return the exposure of these kinds for a person."""
    return [line for kind in kinds for line in _paragraphs(CARRIER_KINDS[kind].exposure)]


def _paragraphs(exposure: Exposure) -> list[str]:
    lines = [exposure.carrier, "=" * len(exposure.carrier), ""]
    for name, title in TITLES.items():
        value = getattr(exposure, name)
        sentences = (value,) if isinstance(value, str) else value
        lines.append(f"{title}:")
        lines += [f"  - {sentence}" for sentence in sentences or ("Nothing.",)]
    return [*lines, ""]
