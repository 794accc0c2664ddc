"""What the doctor makes of what a homeserver tells."""

from __future__ import annotations

from bridge.matrix.api.module_api import ModuleHealth
from deploy.doctor.homeserver_probes import judge_clock, judge_limits, judge_settings, judge_version
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


@every_row(
    ("ahead", "held_after", "ok", "warning", "is_asked"),
    [
        (0.0, 300, True, False, True),
        (60.0, 300, True, False, True),
        (-61.0, 300, True, True, True),
        (300.0, 300, True, True, True),
        (301.0, 300, False, False, True),
        (-86_400.0, 300, False, False, True),
        (29.0, 30, True, False, True),
        (-31.0, 30, False, False, True),
        (31.0, 30, False, False, True),
        (None, 300, True, False, False),
    ],
)
def test_the_clock_beside_ours(ahead: float | None, held_after: float, ok: bool, warning: bool, is_asked: bool) -> None:
    """More than a minute is a warning, more than what holds words up a fault, with what to do; none is not told."""
    row = judge_clock(None if ahead is None else 1e9 + ahead, 1e9, held_after)
    assert (row.name, row.ok, row.warning, row.asked) == ("clock", ok, warning, is_asked)
    assert ("behind" in row.what) is (ahead is not None and ahead < -30.0)
    assert ("NTP" in row.do) is (is_asked and (warning or not ok))


def test_what_nobody_tells_is_not_asked() -> None:
    """Without the module, or with an older one, limits and settings are unknown, which is said with how to know them."""
    older = ModuleHealth(version="1", enforces=frozenset(), problems=())
    for health in (None, older):
        for judge in (judge_limits, judge_settings):
            row = judge(health)
            assert (row.ok, row.asked) == (True, False)
            assert "module" in row.do
    for judge in (judge_limits, judge_settings):
        assert (judge(TELLS).ok, judge(TELLS).asked, judge(TELLS).warning) == (True, True, False)
