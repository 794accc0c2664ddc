"""Write what the chart has from elsewhere: `python -m deploy.kubernetes.chart_files`.

Rules of this module: `deploy/monitoring/rules.yaml` is the one place of an alarm, and each group of it is in the chart as
it is there, with one more that only two bridges need; the schema is `values_schema`'s. A test compares both with the files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from deploy.kubernetes.values_schema import values_schema

DEPLOY: Final = Path(__file__).resolve().parent.parent
CHART: Final = DEPLOY / "chart"
RULES: Final = DEPLOY / "monitoring" / "rules.yaml"
NOTICE: Final = (
    "# Made by `python -m deploy.kubernetes.chart_files` from deploy/monitoring/rules.yaml. Change that, not this.\n"
)
OF_TWO_BRIDGES: Final[dict[str, Any]] = {
    "name": "quietline-leader",
    "rules": [
        {
            "alert": "QuietlineNoLeader",
            "expr": 'sum(quietline_leader{job="quietline"}) != 1',
            "for": "1m",
            "labels": {"severity": "critical"},
            "annotations": {
                "summary": "No bridge leads the line, or two say that they do.",
                "description": (
                    "Texts are answered 503 and come again. `quietline status` says who has the lease; see the pods' logs, "
                    "PostgreSQL, and whether the volume of keys is attached."
                ),
            },
        }
    ],
}


def rules() -> str:
    """Return the groups of alarms of a PrometheusRule."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return NOTICE + yaml.safe_dump({"groups": [*groups, OF_TWO_BRIDGES]}, sort_keys=False, width=1000)


def schema() -> str:
    """Return `values.schema.json`."""
    return json.dumps(values_schema(), indent=2) + "\n"


FILES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType({"files/rules.yaml": rules, "values.schema.json": schema})
"""By place in the chart, what makes it."""


def main() -> int:
    """Write every file again."""
    for name, made in FILES.items():
        (CHART / name).parent.mkdir(exist_ok=True)
        (CHART / name).write_text(made(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
