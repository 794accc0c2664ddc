"""What the benchmark of a text's cost leaves out, which is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.carriers.vendors.registry import CARRIER_KINDS
from tests.bench import burst


async def test_every_signature_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost per text names each carrier that a real line can have, and what is measured is never a refusal."""
    monkeypatch.setattr(burst, "TIMES", 3)
    nobody: Any = None
    signature, _segments = await burst.per_text(nobody, full=False)
    assert set(signature.more["by_kind"]) == set(CARRIER_KINDS) - {"rehearsal"}
    assert all(cost > 0 for cost in signature.more["by_kind"].values())
