"""The page for new contributors works: its steps are followed on a copy of the source."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "deploy/docs/contributing-command.md"
BLOCK: Final = re.compile(
    r"^```(?:(?P<shell>sh)(?: (?P<how>clone|fails))?"
    r"|python file=(?P<file>\S+) (?:(?P<append>append)|after='(?P<after>[^'\n]+)'))\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
PYTHON: Final = (sys.executable, "-P", "-m")
LAUNCHER: Final = {
    "./quietline test": (*PYTHON, "pytest"),
    ".venv/bin/python -m": (sys.executable, "-m"),
}
"""The replacements of the launcher and its environment, which a copy lacks: the tests alone, without lint and types."""


def _run(line: str, root: Path) -> tuple[int, str]:
    ours, arguments = next((ours, line.removeprefix(said)) for said, ours in LAUNCHER.items() if line.startswith(said))
    # Only commands of tests get this path: any other command must find our packages by itself.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if line.startswith("./quietline"):
        env["PYTHONPATH"] = str(root)
    result = subprocess.run([*ours, *arguments.split()], cwd=root, env=env, check=False, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def _insert(path: Path, after: str, body: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert lines.count(f"{after}\n") == 1, f"{path.name}: {after}"
    lines.insert(lines.index(f"{after}\n") + 1, body)
    path.write_text("".join(lines), encoding="utf-8")


@pytest.mark.timeout(1800)
def test_the_page_works(tmp_path: Path) -> None:
    """Each block of code is put where the page says, each shell line ends as it says, and the command is documented.

    A copy of the source replaces the clone. No test that a new command affects fails at the end.
    """
    for folder in ("policies", "bot", "bridge", "deploy", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ran = []
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["how"] == "clone":
            assert block["body"].startswith("git clone ")
            continue
        if block["shell"]:
            code, said = _run(block["body"].strip(), tmp_path)
            assert code == (1 if block["how"] == "fails" else 0), f"{block['body']}: exit code {code}\n{said}"
            ran.append(code)
            continue
        path = tmp_path / block["file"]
        if block["append"]:
            path.write_text(path.read_text(encoding="utf-8") + block["body"], encoding="utf-8")
        else:
            _insert(path, block["after"], block["body"])
    assert ran == [0, 1, 0, 0, 0]
    for page in ("commands.md", "commands.es.md"):
        assert "`!count`" in (tmp_path / "deploy/docs" / page).read_text(encoding="utf-8")
    files = [str(tmp_path / file) for file in re.findall(r"file=(\S+)", PAGE.read_text(encoding="utf-8"))]
    for check in (("check",), ("format", "--check")):
        ruff = [*PYTHON, "ruff", *check, "--config", str(ROOT / "pyproject.toml"), *files]
        result = subprocess.run(ruff, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("fence", re.findall(r"^```(?!$).*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
def test_every_block_is_followed(fence: str) -> None:
    """No block of the page has a form that the test above ignores."""
    assert BLOCK.match(f"{fence}\n```")
