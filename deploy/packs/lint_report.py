"""`quietline policy lint` and `schema`: checks and describes packs before a line uses them.

Rules of this module: it only reads, and every problem includes the remedy. `base` comes first, named or not, as on a line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from deploy.inspect.check_report import CheckReport, CheckResult
from policies.lint import lint
from policies.load import load
from policies.pack import Pack
from policies.schema import PackFile

BASE_PACK: Final = "base"


def load_with_base(names: Sequence[str]) -> Pack:
    """Load packs as a line would, `base` first. Raises :class:`policies.load.PackError` with all problems."""
    return load(names if BASE_PACK in names else [BASE_PACK, *names])


def lint_report(pack: Pack) -> CheckReport:
    """Return lint's findings as a report. A row with advice is well, but says what to do."""
    checks = [
        CheckResult(name=f"{finding.path} ({finding.rule})", ok=not finding.must, what=finding.what, do=finding.do)
        for finding in lint(pack)
    ]
    return CheckReport(checks=tuple(checks) or (CheckResult(name="packs", ok=True, what="nothing to say"),))


def json_schema() -> str:
    """Return the JSON Schema of a pack file, for editors."""
    schema = PackFile.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Quietline pack"}
    return (
        json.dumps(head | {key: value for key, value in schema.items() if key != "title"}, indent=2, ensure_ascii=False)
        + "\n"
    )
