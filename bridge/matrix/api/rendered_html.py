"""Renders a formatted body as a Matrix client does: the words that it shows, and the Markdown that they can come from.

Rules of this module: a list item has the number that clients show. Letters and digits that are separate on the screen are
separate here. Struck-out and quoted text is not among the words. HTML that is ambiguous, or slow to parse, is not read at
all.

Sources: Client-Server API, m.room.message, `org.matrix.custom.html`; https://html.spec.whatwg.org/#the-ol-element and
#the-li-element for the numbers; https://spec.commonmark.org/0.31.2/ for what is typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import unescape
from html.parser import HTMLParser
from typing import Final, TypeAlias
from urllib.parse import unquote

BREAKS: Final = frozenset(
    {"p", "div", "ul", "ol", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr", "caption"}
    | {"hr", "br", "details", "summary", "mx-reply"}
)
CELLS: Final = frozenset({"td", "th"})
LONGEST: Final = 8_192
"""Letters. Python's parser takes seconds for 64 KiB that a person made for it, and the event loop has to wait."""
UNCLOSED: Final = re.compile(r"<[^<>]*(?=<)")
MOST_UNCLOSED: Final = 8
"""Tags that are not closed before the next begins: no client writes any, and each is looked at once for every other."""
BROKEN_OFF: Final = re.compile(r"<[a-zA-Z/!?]")
"""A tag that a browser drops with all that follows when it has no `>`. Python's parser does not."""
STRUCK: Final = frozenset({"del", "s", "strike"})
HIDES: Final = STRUCK | {"mx-reply", "blockquote"}
RAISED: Final = {"sup": "^", "sub": "_"}
"""Put before superscript or subscript digits that follow a digit: 10 to the second is not 102."""
SCHEMES: Final = ("https://", "http://", "mailto:", "tel:", "matrix:")
UPLOADED: Final = "mxc://"
SPOILER: Final = "data-mx-spoiler"
USER_LINK: Final = re.compile(r"matrix\.to/#/(@|%40)|matrix:u/", re.IGNORECASE)
"""A person's address, which clients put behind a mention."""
NUMBER: Final = re.compile(r"\s*[+-]?\d{1,9}(?!\d)")
DEEPEST: Final = 100
MOST_INDENT: Final = 4
MARKUP: Final = re.compile(r"</?(?:b|i|u|s|em|strong|del|strike|sub|sup|code|br|p|div|span|font)\s{0,8}/?>", re.IGNORECASE)
"""HTML that people type for its looks; any other may be words in angle brackets, which some clients drop."""
APART: Final = re.compile(r"[\s|]+")
"""Separators of words, typed and on the screen; `|` in tables."""
MOST_WAYS: Final = 8

Piece: TypeAlias = tuple[str, ...]
"""The forms in which one piece of a message can have been typed; `""` among them: or not at all."""


class Rendered(HTMLParser):
    """A formatted body that was read to its end; made by `render`. `faces`: its quotes are emoticons, like >:( ."""

    def __init__(self, *, faces: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[Piece] = []
        """All shown parts, as they may have been typed. The fallback of a reply is not its writer's, and not among them."""
        self.quotes: list[str] = []
        """The beginning of each quote."""
        self.unsure = False
        """Whether there is content that only some clients show: a picture, whose name is not shown, or words behind a
        spoiler."""
        self._faces = faces
        self._parts: list[str] = []
        self._lists: list[int | None] = []
        """The number of the next item of each open list; None where items have none."""
        self._hidden: list[tuple[str, int]] = []
        """The open tags that hide their content, outermost first, and how many lists were open before."""
        self._struck = False
        self._parts_at_mark = 0
        self._raised = ""
        self._links: list[tuple[str, str, int]] = []
        """Addresses and titles of the open links, and the number of parts before their words."""

    @property
    def words(self) -> str:
        """The shown words, without quoted and struck-out ones; may be empty."""
        text = "".join(self._parts).strip("\n")
        return text if text.strip() else ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag; called by the parser."""
        values = {name: value or "" for name, value in reversed(attrs)}
        self._append_forms(*_separator(tag))
        if tag in BREAKS and self._hidden and STRUCK.issuperset(open_tag for open_tag, _ in self._hidden):
            # Words on both sides of a struck-out line stay separate.
            self._parts += [" "] if self._last().rstrip() == self._last() != "" else []
        if self._faces and tag == "blockquote":
            self._line()
            self._mark(">")
        elif tag in HIDES:
            if tag == "blockquote" and not self._hidden:
                self.quotes.append("")
                if not self._begins_item():
                    self._line()
            self._hidden.append((tag, len(self._lists)))
        elif tag == "a":
            link = (values.get("href", ""), values.get("title", ""), len(self._parts))
            self._links = [*self._links[-DEEPEST:], link]
        elif tag == "br":
            self._append_text("\n")
        elif tag in {"ul", "ol"}:
            if not self._begins_item():
                self._line()
            start = _number(values.get("start", ""))
            self._lists = [*self._lists[-DEEPEST:], (1 if start is None else start) if tag == "ol" else None]
        elif tag == "li":
            self._item(_number(values.get("value", "")))
        elif tag in CELLS and self._parts and not self._last().endswith("\n"):
            self._append_text(" | ")
        elif tag in BREAKS and not self._begins_item():
            self._line(apart=tag == "p" and not self._lists)
        elif tag == "img":
            self._picture(values)
        elif tag == "code":
            self._append_forms(values.get("class", "").removeprefix("language-") + "\n", "")
        elif tag in RAISED:
            self._raised = RAISED[tag]
        # Its writer hid these words, and a phone has nothing to hide them with.
        self.unsure |= SPOILER in values

    def handle_endtag(self, tag: str) -> None:
        """Take the end of a tag; called by the parser."""
        self._append_forms(*_separator(tag))
        if self._faces and tag == "blockquote":
            self._line()
        elif tag in HIDES:
            # Another tag's end does not end a quote; a quote's end ends the lists in it.
            while any(tag == open_tag for open_tag, _ in self._hidden):
                hidden_tag, lists = self._hidden.pop()
                if hidden_tag == "blockquote":
                    del self._lists[lists:]
                if hidden_tag == tag:
                    break
            self._struck = tag in STRUCK
        elif tag == "a" and self._links:
            self._address(*self._links.pop())
        elif tag in {"ul", "ol"}:
            self._lists = self._lists[:-1]
            self._line()
        elif tag in BREAKS:
            self._line()
        elif tag in RAISED:
            self._raised = " "

    def handle_data(self, data: str) -> None:
        """Take words; called by the parser."""
        self._append_forms(data)
        if self.quotes and any(tag == "blockquote" for tag, _ in self._hidden):
            self.quotes[-1] = self.quotes[-1] or data.strip()
        if self._hidden:
            return
        # A line feed after a break, or a list's mark, is HTML's, not the writer's.
        broken = self._begins_item() or self._last().endswith("\n")
        data = data.lstrip("\n") if broken else data
        # So that no two spaces remain in place of struck-out text.
        data = data[1:] if self._struck and data.startswith(" ") and self._last().endswith(" ") else data
        self._struck = False
        if self._raised and data and self._last()[-1:].isdigit() and data[0].isdigit():
            self._append_text(self._raised)
        self._raised = ""
        self._append_text(data)

    def _append_forms(self, *forms: str) -> None:
        if forms and not any(tag == "mx-reply" for tag, _ in self._hidden):
            self.pieces.append(forms)

    def _append_text(self, words: str) -> None:
        self._parts += [words] if words and not self._hidden else []

    def _last(self) -> str:
        return self._parts[-1] if self._parts else ""

    def _item(self, value: int | None) -> None:
        if not self._begins_item():
            self._line()
            self._append_text("  " * min(len(self._lists) - 1, MOST_INDENT))
        number = self._lists[-1] if self._lists else None
        if number is not None:
            number = number if value is None else value
            self._lists[-1] = number + 1
        mark = "- " if number is None else f"{number}. "
        self._append_forms(f"\n{mark}")
        self._mark(mark)

    def _mark(self, mark: str) -> None:
        self._append_text(mark)
        self._parts_at_mark = len(self._parts)

    def _picture(self, values: dict[str, str]) -> None:
        self.unsure |= not values.get("src", "").startswith(UPLOADED)
        self._append_forms(values.get("alt", ""))
        self._attributes(values.get("src", ""), values.get("title", ""))
        self._append_text(values.get("alt", ""))

    def _address(self, href: str, title: str, start: int) -> None:
        """Put a link's address behind its words, unless they say it already, or it is a person and not a page."""
        self._attributes(href, title)
        words = "".join(self._parts[start:]).strip()
        bare = href.partition(":")[2].lstrip("/") if href.startswith(("mailto:", "tel:")) else href
        known = bare.removeprefix("https://").removeprefix("http://").rstrip("/") in words
        if href.startswith(SCHEMES) and not known and USER_LINK.search(href) is None:
            self._append_text(f" ({bare})" if words else bare)

    def _attributes(self, address: str, title: str) -> None:
        """Note what is typed after the words of a link or a picture, `(address "title")`, and not shown.

        Text that is no address, as in `[call me](5550199)`, was not typed as one: it stays unexplained.
        """
        if address.startswith((*SCHEMES, UPLOADED)):
            self._append_forms(address, unquote(address), "")
        if title:
            self._append_forms(f" {title}", "")

    def _begins_item(self) -> bool:
        return 0 < self._parts_at_mark == len(self._parts)

    def _line(self, *, apart: bool = False) -> None:
        if self._parts and not self._last().endswith("\n"):
            self._append_text("\n")
        if apart and self._parts and not "".join(self._parts[-2:]).endswith("\n\n"):
            self._append_text("\n")


def render(html: str, *, faces: bool = False) -> Rendered | None:
    """Return what clients show of a formatted body. None when it is too large or too broken to be read.

    `faces`: none of its quotes is one, for the client took faces like >:( for quotes; they are among the words.
    """
    if len(html) > LONGEST or len(UNCLOSED.findall(html)) > MOST_UNCLOSED:
        return None
    if BROKEN_OFF.search(html, html.rfind(">") + 1) is not None:
        return None
    rendered = Rendered(faces=faces)
    try:
        rendered.feed(html)
        rendered.close()
    except (AssertionError, ValueError):  # what html.parser raises for a broken declaration
        return None
    return rendered


def comes_from(body: str, pieces: Sequence[Piece]) -> bool:
    """Whether the shown text has exactly the letters and digits of the body, in its order and with its separations.

    Known marks of Markdown are allowed for: character references, addresses and titles of links, the language of a code
    block, plain HTML tags. Any other loss, addition or change between the two makes it False.
    """
    bare = MARKUP.sub(lambda tag: "\n" if "br" in tag[0].lower() else "", body)
    typed = dict.fromkeys(map(_alphanumerics, (body, unescape(body), bare, unescape(bare))))
    return any(_fits(form, pieces) for form in typed)


def _separator(tag: str) -> Iterable[str]:
    return ("\n",) if tag in BREAKS else ("|",) if tag in CELLS else ()


def _number(value: str) -> int | None:
    """Read a whole number as browsers do: what follows it does not count."""
    match = NUMBER.match(value)
    return int(match[0]) if match else None


def _alphanumerics(words: str) -> str:
    """Return letters and digits alone, with one space in place of other characters between them."""
    parts = ("".join(filter(str.isalnum, word)) for word in APART.split(words))
    return " ".join(word for word in parts if word)


def _fits(typed: str, pieces: Sequence[Piece]) -> bool:
    """Whether each piece has a form so that all forms together are the typed text."""
    ways = {(0, False)}
    for forms in pieces:
        ways = {after for way in ways for form in forms if (after := _follow(typed, way, form)) is not None}
        if not ways or len(ways) > MOST_WAYS:
            return False
    return any(at == len(typed) for at, _ in ways)


def _follow(typed: str, way: tuple[int, bool], form: str) -> tuple[int, bool] | None:
    """Return the position in the typed text after this form, and whether a space is due; None when they differ."""
    at, due = way
    for letter in form:
        if letter.isspace() or letter == "|":
            due = at > 0
        elif letter.isalnum():
            letter_at = at + due
            if typed[at:letter_at].strip() or typed[letter_at : letter_at + 1] != letter:
                return None
            at, due = letter_at + 1, False
    return at, due
