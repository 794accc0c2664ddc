"""The wheel contains all files of the project's folders, and an installation from it works without them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
FOLDERS: Final = ("policies", "bot", "bridge", "deploy")
MODULE, IMPORTED = "deploy/synapse_module", "quietline_synapse"
ONLY_THE_MODULE: Final = """
from importlib.util import find_spec; from quietline_synapse import Quietline
print(Quietline.__name__, find_spec("deploy") is not None, find_spec("tests") is not None)
"""


def _run(*command: str | Path, cwd: Path, ends: int = 0, path: Path | None = None) -> str:
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **({"PYTHONPATH": str(path)} if path else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == ends, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the files that git tracks, so that it contains no other files."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in _tracked("pyproject.toml", "README.md", *FOLDERS):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", out, source, cwd=source)
    (built,) = out.glob("*.whl")
    return built


def _tracked(*paths: str) -> list[str]:
    listed = _run("git", "ls-files", "-z", "--", *paths, cwd=ROOT)
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_wheel_holds_everything(wheel: Path) -> None:
    """The wheel contains every file of the four folders and its metadata, and nothing else."""
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == {
        name.removeprefix(f"{MODULE}/") if f"{MODULE}/{IMPORTED}/" in name else name for name in _tracked(*FOLDERS)
    }


def test_the_synapse_module_is_installed_by_itself(tmp_path: Path) -> None:
    """For an agency's own Synapse: the wheel has the module and no other package of ours, so none is on Synapse's path."""
    source, out, site = tmp_path / "source", tmp_path / "wheel", tmp_path / "site"
    for name in _tracked(MODULE):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source / MODULE, cwd=tmp_path)
    (built,) = out.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(built).namelist() if ".dist-info/" not in name}
    assert inside == {name.removeprefix(f"{MODULE}/") for name in _tracked(f"{MODULE}/{IMPORTED}")}
    _run(*pip, "install", "--no-deps", "--target", site, built, cwd=tmp_path)
    output = _run(sys.executable, "-P", "-c", ONLY_THE_MODULE, cwd=tmp_path, path=site)
    assert output.split() == ["Quietline", "False", "False"]


def test_what_is_installed_from_the_wheel_works(wheel: Path, tmp_path: Path) -> None:
    """`quietline --version`, `policy lint` and `exposure` run from an installed wheel, away from the source."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    # Only modules that are imported below are then compiled, not all.
    _run(*pip, "--no-compile", "--target", site, wheel, cwd=elsewhere)
    quietline = (sys.executable, "-P", site / "bin" / "quietline")
    where = _run(sys.executable, "-P", "-c", "import deploy; print(deploy.__file__)", cwd=elsewhere, path=site)
    assert Path(where.strip()).is_relative_to(site)
    assert _run(*quietline, "--version", cwd=elsewhere, path=site).startswith("quietline ")
    # The base pack lacks the agency's reviewed texts, so it is not fit for a line, and lint says so.
    assert "leak_words" in _run(*quietline, "policy", "lint", "base", cwd=elsewhere, ends=1, path=site)
    assert "twilio" in _run(*quietline, "exposure", "twilio", cwd=elsewhere, path=site).casefold()
