"""The page of the handsets as it is served: whole, labelled, and with nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Final

from deploy.rehearsal.page import HandsetPage
from tests.bridge.carriers.rehearsal_harness import NUMBER

PAGE: Final = HandsetPage.load(number=NUMBER)
FIELDS: Final = ("input", "select", "textarea")


class Elements(HTMLParser):
    """Reads every element with its attributes and the names of those that it is in."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), tuple(self._open)))
        if tag not in ("meta", "link", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def elements() -> list[tuple[str, dict[str, str | None], tuple[str, ...]]]:
    reader = Elements()
    reader.feed(PAGE.html)
    assert reader._open == []
    return reader.found


def test_the_page_is_whole() -> None:
    """Style, script and number are in it, the policy allows these two alone, and no word asks another host."""
    assert "{{" not in PAGE.html
    assert f'<strong id="line">{NUMBER}</strong>' in PAGE.html
    for tag in ("style", "script"):
        (inner,) = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE.html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in PAGE.policy
    assert not re.search(r"https?:|url\(|@import|innerHTML|\beval\b|\bon\w+=", PAGE.html)


def test_fields_have_labels_and_ids_are_unique() -> None:
    """Each field stands in its label; each list of choices that a field names is there."""
    nodes = elements()
    assert [tag for tag, _, inside in nodes if tag in FIELDS and "label" not in inside] == []
    ids = [attributes["id"] for _, attributes, _ in nodes if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["list"] for _, attributes, _ in nodes if "list" in attributes} <= set(ids)
    used_ids = set(re.findall(r'byId\("([^"]+)"\)', PAGE.html))
    assert used_ids == used_ids & set(ids)


def test_the_page_speaks_to_who_does_not_see_it() -> None:
    """Its language, its parts, one region for arriving texts, and troubles as alerts."""
    nodes = elements()
    tags = [tag for tag, _, _ in nodes]
    assert ("html", {"lang": "en"}, ()) in nodes
    assert (tags.count("main"), tags.count("header"), tags.count("h1")) == (1, 1, 1)
    roles = [attributes.get("role") for _, attributes, _ in nodes]
    assert roles.count("log") == 1
    assert roles.count("alert") == sum(attributes.get("class") == "trouble" for _, attributes, _ in nodes)
    assert not [attributes for _, attributes, _ in nodes if attributes.get("tabindex") not in (None, "0")]
