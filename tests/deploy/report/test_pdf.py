"""The report as PDF: a browser from PATH prints it, and where there is none the remedy is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.report import pdf
from deploy.report.page import report_page
from deploy.report.pdf import PdfError, print_pdf
from tests.deploy.report.tallies import CELLS, months_of
from tests.outside_programs import OutsidePrograms

PAGE = report_page(months_of(CELLS), "en")


def fake_browser(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program called chromium into PATH, before the shell's own."""
    program = folder / "chromium"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_real_browser_prints_it(outside_programs: OutsidePrograms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chromium makes a PDF of the page."""
    if (browser := outside_programs.find("chromium")) is None:
        return
    monkeypatch.setenv("PATH", f"{Path(browser).parent}:/usr/bin:/bin")
    printed = print_pdf(PAGE)
    assert printed.startswith(b"%PDF-")
    assert printed.rstrip().endswith(b"%%EOF")


def test_without_a_browser_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, and what does without it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PdfError, match=r"apt install chromium.*--html"):
        print_pdf(PAGE)


def test_a_browser_that_prints_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its exit code; nothing of the page is in the error."""
    fake_browser(tmp_path, monkeypatch, "exit 0")
    with pytest.raises(PdfError, match="printed nothing"):
        print_pdf(PAGE)


def test_a_browser_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time-out, with what it started."""
    fake_browser(tmp_path, monkeypatch, "sleep 600 & wait")
    monkeypatch.setattr(pdf, "TIMEOUT", 0.2)
    with pytest.raises(PdfError, match="did not end"):
        print_pdf(PAGE)


def test_a_program_that_cannot_be_started_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of that name that is no program."""
    (tmp_path / "chromium").write_bytes(b"\x00nothing")
    (tmp_path / "chromium").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PdfError, match="could not be started"):
        print_pdf(PAGE)


def test_the_browser_is_kept_from_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its profile goes with its directory, and no name resolves."""
    said = tmp_path / "said"
    fake_browser(tmp_path, monkeypatch, f'printf "%s\\n" "$@" > {said}')
    with pytest.raises(PdfError):
        print_pdf(PAGE)
    arguments = said.read_text(encoding="utf-8").splitlines()
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in arguments
    profile = next(Path(one.partition("=")[2]) for one in arguments if one.startswith("--user-data-dir="))
    assert not profile.parent.exists()
