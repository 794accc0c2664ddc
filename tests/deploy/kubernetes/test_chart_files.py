"""What the chart has from elsewhere is what that says now."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from deploy.kubernetes import chart_files
from tests.e2e.stack import ROOT


@pytest.mark.parametrize("name", chart_files.FILES)
def test_the_file_is_as_it_is_made(name: str) -> None:
    """Else: `python -m deploy.kubernetes.chart_files`."""
    assert (chart_files.CHART / name).read_text(encoding="utf-8") == chart_files.FILES[name]()


def test_it_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_files, "CHART", tmp_path)
    assert chart_files.main() == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(chart_files.FILES)


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((chart_files.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    program = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert (chart["appVersion"], chart["version"]) == (program, program)
