"""The report's page as a PDF, printed by a browser that is installed.

Rules of this module: the browser is of Chromium's family, found through PATH. It gets a temporary directory, which is
deleted afterwards, and cannot resolve any host name. It and all its processes end within `TIMEOUT` seconds.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

BROWSERS: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "microsoft-edge",
    "brave-browser",
)
"""Names of programs with the same options for PDF, in the order of the search."""
TIMEOUT: Final = 120
"""Seconds for one page, including the browser's start."""
OPTIONS: Final = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)


class PdfError(Exception):
    """The page was not printed. The text says why and what to do; it contains nothing of the page."""


def find_browser() -> str | None:
    """Return the path of the first browser in PATH that prints to PDF."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def print_pdf(page: str) -> bytes:
    """Return a page as PDF. Raises `PdfError` when there is no browser or it does not print."""
    browser = find_browser()
    if browser is None:
        raise PdfError(
            "no browser to print with: install Chromium (on Debian `apt install chromium`), or write the page with --html "
            "and print it from any browser"
        )
    # A browser that was killed may still be writing while the directory is deleted.
    with tempfile.TemporaryDirectory(prefix="quietline-report-", ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        (place / "page.html").write_text(page, encoding="utf-8")
        # Chromium refuses to run as root with its sandbox; the page has no script that a sandbox would confine.
        as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
        files = (
            f"--user-data-dir={place / 'profile'}",
            f"--print-to-pdf={place / 'page.pdf'}",
            f"file://{place / 'page.html'}",
        )
        _run([browser, *OPTIONS, *as_root, *files], place)
        try:
            printed = (place / "page.pdf").read_bytes()
        except OSError:
            printed = b""
    if not printed.startswith(b"%PDF-"):
        raise PdfError(f"{Path(browser).name} printed nothing: write the page with --html and print it from any browser")
    return printed


def _run(command: list[str], place: Path) -> None:
    """Run a browser in a session of its own and kill its remaining processes."""
    environment = {**os.environ, "HOME": str(place), "TMPDIR": str(place), "XDG_CONFIG_HOME": str(place)}
    silent = subprocess.DEVNULL
    try:
        process = subprocess.Popen(  # noqa: S603 - a browser of `BROWSERS`, and files of ours
            command, cwd=place, env=environment, stdin=silent, stdout=silent, stderr=silent, start_new_session=True
        )
    except OSError as error:
        raise PdfError(f"{Path(command[0]).name} could not be started: write the page with --html and print it") from error
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise PdfError(f"{Path(command[0]).name} did not end: write the page with --html and print it") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
