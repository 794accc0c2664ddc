"""What three families of clients send for typed Markdown, and what they show of it.

Sources, read in November 2026: Element's `Markdown.ts` and `serialize.ts`; ruma's `parse_markdown`, which Element X and
Fractal send by; nheko's `markdownToHtml`. pulldown-cmark and cmark are the real libraries, behind Python's bindings, and
so is commonmark.js, in Node. Where there is no Node for this machine its place is taken, with a warning, by a port of it to
Python (`commonmark` from PyPI): of over 700 messages of the test that made the same of all but 6.
"""

from __future__ import annotations

import re
import warnings
from html import escape, unescape
from typing import Any, Final

import cmarkgfm
import pyromark
from cmarkgfm.cmark import Options
from commonmark import HtmlRenderer, Parser

from tests.bridge import commonmark_js

TEXT_NODES: Final = frozenset({"text", "softbreak", "linebreak", "paragraph", "document"})
ELEMENT_TAGS: Final = re.compile(r"</?(?:sub|sup|del|s|u|br/?)>")
NHEKO_TAGS: Final = re.compile(
    r"</?(?:font|del|h[1-6]|blockquote|p|a|[uo]l|li|su[bp]|[biu]|strong|em|strike|code|[hb]r|div|table|thead|tbody|t[rhd]|caption"
    r"|pre|span|img|details|summary)\b.*"
)
PYROMARK: Final = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH
TAG: Final = re.compile(r"<!--.*?-->|</?([a-zA-Z][a-zA-Z0-9-]*)((?:\"[^\"]*\"|'[^']*'|[^'\">])*)>", re.DOTALL)
ATTRIBUTE: Final = re.compile(r"([a-z]+)=\"([^\"]*)\"")
LINES: Final = re.compile(r"p|[uo]l|li|pre|h[1-6r]|table|t[rhd]|br|blockquote|div")
UNSAID: Final = frozenset({"blockquote", "del", "s", "strike"})


class _Element(HtmlRenderer):  # type: ignore[misc] # it ships without annotations
    """commonmark.js's renderer as Element changes it."""

    def __init__(self, *, many: bool, plain: bool) -> None:
        super().__init__({"softbreak": "\n" if plain else "<br />"})
        self.many, self.plain = many, plain

    def paragraph(self, node: Any, entering: Any) -> None:
        if self.plain:
            self.lit("\n\n" if self.many and not entering and node.nxt else "")
        elif self.many or node.parent.t == "block_quote":
            super().paragraph(node, entering)

    def html_inline(self, node: Any, entering: Any = None) -> None:
        self.lit(node.literal if self.plain or ELEMENT_TAGS.fullmatch(node.literal) else escape(node.literal))


def element(typed: str) -> str | None:
    """Return the formatted body that Element sends; None where it sends none."""
    if commonmark_js.is_here():
        return commonmark_js.formatted(typed)
    warnings.warn("commonmark.js stepped aside for a port of it: there is no Node here", stacklevel=2)
    return ported(typed)


def ported(typed: str) -> str | None:
    """Return what the port of commonmark.js makes of it."""
    parsed = Parser().parse(typed)
    nodes = [node for node, _ in parsed.walker()]
    html = [node for node in nodes if node.t.startswith("html_") and ELEMENT_TAGS.fullmatch(node.literal)]
    formatted = html or any(node.t not in TEXT_NODES and not node.t.startswith("html_") for node in nodes)
    if not formatted and "\\" not in typed:
        return None
    many = parsed.first_child is not parsed.last_child
    return str(_Element(many=many, plain=not formatted).render(parsed))


def sdk(typed: str) -> str | None:
    """Return the formatted body that clients of the Rust SDK send; None where they send none."""
    # pulldown-cmark's HTML of a soft break is a line feed. ruma makes each a hard one, and a backslash does the same.
    data = typed.encode()
    soft = [span["start"] for event, span in pyromark.events_with_range(typed, options=PYROMARK) if event == "SoftBreak"]
    for at in reversed(soft):
        line_end = data.index(b"\n", at)
        data = data[:line_end] + b"\\" + data[line_end:]
    html = pyromark.html(data.decode(), options=PYROMARK)
    inline = _without_paragraph(html)
    return None if inline is not None and unescape(inline.replace("<br />", "")) == typed else inline or html


def nheko(typed: str) -> str | None:
    """Return the formatted body that nheko sends; None where it sends none."""
    html = cmarkgfm.markdown_to_html(typed, Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_HARDBREAKS)
    html = TAG.sub(lambda tag: tag[0] if NHEKO_TAGS.fullmatch(tag[0].lower()) else escape(tag[0]), html).strip()
    html = _without_paragraph(html) or html
    return None if html == escape(typed) else html


def screen(html: str) -> str:
    """Return what a client shows of a formatted body that one of these made, without what is quoted or struck out.

    Behind the words of a link stands its address, which is how the phone gets it.
    """
    shown, at, unsaid = "", 0, 0
    numbers: list[int | None] = []
    links: list[tuple[str, int]] = []
    for tag in TAG.finditer(html):
        shown += "" if unsaid else unescape(html[at : tag.start()])
        at, name, ends = tag.end(), (tag[1] or "").lower(), tag[0].startswith("</")
        attributes = {key: unescape(value) for key, value in ATTRIBUTE.findall(tag[2] or "")}
        if LINES.fullmatch(name):
            shown += "\n"
        if name in UNSAID:
            unsaid += -1 if ends else 1
        elif name in {"ul", "ol"} and ends:
            numbers.pop()
        elif name in {"ul", "ol"}:
            numbers.append(int(attributes.get("start", "1")) if name == "ol" else None)
        elif name == "li" and not ends and numbers[-1] is not None:
            shown += "" if unsaid else f"{numbers[-1]}. "
            numbers[-1] += 1
        elif name == "a" and ends and links:
            address, start = links.pop()
            shown += "" if unsaid or address.removeprefix("mailto:") == shown[start:] else f" ({address})"
        elif name == "a" and not ends:
            links.append((attributes.get("href", ""), len(shown)))
    return shown + ("" if unsaid else unescape(html[at:]))


def _without_paragraph(html: str) -> str | None:
    """Return HTML without the one paragraph around it; None where it is more, or something else."""
    match = re.fullmatch(r"<p>((?:(?!<p>).)*)</p>\n?", html, re.DOTALL)
    return match and match[1]
