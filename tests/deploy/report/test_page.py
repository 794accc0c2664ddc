"""The report's page: self-contained, accessible, and only words and numbers that it may hold; read in a real browser."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from deploy.inspect.monthly_report import SMALLEST_SHOWN
from deploy.report.page import BARS_WIDE, HERE, report_page
from deploy.report.plots import Figure, plots_of
from policies.yaml_file import parse_yaml
from tests.axe import AXE, LOOKS, assert_it_judges, bring_judge, judged
from tests.browser import open_tab
from tests.deploy.report.tallies import CELLS, months_of
from tests.outside_programs import OutsidePrograms

ENGLISH, SPANISH = parse_yaml(HERE / "words.yaml").values()
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


def test_what_a_counter_is_called_cannot_become_markup() -> None:
    """A language or kind with markup in it stands there as text."""
    page = report_page(months_of([('2027-01"><b>', "<i>x</i>", "<script>a</script>", 9)]), "en")
    assert not re.search(r"<(?:b|i|script)>", page)
    assert "&lt;script&gt;a&lt;/script&gt;" in page


def test_both_languages_have_every_word() -> None:
    """With the same fields to fill in; and none is empty."""
    assert ENGLISH.keys() == SPANISH.keys()
    for name, english in ENGLISH.items():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", SPANISH[name])), name
        assert SPANISH[name], name


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
