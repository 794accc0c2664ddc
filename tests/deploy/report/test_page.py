"""The report's page: self-contained, accessible, and only words and numbers that it may hold; read in a real browser."""

from __future__ import annotations

import re
import subprocess
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from deploy.inspect.monthly_report import SMALLEST_SHOWN
from deploy.report.page import BARS_WIDE, report_page
from deploy.report.page_wording import ENGLISH, LANGUAGES, SPANISH
from deploy.report.plots import Figure, plots_of
from tests.axe import AXE, LOOKS, assert_it_judges, bring_judge, judged
from tests.browser import OPTIONS, open_tab
from tests.deploy.report.tallies import CELLS, months_of
from tests.outside_programs import OutsidePrograms

PAGE = report_page(months_of(CELLS), "en")


def figures(page: str) -> list[ET.Element]:
    """Return each figure: an SVG and its table."""
    return [ET.fromstring(markup) for markup in re.findall(r"<figure>.*?</figure>", page, re.DOTALL)]  # noqa: S314 - ours


def text_of(page: str) -> str:
    """Return what stands between the tags of a page's body."""
    return unescape(re.sub(r"<[^>]*>", " ", page[page.index("<body>") :]))


def test_the_page_asks_for_nothing() -> None:
    """No script, no address, no reference to anything outside, and a policy that forbids them."""
    assert not re.search(
        r"https?:|//|url\(|@import|<(?:script|link|img|iframe|object|use)\b|\b(?:src|href|on\w+)\s*=", PAGE
    )
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in PAGE


def test_each_plot_has_a_title_a_description_and_its_table() -> None:
    """A reader without sight gets the same numbers; ids are unique; headings go down one level at a time."""
    all_figures = figures(PAGE)
    assert len(all_figures) == 1 + 4 * 3
    for figure in all_figures:
        svg, table = figure
        title, description = svg[0], svg[1]
        assert (svg.get("role"), title.tag, description.tag) == ("img", "title", "desc")
        assert svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text == table.findtext("caption")
        bars = [text.text for text in svg.findall("text")][1:-2:2]
        cells = [row[1].text for row in table.iterfind("tbody/tr")]
        short = {f"fewer than {SMALLEST_SHOWN}": f"< {SMALLEST_SHOWN}", ENGLISH["withheld"]: "—"}
        assert bars == [short.get(str(cell), cell) for cell in cells]
        assert all(th.get("scope") for th in table.iter("th"))
    ids = re.findall(r'\bid="([^"]+)"', PAGE)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"<h(\d)", PAGE)) == {"1", "2", "3"}
    assert '<html lang="en">' in PAGE
    assert '<html lang="es">' in report_page(months_of(CELLS), "es")


def test_bars_are_as_long_as_what_is_shown() -> None:
    """A counted bar by its number; every hidden count's mark reaches to five; a withheld sum has none."""
    svgs = iter(figures(PAGE))
    for plot in plots_of(months_of(CELLS)):
        for month in [None] if plot.name == "load" else plot.months:
            rows = [row for row in plot.rows if month is None or row.month == month]
            drawn = [(rect.get("class"), rect.get("width")) for rect in next(svgs)[0].findall("rect")]
            lengths = {Figure.SMALL: ("small", SMALLEST_SHOWN), Figure.WITHHELD: ("bar", 0)}
            expected = [lengths.get(row.figure, ("bar", row.number or 0)) for row in rows]
            scale = BARS_WIDE / plot.axis_maximum
            assert drawn == [(kind, f"{number * scale:.1f}") for kind, number in expected if number]


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_page_has_words_of_its_own_alone(language: str) -> None:
    """Everything that stands in it is of the table of words, a month, a code of a language or a number that is shown."""
    ours = " ".join(LANGUAGES[language].values()).format(below=4, smallest=5, maximum=0, small="")
    allowed = {*re.findall(r"\w+", ours), "vi", "5", "4"}
    shown = {str(n) for *_, n in CELLS if n >= SMALLEST_SHOWN} | {"0", "10", "20", "37", "27", "50"}
    months = {"2027", "01", "02", "03"}
    assert set(re.findall(r"\w+", text_of(report_page(months_of(CELLS), language)))) <= allowed | shown | months


def test_what_a_counter_is_called_cannot_become_markup() -> None:
    """A language or kind with markup in it stands there as text."""
    page = report_page(months_of([('2027-01"><b>', "<i>x</i>", "<script>a</script>", 9)]), "en")
    assert not re.search(r"<(?:b|i|script)>", page)
    assert "&lt;script&gt;a&lt;/script&gt;" in page


def test_nothing_counted_says_so() -> None:
    """An empty month is a page without a plot."""
    page = report_page((), "es")
    assert SPANISH["nothing"] in page
    assert "<svg" not in page


def test_both_languages_have_every_word() -> None:
    """With the same fields to fill in; and none is empty."""
    assert ENGLISH.keys() == SPANISH.keys()
    for name, english in ENGLISH.items():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", SPANISH[name])), name
        assert SPANISH[name], name


def test_colours_have_contrast_by_day_in_dark_and_on_paper() -> None:
    """Text 7 to 1, bars 4.5 to 1 and lines 3 to 1 against the page (WCAG 2.2, 1.4.6 and 1.4.11)."""
    sets = re.findall(r"--paper: (#\w{6}); --ink: (#\w{6}); --bar: (#\w{6}); --line: (#\w{6})", PAGE)
    assert len(sets) == 3
    for paper, *colours in sets:
        for colour, least in zip(colours, (7, 4.5, 3), strict=True):
            assert contrast(paper, colour) >= least, (paper, colour)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2, "contrast ratio")."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.long
def test_a_browser_reads_the_page_as_it_is_meant(outside_programs: OutsidePrograms, tmp_path: Path) -> None:
    """A real Chromium parses every figure, table and heading, and adds and drops nothing."""
    if (browser := outside_programs.find("chromium")) is None:
        return
    (tmp_path / "report.html").write_text(PAGE, encoding="utf-8")
    command = [browser, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    process = subprocess.run(
        [*command, f"file://{tmp_path / 'report.html'}"], check=True, capture_output=True, timeout=120, text=True
    )
    dom = process.stdout
    assert [ET.tostring(figure) for figure in figures(dom)] == [ET.tostring(figure) for figure in figures(PAGE)]
    assert text_of(dom).split() == text_of(PAGE).split()


@pytest.mark.long
async def test_the_page_is_for_everybody(outside_programs: OutsidePrograms, tmp_path: Path) -> None:
    """At a phone's width and a desk's, by day and in the dark: no violation, and nothing to scroll to the side."""
    if (browser := outside_programs.find("chromium")) is None:
        return
    if not AXE.is_file():
        outside_programs.lack("axe-core")
        return
    (tmp_path / "report.html").write_text(PAGE, encoding="utf-8")
    async with open_tab(browser, tmp_path / "profile") as tab:
        await tab.show((tmp_path / "report.html").as_uri())
        await tab.until("document.readyState === 'complete' && document.querySelectorAll('figure').length > 0")
        await bring_judge(tab)
        for width, scheme in LOOKS:
            await tab.look_like(width=width, scheme=scheme)
            # Letters within an SVG it cannot judge: their colours are in the test of contrast above.
            wrong = [html for _, _, nodes in await judged(tab) for html in nodes if not html.startswith("<text ")]
            assert wrong == [], (width, scheme)
            assert await tab.run("innerWidth - document.documentElement.scrollWidth") >= 0, width
        await assert_it_judges(tab)
