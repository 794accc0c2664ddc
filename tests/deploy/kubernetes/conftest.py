"""What the tests of the chart share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.kubernetes.rendered import Chart
from tests.outside_programs import OutsidePrograms


@pytest.fixture
def chart(tmp_path: Path, outside_programs: OutsidePrograms) -> Chart:
    if (helm := outside_programs.find("helm")) is None:
        pytest.skip("helm is not here; counted")
    return Chart(helm, tmp_path)
