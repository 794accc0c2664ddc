"""Formatted messages as a phone shows them: plain words.

Rules of this module: what a person wrote stays as it is, letter for letter; only the marks that a client made of it
(asterisks for bold, list markers) are brought into a form that reads well without them: what is struck out is left out, a
link's address stands behind its words, paragraphs stay apart. What is quoted is left out, however the client shows it:
nobody's earlier words go back onto a phone that others may look at (practice 36). What cannot be read as HTML is left to
the plain body that the client sent beside it.

Sources: Client-Server API, m.room.message, `org.matrix.custom.html`; v1.12 of it, "Fallbacks for rich replies";
https://spec.commonmark.org/0.31.2/#block-quotes, which is what clients make of lines that begin with `>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
QUOTE_LINE: Final = re.compile(r"\s*>+(?:\s|$)")
"""A line that begins a quote. Without a space it may be a face, or an arrow, and is somebody's own."""
FACE: Final = re.compile(r"\s*>(?:[:;=]\S{1,3}|[._-]{1,3}[<>])(?:\s|$)")
"""What looks angry or unhappy, and what a client that reads Markdown takes for a quote: >:( and >_<."""
BLOCKQUOTE: Final = "<blockquote"
STRUCK: Final = frozenset({"del", "s", "strike"})
HIDES: Final = STRUCK | {"mx-reply", "blockquote"}
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
        self.hidden: list[str] = []
        """The tags that are open and hide what is in them, outermost first."""
        self.formatted = False
        self.quotes: list[str] = []
        """How each quote begins."""
        self.struck = False
        self.marked = 0
        self.links: list[tuple[str, int]] = []
        """Addresses of the links that are open, and how many parts there were before their words."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.formatted |= not self.hidden and (tag in FORMATS or (tag in BLOCKS and tag not in {"p", "div"}))
        if tag in HIDES:
            if tag == "blockquote" and not self.hidden:
                self.quotes.append("")
                if not self._begins_item():
                    self._line()
            self.hidden.append(tag)
        elif self.hidden:
            return
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
        elif tag in BLOCKS and not self._begins_item():
            self._line(apart=tag == "p" and not self.lists)
        elif tag == "img":
            self.parts.append(next((value or "" for name, value in attrs if name == "alt"), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in HIDES:
            # Another tag's end does not end a quote.
            while tag in self.hidden and self.hidden.pop() != tag:
                pass
            self.struck = tag in STRUCK
        elif self.hidden:
            return
        elif tag == "a" and self.links:
            self._address(*self.links.pop())
        elif tag in {"ul", "ol"} and self.lists:
            self.lists.pop()
            self._line()
        elif tag in BLOCKS:
            self._line()

    def handle_data(self, data: str) -> None:
        if self.quotes and "blockquote" in self.hidden:
            self.quotes[-1] = self.quotes[-1] or data.strip()
        if not self.hidden:
            # A line feed after a break, or a list's mark, is HTML's, not the writer's.
            broken = self._begins_item() or (self.parts and self.parts[-1].endswith("\n"))
            data = data.lstrip("\n") if broken else data
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
        if href.startswith(SCHEMES) and not known and PERSON.search(href) is None:
            self.parts.append(f" ({bare})" if words else bare)

    def _begins_item(self) -> bool:
        return bool(self.lists) and len(self.parts) == self.marked

    def _line(self, *, apart: bool = False) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")
        if apart and self.parts and not "".join(self.parts[-2:]).endswith("\n\n"):
            self.parts.append("\n")


def words_of(content: Mapping[str, Any]) -> str | None:
    """Return what a message says, without quotes and the marks that a client's formatting left in its plain body.

    None when it has no body; empty when all that it says is quoted, or when nobody can tell which of it is.
    """
    body, formatted = content.get("body"), content.get("formatted_body")
    if not isinstance(body, str):
        return None
    own = unquoted(body)
    if content.get("format") != "org.matrix.custom.html" or not isinstance(formatted, str):
        return own
    read = _read(formatted)
    if read is None:
        return "" if own == body and BLOCKQUOTE in formatted.lower() else own
    if _all_faces(body, read.quotes):
        return body
    flat = _flat(read)
    return own if flat is None else unquoted(flat)


def quotes(content: Mapping[str, Any]) -> bool:
    """Whether words stand in a message that `words_of` leaves out as quoted. A reply's fallback counts, too."""
    body, formatted = content.get("body"), content.get("formatted_body")
    if not isinstance(body, str):
        return False
    read = _read(formatted) if isinstance(formatted, str) else None
    marked = unquoted(body) != body or (read is not None and bool(read.quotes))
    return marked and words_of(content) != body


def unquoted(body: str) -> str:
    """Return a body without the lines that are quoted in it, each quote with one empty line behind it."""
    lines = body.split("\n")
    kept, quotes = list[str](), False
    for line in lines:
        was, quotes = quotes, _quotes(line, goes_on=quotes)
        if not quotes and (line.strip() or not was):
            kept.append(line)
    return body if len(kept) == len(lines) else "\n".join(kept).strip("\n")


def _all_faces(body: str, quotes: Sequence[str]) -> bool:
    """Whether a client that reads Markdown has taken faces for quotes, and nothing else."""
    marked = [line for line in body.split("\n") if line.lstrip().startswith(">")]
    return bool(quotes) and all(FACE.match(line) for line in (*marked, *(f">{quote}" for quote in quotes)))


def _quotes(line: str, *, goes_on: bool) -> bool:
    """Whether a line is of a quote; behind another one of it, any line that begins with `>` is, but for a face."""
    return QUOTE_LINE.match(line) is not None or (goes_on and line.lstrip().startswith(">") and not FACE.match(line))


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
    words, or when it is too large or too broken to be read. Empty when there are no words but quoted ones.
    """
    read = _read(html)
    return None if read is None else _flat(read)


def _read(html: str) -> _Words | None:
    if len(html) > LONGEST or len(UNCLOSED.findall(html)) > MOST_UNCLOSED:
        return None
    words = _Words()
    try:
        words.feed(html)
        words.close()
    except (AssertionError, ValueError):  # what html.parser raises for a broken declaration
        return None
    return words


def _flat(words: _Words) -> str | None:
    text = "".join(words.parts).strip("\n")
    if not text.strip():
        return "" if words.quotes else None
    return text if words.formatted else None
