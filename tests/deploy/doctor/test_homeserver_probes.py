"""What the doctor makes of what a homeserver tells."""

from __future__ import annotations

from bridge.matrix.api.module_api import ModuleHealth
from deploy.doctor.homeserver_probes import judge_version
from tests.every_row import every_row

TELLS = ModuleHealth(version="1", enforces=frozenset(), problems=(), synapse="1.163.2", settings=(), limits=())


@every_row(
    ("version", "ok", "warning", "is_asked"),
    [
        ("1.163.2", True, False, True),
        ("Synapse/1.155.0", True, False, True),
        ("Synapse/1.163.2 (b=main,f6a96e4)", True, False, True),
        ("Synapse/1.140.0", False, False, True),
        ("1.98.0rc1", False, False, True),
        ("1.170.0", True, True, True),
        ("2.0.0", True, True, True),
        ("a proxy", True, False, False),
    ],
)
def test_versions(version: str, ok: bool, warning: bool, is_asked: bool) -> None:
    """Too old is a fault, newer than what was tried a warning, and what is no version is not told."""
    row = judge_version(version)
    assert (row.name, row.ok, row.warning, row.asked) == ("homeserver version", ok, warning, is_asked)
    assert bool(row.do) is (not ok or warning or not is_asked)
