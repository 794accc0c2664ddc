"""Converts a message of a person to the plain words that a phone gets.

Rules of this module: the words that leave look as the sender's client shows them. If those differ from the typed text
only in the mark of a list item, the typed text leaves; otherwise the shown text, with a link's address behind its words.
Struck-out text is left out. Quotes are left out, however the client shows them: earlier words must not return to a phone
that others may look at (practice 36). If a letter or a digit is lost, added or changed between the typed and the shown
text, and no known mark explains it, the two differ, and a person has to say which is right.

Sources: Client-Server API, m.room.message, `org.matrix.custom.html`; v1.12 of it, "Fallbacks for rich replies";
https://spec.commonmark.org/0.31.2/#block-quotes, which is what clients make of lines that begin with `>`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bot.model.actions import EditMessage, SendMessage
from bridge.matrix.api.rendered_html import USER_LINK, Rendered, comes_from, render

COMMAND: Final = re.compile(r"(?<!\w)![a-z]+(?:-[a-z]+)*")
LOUD: Final = re.compile(r"⚠️|[A-Z]{4,}\b")
"""Beginnings of a line about a stop or a danger for a phone."""


def message_content(post: SendMessage) -> dict[str, Any]:
    """Return the content of a message (Client-Server API, m.room.message), always with mentions."""
    content: dict[str, Any] = {
        "msgtype": "m.notice" if post.notice else "m.text",
        "body": post.body,
        **(_html_fields(post.body) if post.formatted else {}),
        "m.mentions": {"user_ids": list(post.mentions)} if post.mentions else {},
    }
    if post.reply_to:
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": post.reply_to}}
    return content


def edit_content(edit: EditMessage, target: str) -> dict[str, Any]:
    """Return the content of an edit (Client-Server API, event replacements).

    Only the new content has a formatted body: with one in the fallback too, a full board would be too long for an event.
    """
    new = {"msgtype": "m.notice", "body": edit.body, "m.mentions": {}}
    return {
        "msgtype": "m.notice",
        "body": f"* {edit.body}",
        "m.mentions": {},
        "m.new_content": new | (_html_fields(edit.body) if edit.formatted else {}),
        "m.relates_to": {"rel_type": "m.replace", "event_id": target},
    }


def _html_fields(body: str) -> dict[str, str]:
    """Return the body as HTML: line by line, alarms and headings in bold, commands as code."""
    return {"format": "org.matrix.custom.html", "formatted_body": "<br>".join(map(_line, body.split("\n")))}


def _line(line: str) -> str:
    command, dash, what = line.partition(" — ")
    if dash and not COMMAND.match(command):
        return f"<strong>{_codes(command)}</strong>{dash}{_codes(what)}"
    return f"<strong>{_codes(line)}</strong>" if LOUD.match(line) or line.endswith(":") else _codes(line)


def _codes(words: str) -> str:
    """Escape words, and set commands among them apart."""
    return COMMAND.sub(r"<code>\g<0></code>", html.escape(words, quote=False))


QUOTE_LINE: Final = re.compile(r"\s*>+(?:\s|$)")
"""A line that begins a quote. Without a space it may be a face, or an arrow, and is a person's own."""
EMOTICON: Final = re.compile(r"\s*>(?:[:;=]\S{1,3}|[._-]{1,3}[<>])(?:\s|$)")
"""Emoticons that a Markdown client takes for a quote: >:( and >_<."""
BLOCKQUOTE: Final = "<blockquote"
REPLY_TAGS: Final = ("<mx-reply>", "</mx-reply>")
ITEM: Final = re.compile(r"(?:[-*+•]|(\d{1,9})[.)])\s+")
"""The mark of a list item, and its number."""
COMMAND_MARKS: Final = ("!", "\u00a1", "\uff01", "\U0001f6d1")
"""The beginnings of a command; one is the emoji that can only stop."""
LONGEST_COMMAND: Final = 40
"""Characters that are read of a message that is not accepted: enough for a command's name."""
SPACES: Final = dict.fromkeys((0xA0, 0x202F), " ")
"""Non-breaking spaces."""
INVISIBLE: Final = re.compile(
    "(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|[\u00ad\u180e\u200b\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that nobody sees, which come with what people paste: a soft hyphen, a space without width, a tag. In a flag
(group 1) tags are seen, and so are the joiners of emoji and of Persian, which are not among them."""
DIRECTIONS: Final = dict.fromkeys((0x200E, 0x202A, 0x202C, 0x202D, 0x2066, 0x2068, 0x2069))
"""Marks of direction from left to right, which come with numbers of a phone's contacts."""
FROM_RIGHT: Final = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
"""Classes of characters beside which a mark of direction may mean something (Unicode Standard Annex 9)."""
MXC_URI: Final = re.compile(r"mxc://(?P<server>[^/\x00]{1,230})/[A-Za-z0-9_-]{8,255}")
"""The address of an upload; `server`: the homeserver that has it."""

UPLOAD_KEYS: Final = frozenset({"url", "thumbnail_url", "og:image"})
"""The keys of an upload's address, at any depth: of a file and its thumbnail, also in an edit or an item of a gallery
(MSC4274), and of the picture in a link's preview (MSC4095)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A message in plain words.

    `words`: empty when all of it is quoted, or when it is unclear which part is. `quotes`: a quote is left out; a reply's
    fallback counts, too. `differs`: they are not the typed words, and no known mark explains it.
    """

    words: str = field(repr=False)
    quotes: bool = False
    differs: bool = False


def read(content: Mapping[str, Any]) -> Plain | None:
    """Return the words of a message; None when it has no body."""
    body, formatted = content.get("body"), content.get("formatted_body")
    if not isinstance(body, str):
        return None
    own = without_quotes(body)
    if content.get("format") != "org.matrix.custom.html" or not isinstance(formatted, str):
        return Plain(words=_compose(own), quotes=own != body)
    shown = render(formatted)
    if shown is None:
        untold = own == body and BLOCKQUOTE in formatted.lower()
        return Plain(words="" if untold else _compose(own), quotes=untold or own != body, differs=True)
    if _only_emoticons(body, shown.quotes):
        shown = render(formatted, faces=True) or shown
    differs = shown.unsure or not comes_from(_answer(body) if REPLY_TAGS[0] in formatted else body, shown.pieces)
    words = _words(own, shown, differs=differs)
    quotes = words != body and (own != body or bool(shown.quotes))
    return Plain(words=_compose(words), quotes=quotes, differs=differs)


def plain_text(content: Mapping[str, Any]) -> str | None:
    """Return the words of a message without quotes and without marks of formatting; None when it has no body."""
    plain = read(content)
    return None if plain is None else plain.words


def without_quotes(body: str) -> str:
    """Return a body without the lines that are quoted in it, each quote with one empty line behind it."""
    lines = body.split("\n")
    own_lines, quotes = list[str](), False
    for line in lines:
        was, quotes = quotes, _is_quoted(line, goes_on=quotes)
        if not quotes and (line.strip() or not was):
            own_lines.append(line)
    return body if len(own_lines) == len(lines) else "\n".join(own_lines).strip("\n")


def mentions_user(html: str) -> bool:
    """Whether a formatted body has a person's address outside of the message that it answers.

    Linear time, also with many unclosed quotes: every text waits while this is read.
    """
    pieces, at = list[str](), 0
    while (start := html.find(REPLY_TAGS[0], at)) >= 0 and (end := html.find(REPLY_TAGS[1], start)) >= 0:
        pieces.append(html[at:start])
        at = end + len(REPLY_TAGS[1])
    return USER_LINK.search("".join([*pieces, html[at:]])) is not None


def command_in(content: Mapping[str, Any]) -> str:
    """Return the beginning of a message that looks like a command; empty for any other. Only what stops may act on it."""
    body = content.get("body")
    looks_so = isinstance(body, str) and body.strip().startswith(COMMAND_MARKS)
    return str(body).strip()[:LONGEST_COMMAND] if looks_so else ""


def tap_in(content: Mapping[str, Any]) -> str:
    """Return the key of a reaction, an emoji; empty for any other event. Only a stop command may use it.

    Source: https://spec.matrix.org/latest/client-server-api/#event-annotations-and-reactions
    """
    relation = content.get("m.relates_to")
    key = relation.get("key") if isinstance(relation, Mapping) else None
    return key[:LONGEST_COMMAND] if isinstance(key, str) else ""


def uploads_in(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses of the uploads that a message links: they are deleted with it (facts-matrix.md, "Rooms")."""
    links, parts = list[str](), list[Any]([content])
    while parts:
        match parts.pop():
            case Mapping() as part:
                links += [value for key, value in part.items() if key in UPLOAD_KEYS and isinstance(value, str)]
                parts += reversed([*part.values()])
            case list() as items:
                parts += reversed(items)
    return tuple(dict.fromkeys(link for link in links if MXC_URI.fullmatch(link)))


def _words(own: str, shown: Rendered, *, differs: bool) -> str:
    """Return what leaves of a message that was read."""
    words = without_quotes(shown.words)
    if not words.strip():
        return own if differs and not shown.quotes and not shown.words else ""
    return own if _lines_without_marks(own) == _lines_without_marks(words) else words


def _compose(words: str) -> str:
    """Return words that look the same, with ordinary spaces, letters that need no mark of their own, and nothing invisible.

    Editors put non-breaking spaces in place of others. One such character halves what a segment holds, and not every
    handset shows it, or puts a mark on its letter; some show a box for an invisible one.
    """
    if words.isascii():
        return words
    words = INVISIBLE.sub(lambda match: match[1] or "", words.translate(SPACES))
    if FROM_RIGHT.isdisjoint(map(unicodedata.bidirectional, words)):
        words = words.translate(DIRECTIONS)
    return unicodedata.normalize("NFC", words)


def _lines_without_marks(words: str) -> list[str]:
    """Return the lines of a message without what may differ between two clients' marks for the same list."""
    lines = [ITEM.sub(lambda mark: f"{mark[1] or '-'} ", line.strip(), count=1) for line in words.split("\n")]
    return [" ".join(line.split()) for line in lines if line]


def _answer(body: str) -> str:
    """Return the body of a reply without the message that it answers, which clients put before it."""
    lines = body.split("\n")
    begins = next((n for n, line in enumerate(lines) if not line.startswith(">")), len(lines))
    return "\n".join(lines[begins:])


def _only_emoticons(body: str, quotes: Sequence[str]) -> bool:
    """Whether a Markdown client has taken only emoticons for quotes."""
    marked = [line for line in body.split("\n") if line.lstrip().startswith(">")]
    return bool(quotes) and all(EMOTICON.match(line) for line in (*marked, *(f">{quote}" for quote in quotes)))


def _is_quoted(line: str, *, goes_on: bool) -> bool:
    """Whether a line belongs to a quote; after another line of it, any line that begins with `>` does, but an emoticon."""
    return QUOTE_LINE.match(line) is not None or (goes_on and line.lstrip().startswith(">") and not EMOTICON.match(line))
