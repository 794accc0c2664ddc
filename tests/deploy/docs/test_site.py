"""The website of the pages: whole, without a broken link, and without anything from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.runtime.program import ROOT
from deploy.docs import site
from tests.browser import open_tab
from tests.outside_programs import OutsidePrograms


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return site.render(site.read_pages())


def test_every_page_is_on_the_site_once(files: dict[str, str]) -> None:
    """What is in `deploy/docs` and at the root, in one part of the navigation, and each is a file of its own."""
    sources = site.sources()
    assert len(set(sources)) == len(sources)
    there = {path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("deploy/docs/**/*.md"))}
    assert there - set(sources) == set()
    assert len([name for name in files if name.endswith(".html")]) == len(sources)


def test_no_link_leads_nowhere(files: dict[str, str]) -> None:
    """Not in the pages as they are written, which `read_pages` looks at, nor in what was made of them."""
    for name, text in files.items():
        for link in re.findall(r'href="([^"]+)"', text) if name.endswith(".html") else ():
            if link.startswith("https:"):
                continue
            file, _, anchor = link.partition("#")
            assert file in files, (name, link)
            assert not anchor or f'id="{anchor}"' in files[file], (name, link)


def test_nothing_is_asked_of_anybody_else(files: dict[str, str]) -> None:
    """No script, no font, no frame; style sheet and pictures are files of the site."""
    shown = site.pictures(site.read_pages())
    for name, text in files.items():
        if name.endswith(".html"):
            assert re.findall(r"<(script|iframe|object|embed|form)\b", text) == [], name
            assert re.findall(r'<link [^>]*href="([^"]+)"', text) == ["style.css"], name
            assert set(re.findall(r'<img src="([^"]*)" alt="[^"]+" />', text)) <= shown.keys()
            assert text.count("<img") == len(re.findall(r'<img src="[^"]*" alt="[^"]+" />', text))
            assert f'content="{site.POLICY}"' in text
    assert shown
    assert "url(" not in files["style.css"]
    assert "@import" not in files["style.css"]


@pytest.mark.parametrize(
    "link",
    [
        *("gone.md", "operator.md#no-such-part", "http://agency.org", "../docs", "/etc/passwd"),
        *("x)\n![words](pictures/gone.webp", "operator.md)\n![](pictures/board-phone.en.webp"),
        *("operator.md)\n![words](https://agency.org/x.webp", "operator.md)\n![words](../../LICENSE"),
    ],
)
def test_a_broken_link_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, link: str) -> None:
    """A page that is not there, a heading, a directory, a place outside, a link in clear, a picture: nothing is written."""
    real = Path.read_text

    def read_text(path: Path, *words: str | None, **named: str | None) -> str:
        text = real(path, *words, **named)
        return f"{text}\n[broken]({link})\n" if path.name == "joining.md" else text

    monkeypatch.setattr(Path, "read_text", read_text)
    assert site.main([str(tmp_path / "site")]) == 1
    assert not (tmp_path / "site").exists()


def test_it_is_written_into_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m deploy.docs.site DIRECTORY`; without a directory it says how."""
    assert site.main([str(tmp_path / "site")]) == 0
    assert "<h1" in (tmp_path / "site" / "index.html").read_text()
    assert (tmp_path / "site" / "board-phone.en.webp").read_bytes()[8:12] == b"WEBP"
    assert '<html lang="es">' in (tmp_path / "site" / "deploy-docs-advocate.es.html").read_text()
    assert site.main([]) == 2
    assert "DIRECTORY" in capsys.readouterr().err


async def test_every_page_fits_a_phone(tmp_path: Path, outside_programs: OutsidePrograms) -> None:
    """No page is wider than a narrow screen: tables and commands scroll by themselves, long names break."""
    if (program := outside_programs.find("chromium")) is None:
        return
    assert site.main([str(tmp_path / "site")]) == 0
    wide = []
    async with open_tab(program, tmp_path / "profile") as tab:
        await tab.look_like(width=360, scheme="light")
        for file in sorted((tmp_path / "site").glob("*.html")):
            await tab.show(file.as_uri())
            await tab.until(f"location.href === '{file.as_uri()}' && document.readyState === 'complete'")
            if await tab.run("document.documentElement.scrollWidth > window.innerWidth"):
                wide.append(file.name)
    assert wide == []
