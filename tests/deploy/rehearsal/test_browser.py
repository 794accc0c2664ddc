"""The page of the handsets in a real browser: it does what it shows, it can be read by everybody, and it asks nobody else.

Rule of this module: one browser for all of it; axe-core (`tests/axe.py`) judges what can be judged by a program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from bridge.carriers.adapter import Accepted
from bridge.outbound.drill_texts import HandsetCarrier
from tests.axe import AXE, LOOKS, assert_it_judges, bring_judge, judged
from tests.bridge.carriers.rehearsal_harness import NUMBER, RehearsalHarness
from tests.browser import Tab, open_tab
from tests.deploy.rehearsal.handsets import A, B, handset
from tests.fakes.fake_carrier import send_words
from tests.outside_programs import OutsidePrograms

ARRIVED: Final = "document.getElementById('arrived').textContent"
FOCUSED: Final = """{
  const at = document.activeElement;
  (at === document.body ? "" : at.ariaLabel ?? (at.labels?.[0] ?? at).textContent).trim();
}"""
"""The label or the words of what has the focus."""
TAB, ENTER, SPACE = ("Tab", 9, ""), ("Enter", 13, "\r"), (" ", 32, " ")


async def press(tab: Tab, key: tuple[str, int, str]) -> None:
    await tab.press(key[0], code=key[1], text=key[2])


async def tab_to(tab: Tab, name: str) -> None:
    """Go by the Tab key to what has this label or these words; it must come before everything was passed once."""
    for _ in range(60):
        await press(tab, TAB)
        if (await tab.run(FOCUSED)).startswith(name):
            assert await tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid", name
            return
    raise AssertionError(f"the keyboard does not reach {name}")


@pytest.fixture
async def tab(stand: RehearsalHarness, outside_programs: OutsidePrograms, tmp_path: Path) -> Any:
    """Show the page at phone's width; None where there is no browser."""
    if (program := outside_programs.find("chromium")) is None:
        yield None
        return
    async with open_tab(program, tmp_path / "profile") as opened:
        await opened.look_like(width=320, scheme="light")
        await opened.show(stand.base + "/")
        await opened.until("document.querySelectorAll('.handset').length === 2")
        yield opened


async def test_the_page_in_a_browser(stand: RehearsalHarness, tab: Tab | None, outside_programs: OutsidePrograms) -> None:
    """A rehearsal by keyboard alone, in which every part of the page is used; then looked at in every width and scheme."""
    if tab is None:
        return
    await texts_by_keyboard(stand, tab)
    await arriving_texts_are_told(stand, tab)
    await faults_by_keyboard(stand, tab)
    await a_drill_beside_its_script(stand, tab)
    if AXE.is_file():
        await nothing_is_wrong_in_any_look(tab)
    else:
        outside_programs.lack("axe-core")
    assert {url.split("/")[2] for url in tab.requested if not url.startswith("data:")} == {stand.base.split("/")[2]}


async def texts_by_keyboard(stand: RehearsalHarness, tab: Tab) -> None:
    """Quick texts, words and a picture leave from the handset whose they are; removing one leaves the focus in the page."""
    for words in ("he's here", "STOP", "ES"):
        await tab_to(tab, words)
        await press(tab, SPACE)
    await tab.until("document.querySelectorAll('.in').length === 3")
    await tab_to(tab, f"Text from {B}")
    await tab.write("look at this")
    await tab_to(tab, "With a picture")
    await press(tab, SPACE)
    await tab_to(tab, "Send")
    await press(tab, SPACE)
    assert await tab.until("document.querySelector('.picture')?.textContent") == "Picture (image/jpeg)"
    assert [text["text"] for text in await handset(stand, A)] == ["he's here", "STOP", "ES"]
    (text,) = await handset(stand, B)
    assert (text["text"], [each["type"] for each in text["media"]]) == ("look at this", ["image/jpeg"])
    assert await tab.run("document.activeElement.value") == ""
    assert await tab.run("document.querySelector('.check input:checked')") is None
    await tab_to(tab, "Another handset")
    await tab.write("+15555550103")
    await press(tab, ENTER)
    await tab.until("document.querySelectorAll('.handset').length === 3")
    await tab_to(tab, "Remove handset +15555550103")
    await press(tab, SPACE)
    assert await tab.run("document.activeElement.id + document.querySelectorAll('.handset').length") == "number2"


async def arriving_texts_are_told(stand: RehearsalHarness, tab: Tab) -> None:
    """Texts of the line's are in the live region with their handset's number, as text; a handset's own are not."""
    assert await tab.run(ARRIVED) == ""
    assert isinstance(await send_words(stand.carrier, B, "<b>who</b> is there", number=NUMBER), Accepted)
    assert await tab.until(ARRIVED) == f"At {B}: <b>who</b> is there"


async def faults_by_keyboard(stand: RehearsalHarness, tab: Tab) -> None:
    """Faults that were chosen are set, the page says what is left of them, and they can be taken back."""
    said = "document.getElementById('faults-now').textContent"
    await tab_to(tab, "Faults of the carrier")
    await press(tab, SPACE)
    await tab.until(f"{said} === 'No fault is set.'")
    await tab_to(tab, "Set faults")
    await press(tab, SPACE)
    await tab.until("document.getElementById('fault-trouble').textContent === 'Choose a fault first.'")
    await tab.run(
        "document.getElementById('send').value = 'reject'; document.getElementById('inbound').value = 'duplicate'"
    )
    await press(tab, SPACE)
    await tab.until(f"{said} === 'Still to come: sends that get reject:opted-out: 1; texts told twice: 1.'")
    assert await stand.get("/api/faults") == {"send": "reject:opted-out", "times": 1, "inbound": {"duplicate": 1}}
    await tab_to(tab, "No more faults")
    await press(tab, SPACE)
    await tab.until(f"{said} === 'No fault is set.'")


async def a_drill_beside_its_script(stand: RehearsalHarness, tab: Tab) -> None:
    """Handsets of drills come by themselves; the script stands beside them in the language that was chosen."""
    assert isinstance(stand.carrier, HandsetCarrier)
    assert await stand.carrier.text_from_handset(tag="0badcafe0bad", ref="one", text="hola", picture=True)
    await tab.until("document.querySelectorAll('.handset')[2]?.querySelector('h2').textContent.endsWith(' (drill)')")
    await tab_to(tab, "Drills")
    await press(tab, SPACE)
    await tab.until("document.getElementById('script').length === 9")
    for part, value in (("script", "phone-taken"), ("language", "es")):
        await tab.run(f"document.getElementById('{part}').value = '{value}'")
        await tab.run(f"document.getElementById('{part}').dispatchEvent(new Event('change', {{bubbles: true}}))")
    assert await tab.run("document.getElementById('said').textContent") == "!drill phone-taken es"
    assert await tab.run("document.querySelector('#scenes q').lang") == "es"
    assert "quién es" in await tab.run("document.getElementById('scenes').textContent")


async def nothing_is_wrong_in_any_look(tab: Tab) -> None:
    """No violation, nothing to scroll to the side, and another paper in the dark."""
    await bring_judge(tab)
    papers = {}
    for width, scheme in LOOKS:
        await tab.look_like(width=width, scheme=scheme)
        assert await judged(tab) == [], (width, scheme)
        assert await tab.run("innerWidth - document.documentElement.scrollWidth") >= 0, width
        papers[scheme] = await tab.run("getComputedStyle(document.body).backgroundColor")
        columns = await tab.run("new Set([...document.querySelectorAll('.handset')].map((each) => each.offsetLeft)).size")
        assert (columns > 1) == (width > 320), "handsets stand side by side where there is room"
    assert papers["light"] != papers["dark"]
    await assert_it_judges(tab)
