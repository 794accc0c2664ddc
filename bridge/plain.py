"""Formatted messages as a phone shows them: plain words.

Rule of this module: what a person wrote stays as it is, letter for letter; only the marks that a client made of it
(asterisks for bold, list markers) are brought into a form that reads well without them: what is struck out is left out, a
link's address stands behind its words, paragraphs stay apart. What cannot be
read as HTML is left to the plain body that the client sent beside it.

Sources: Client-Server API, m.room.message, `org.matrix.custom.html`; v1.12 of it, "Fallbacks for rich replies".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, Final

FORMATS: Final = frozenset(
    {"strong", "b", "em", "i", "u", "del", "s", "strike", "code", "a", "li", "span", "sup", "sub", "img", "details"}
)
BLOCKS: Final = frozenset({"p", "div", "ul", "ol", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr"})
LONGEST: Final = 8_192
"""Letters. Python's parser takes seconds for 64 KiB that somebody made for it, and the event loop has to wait."""
UNCLOSED: Final = re.compile(r"<[^<>]*(?=<)")
MOST_UNCLOSED: Final = 8
"""Tags that are not closed before the next begins: no client writes any, and each is looked at once for every other."""
QUOTED: Final = re.compile(r"> (\* )?<")
HIDES: Final = frozenset({"mx-reply", "del", "s", "strike"})
SCHEMES: Final = ("https://", "http://", "mailto:", "tel:", "matrix:")
PERSON: Final = re.compile(r"matrix\.to/#/(@|%40)|matrix:u/", re.IGNORECASE)
"""A person's address, which clients put behind a mention."""
REPLY: Final = ("<mx-reply>", "</mx-reply>")
DEEPEST: Final = 100


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.lists: list[int | None] = []
        self.hidden = 0
        self.formatted = False
        self.struck = False
        self.marked = 0
        self.links: list[tuple[str, int]] = []
        """Addresses of the links that are open, and how many parts there were before their words."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.formatted |= not self.hidden and (tag in FORMATS or (tag in BLOCKS and tag not in {"p", "div"}))
        if tag in HIDES:
            self.hidden += 1
        elif tag == "a":
            self.links = [
                *self.links[-DEEPEST:],
                (next((v or "" for name, v in attrs if name == "href"), ""), len(self.parts)),
            ]
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
            self.marked = len(self.parts)
        elif tag in BLOCKS and not (self.lists and len(self.parts) == self.marked):
            self._line(apart=tag == "p" and not self.lists)
        elif tag == "img":
            self.parts.append(next((value or "" for name, value in attrs if name == "alt"), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in HIDES:
            self.hidden = max(self.hidden - 1, 0)
            self.struck = tag != "mx-reply"
        elif tag == "a" and self.links:
            self._address(*self.links.pop())
        elif tag in {"ul", "ol"} and self.lists:
            self.lists.pop()
            self._line()
        elif tag in BLOCKS:
            self._line()

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            # A line feed after a break is HTML's, not the writer's.
            data = data.lstrip("\n") if self.parts and self.parts[-1].endswith("\n") else data
            # So that no two spaces stand where something struck out was.
            data = (
                data[1:] if self.struck and data.startswith(" ") and self.parts and self.parts[-1].endswith(" ") else data
            )
            self.struck = False
            self.parts += [data] if data else []

    def _address(self, href: str, begun: int) -> None:
        """Put a link's address behind its words, unless they say it already, or it is a person and not a page."""
        words = "".join(self.parts[begun:]).strip()
        bare = href.partition(":")[2].lstrip("/") if href.startswith(("mailto:", "tel:")) else href
        known = bare.removeprefix("https://").removeprefix("http://").rstrip("/") in words
        if not self.hidden and href.startswith(SCHEMES) and not known and PERSON.search(href) is None:
            self.parts.append(f" ({bare})" if words else bare)

    def _line(self, *, apart: bool = False) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")
        if apart and self.parts and not "".join(self.parts[-2:]).endswith("\n\n"):
            self.parts.append("\n")


def words_of(content: Mapping[str, Any]) -> str | None:
    """Return what a message says, without the marks that a client's formatting left in its plain body."""
    body, formatted = content.get("body"), content.get("formatted_body")
    if not isinstance(body, str):
        return None
    if content.get("format") == "org.matrix.custom.html" and isinstance(formatted, str):
        return flatten(formatted) or body
    return body


def without_quote(body: str) -> str:
    """Return a reply's plain body without the lines of another message that some clients quote before it.

    Nobody's earlier words go back onto the phone, and a command is one as a reply as well.
    """
    if QUOTED.match(body) is None:
        return body
    lines = body.split("\n")
    while lines and lines[0].startswith(">"):
        lines.pop(0)
    return "\n".join(lines[1:] if lines and not lines[0].strip() else lines)


def names_somebody(html: str) -> bool:
    """Whether a formatted body has somebody's address outside of the message that it answers.

    Each letter is looked at once, however often a quote is begun and not ended: every text waits while this is read.
    """
    kept, at = list[str](), 0
    while (begun := html.find(REPLY[0], at)) >= 0 and (ended := html.find(REPLY[1], begun)) >= 0:
        kept.append(html[at:begun])
        at = ended + len(REPLY[1])
    return PERSON.search("".join([*kept, html[at:]])) is not None


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
