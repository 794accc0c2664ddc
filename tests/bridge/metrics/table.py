"""The tables of `deploy/docs/monitoring.md`: metrics from the code, alarms from the rules.

`python -m tests.bridge.metrics.table` writes them there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric

from bridge.metrics.server import GAUGES, FigureCollector
from bridge.runtime.measurements import Measurements

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = ROOT / "deploy/docs/monitoring.md"
MONITORING: Final = ROOT / "deploy/monitoring"
END: Final = "<!-- end -->"
METRICS_BEGIN: Final = "<!-- from the code: python -m tests.bridge.metrics.table -->"
RULES_BEGIN: Final = "<!-- from the rules -->"


def families() -> Iterator[Metric]:
    """Yield every metric of ours, without what the process library adds."""
    yield from FigureCollector(dict.fromkeys(GAUGES, 0.0), {}).collect()
    yield from Measurements().registry.collect()


def names() -> set[str]:
    """Return the name of every series that a scrape may have, also of those that only a conversation brings."""
    process = CollectorRegistry()
    ProcessCollector(registry=process)
    sample_names = {sample.name for family in (*families(), *process.collect()) for sample in family.samples}
    return sample_names | {"up"}


def rules() -> list[dict[str, Any]]:
    """Return every alarm, in its order."""
    groups = yaml.safe_load((MONITORING / "rules.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metrics_table() -> list[str]:
    """Return the table of metrics."""
    rows = ["| metric | kind | what it says |", "| --- | --- | --- |"]
    for family in families():
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = family.name + ("_total" if family.type == "counter" else "")
        by = f" `{{{', '.join(labels)}}}`" if labels else ""
        rows.append(f"| `{name}`{by} | {family.type} | {family.documentation} |")
    rows.append("| `process_*` | | Memory, processor time, open files and start of the bridge's process. |")
    return rows


def rules_table() -> list[str]:
    """Return the table of alarms."""
    rows = ["| alarm | severity | what it means | what to do |", "| --- | --- | --- | --- |"]
    for rule in rules():
        texts = rule["annotations"]
        rows.append(f"| `{rule['alert']}` | {rule['labels']['severity']} | {texts['summary']} | {texts['description']} |")
    return rows


def page(text: str) -> str:
    """Return the page with both tables as they should be."""
    for begin, table in ((METRICS_BEGIN, metrics_table()), (RULES_BEGIN, rules_table())):
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(END)
        text = "\n".join((head + begin, "", *table, "", END + tail))
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
