"""Prometheus text, read by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def samples(text: bytes) -> list[Sample]:
    """Return every sample of a scrape."""
    return [sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples]


def value(text: bytes, name: str, labels: Mapping[str, str] | None = None) -> float:
    """Return the one value of that name and those labels."""
    (number,) = [s.value for s in samples(text) if s.name == name and s.labels == (labels or {})]
    return float(number)
