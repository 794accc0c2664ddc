"""Write the generated file of the chart: `python -m deploy.kubernetes.chart_files`.

Rules of this module: the schema comes from `values_schema`, and a test compares it with the file. The alarms are not
copied: the chart's `files/rules.yaml` is a link to `deploy/monitoring/rules.yaml`, which helm follows, and so does a wheel.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from deploy.kubernetes.values_schema import values_schema

CHART: Final = Path(__file__).resolve().parent.parent / "chart"


def schema() -> str:
    """Return `values.schema.json`."""
    return json.dumps(values_schema(), indent=2) + "\n"


FILES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType({"values.schema.json": schema})
"""The function that makes each file, by the file's path in the chart."""


def main() -> int:
    """Write all files."""
    for name, make_text in FILES.items():
        (CHART / name).write_text(make_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
