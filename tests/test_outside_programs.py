"""Outside programs: an installed one is used, others are unpacked once, and a missing one is reported."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import outside_programs, outside_wheels

FAKE_APT = """#!/bin/sh
echo "$*" >> "$LOG"
for word; do case $word in Dir::Cache=*) cache=${word#Dir::Cache=} ;; esac; done
[ "$WORKS" = yes ] || exit 100
case "$*" in *install*) : > "$cache/archives/caddy_1_all.deb" ;; esac
"""
FAKE_DPKG = """#!/bin/sh
mkdir -p "$3/usr/bin" "$3/usr/lib/x"
: > "$3/usr/lib/x/libx.so.1"
printf '#!/bin/sh\\necho "$LD_LIBRARY_PATH $*"\\n' > "$3/usr/bin/caddy"
chmod +x "$3/usr/bin/caddy"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Simulate a machine with fakes of apt-get and dpkg-deb, and no program installed."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"apt-get": FAKE_APT, "dpkg-deb": FAKE_DPKG}.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    for name in ("sh", "mkdir", "chmod"):
        (programs / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("WORKS", "yes")
    monkeypatch.setattr(outside_programs, "PLACES", ("usr/bin",))
    monkeypatch.setattr(Path, "glob", _nothing_installed)
    monkeypatch.setattr(outside_programs, "CACHE", tmp_path / "cache")
    outside_programs.find.cache_clear()
    yield tmp_path
    outside_programs.find.cache_clear()


_glob = Path.glob


def _nothing_installed(self: Path, pattern: str) -> object:
    return iter(()) if self == Path("/") else _glob(self, pattern)


def calls(machine: Path) -> int:
    return len((machine / "log").read_text(encoding="utf-8").splitlines())


def test_a_program_is_unpacked_once_and_runs_from_where_it_lies(machine: Path) -> None:
    """It runs with the libraries of its packages; no other user can change it."""
    program = outside_programs.find("caddy")
    assert program == str(machine / "cache" / "caddy" / "start" / "caddy")
    ran = subprocess.run([program, "one", "two"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{machine}/cache/caddy/root/usr/lib/x one two\n"
    outside_programs.find.cache_clear()
    assert outside_programs.find("caddy") == program
    assert calls(machine) == 1
    assert (machine / "cache").stat().st_mode & 0o077 == 0


def test_what_cannot_be_had_is_counted_and_not_asked_for_at_every_test(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own package lists are tried after the machine's; then no process retries for a while."""
    monkeypatch.setenv("WORKS", "no")
    missing: list[str] = []
    for _ in range(2):
        with pytest.warns(UserWarning, match="caddy is not here"):
            assert outside_programs.OutsidePrograms(missing=missing).find("caddy") is None
        outside_programs.find.cache_clear()
    assert missing == ["caddy", "caddy"]
    assert calls(machine) == 2
    assert sorted(path.name for path in (machine / "cache").iterdir()) == ["caddy.failed", "caddy.lock"]


def test_a_program_that_no_package_has_is_not_looked_for_there(machine: Path) -> None:
    assert outside_programs.find("systemd-analyze") is None
    assert not (machine / "log").exists()


def test_what_a_wheel_carries_is_fetched_once_by_its_hash(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schemas of Kubernetes: pip fetches only the locked file, and installs nothing."""
    commands: list[list[str]] = []

    def download(command: tuple[str | Path, ...], **_options: object) -> subprocess.CompletedProcess[bytes]:
        commands.append([str(word) for word in command])
        folder = Path(commands[-1][commands[-1].index("--dest") + 1])
        with zipfile.ZipFile(folder / "one.whl", "w") as wheel:
            for version in outside_wheels.SCHEMA_VERSIONS:
                wheel.writestr(f"kubernetes_validate/kubernetes-json-schema/{version}-local-strict/pod-v1.json", "{}")
        lock = Path(commands[-1][commands[-1].index("--requirement") + 1]).read_text(encoding="utf-8")
        assert lock.startswith("kubernetes-validate==")
        assert "--hash=sha256:" in lock
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("tests.outside_wheels.subprocess.run", download)
    for _ in range(2):
        schemas = outside_programs.find("kubernetes-schemas")
        assert schemas is not None
        assert sorted(path.name for path in Path(schemas).iterdir()) == sorted(outside_wheels.SCHEMA_VERSIONS)
        outside_programs.find.cache_clear()
    assert len(commands) == 1
    assert {"download", "--require-hashes", "--no-deps"} <= set(commands[0])


def test_on_another_machine_there_is_no_helm(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel's program is for Linux on x86-64: on other machines nothing is fetched."""
    monkeypatch.setattr("tests.outside_wheels.platform.machine", lambda: "aarch64")
    monkeypatch.setattr("tests.outside_wheels.subprocess.run", lambda *_all, **_named: pytest.fail("fetched"))
    assert outside_programs.find("helm") is None
