"""Formatted messages as a phone shows them: plain words.

Rule of this module: what a person wrote stays as it is, letter for letter; only the marks that a client made of it
(asterisks for bold, list markers, links' targets) are brought into a form that reads well without them. What cannot be
read as HTML is left to the plain body that the client sent beside it.

Source: Client-Server API, m.room.message, `org.matrix.custom.html`.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

FORMATS: Final = frozenset(
    {"strong", "b", "em", "i", "u", "del", "s", "code", "a", "li", "span", "sup", "sub", "img", "details"}
)
BLOCKS: Final = frozenset({"p", "div", "ul", "ol", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr"})
LONGEST: Final = 8_192
"""Letters. Python's parser takes seconds for 64 KiB that somebody made for it, and the event loop has to wait."""
UNCLOSED: Final = re.compile(r"<[^<>]*(?=<)")
MOST_UNCLOSED: Final = 8
"""Tags that are not closed before the next begins: no client writes any, and each is looked at once for every other."""
DEEPEST: Final = 100


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.lists: list[int | None] = []
        self.hidden = 0
        self.formatted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.formatted |= not self.hidden and (tag in FORMATS or (tag in BLOCKS and tag not in {"p", "div"}))
        if tag == "mx-reply":
            self.hidden += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag in {"ul", "ol"}:
            self._line()
            self.lists = [*self.lists[-DEEPEST:], 0 if tag == "ol" else None]
        elif tag == "li":
            self._line()
            count = self.lists[-1] if self.lists else None
            if count is not None:
                self.lists[-1] = count + 1
            self.parts.append("- " if count is None else f"{count + 1}. ")
        elif tag in BLOCKS:
            self._line()
        elif tag == "img":
            self.parts.append(next((value or "" for name, value in attrs if name == "alt"), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "mx-reply":
            self.hidden = max(self.hidden - 1, 0)
        elif tag in {"ul", "ol"} and self.lists:
            self.lists.pop()
            self._line()
        elif tag in BLOCKS:
            self._line()

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            # A line feed after a break is HTML's, not the writer's.
            data = data.lstrip("\n") if self.parts and self.parts[-1].endswith("\n") else data
            self.parts += [data] if data else []

    def _line(self) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")


def flatten(html: str) -> str | None:
    """Return a formatted body as plain words.

    None when there is nothing to flatten (the plain body beside it says the same, letter for letter), when there are no
    words, or when it is too large or too broken to be read.
    """
    if len(html) > LONGEST or len(UNCLOSED.findall(html)) > MOST_UNCLOSED:
        return None
    words = _Words()
    try:
        words.feed(html)
        words.close()
    except (AssertionError, ValueError):  # what html.parser raises for a broken declaration
        return None
    text = "".join(words.parts).strip("\n")
    return text if words.formatted and text.strip() else None
