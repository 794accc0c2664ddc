"""What a client made of a person's words comes off again, and nothing of the words with it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.plain import LONGEST, flatten, names_somebody


@pytest.mark.parametrize(
    ("html", "plain"),
    [
        ("<strong>now</strong> please", "now please"),
        ("a <em>b</em><br />\nc", "a b\nc"),
        ("<p>one</p>\n<p><b>two</b></p>", "one\n\ntwo"),
        ("<p><b>one</b></p><p>two<br>three</p>\n<p>four</p>", "one\n\ntwo\nthree\n\nfour"),
        ("<ul><li><p>x</p></li><li><p>y</p></li></ul>", "- x\n- y"),
        ("come <del>tomorrow</del> today", "come today"),
        ("<s>no</s> yes", " yes"),
        ("a<strike> <b>b</b></strike> c", "a c"),
        ("<ul>\n<li>x</li>\n<li>y</li>\n</ul>", "- x\n- y"),
        ("<ol><li>x</li><li>y</li></ol>after", "1. x\n2. y\nafter"),
        ("<mx-reply><blockquote>her <b>words</b></blockquote></mx-reply>my <i>words</i>", "my words"),
        ("1 &lt; <code>2</code> &amp; 3", "1 < 2 & 3"),
        ('see <a href="https://example.org/a">our page</a>.', "see our page (https://example.org/a)."),
        ('<a href="https://example.org/">example.org</a>', "example.org"),
        ('<a href="https://example.org/a">https://example.org/a</a>', "https://example.org/a"),
        ('<a href="mailto:help@example.org">write</a> or <a href="tel:911">911</a>', "write (help@example.org) or 911"),
        ('!with <a href="https://matrix.to/#/@ben:h">Ben</a> interpreter', "!with Ben interpreter"),
        ('<a href="https://matrix.to/#/!room:h">here</a>', "here (https://matrix.to/#/!room:h)"),
        ('<a href="javascript:x">x</a>', "x"),
        ("<a>x</a></a>", "x"),
    ],
)
def test_formatting_comes_off(html: str, plain: str) -> None:
    """Bold, lists and links become words and lines that read well on a phone; quoted words of others are left out."""
    assert flatten(html) == plain


@pytest.mark.parametrize("html", ["plain", "<p>line one<br />\nline two</p>", "<b></b>", "", "<b>x</b>" * 20_000])
def test_nothing_to_flatten(html: str) -> None:
    """Without formatting the plain body stands, letter for letter; so it does when the HTML is empty or endless."""
    assert flatten(html) is None


@given(st.text(max_size=200))
def test_any_text_is_survived(html: str) -> None:
    """Whatever stands in a formatted body, reading it raises nothing and invents no words."""
    words = flatten(html)
    assert words is None or words.strip()


@pytest.mark.parametrize("piece", ["<a ", "<a\t", '<a b="', "<!--", "</", "<a a=a a=a ", "<", "<b>"])
@pytest.mark.parametrize("length", [LONGEST, 60_000])
def test_nobody_stops_the_line_with_a_message(piece: str, length: int) -> None:
    """What is made to be slow to read is not read, or is read at once: every other text would wait for it."""
    html = (piece * length)[:length]
    began = time.process_time()
    flatten(html)
    assert time.process_time() - began < 0.5


PILL = '<a href="https://matrix.to/#/@ben:h">Ben</a>'


@pytest.mark.parametrize(
    ("html", "named"),
    [
        ("", False),
        (PILL, True),
        (f"<mx-reply>{PILL}</mx-reply>hello", False),
        (f"<mx-reply>{PILL}</mx-reply>hello {PILL}", True),
        (f"{PILL}<mx-reply>x</mx-reply>", True),
        (f"<mx-reply>x</mx-reply>y<mx-reply>{PILL}</mx-reply>z", False),
        (f"<mx-reply>x</mx-reply>{PILL}<mx-reply>y</mx-reply>", True),
        (f"<mx-reply>{PILL}", True),
        (f"</mx-reply><mx-reply>{PILL}</mx-reply>", False),
    ],
)
def test_who_is_named_in_the_message_itself(html: str, named: bool) -> None:
    """Somebody's address calls them, except in the message that is answered; a quote without an end is no quote."""
    assert names_somebody(html) is named


class Watched(str):
    """A body that counts how often it is searched."""

    __slots__ = ("searches",)

    def __init__(self, _body: str) -> None:
        self.searches = 0

    def find(self, *args: Any) -> int:
        self.searches += 1
        return super().find(*args)


def test_quotes_without_an_end_are_looked_at_once() -> None:
    """However many quotes are begun, it is looked once for the first and once for its end, and then no more."""
    html = Watched("<mx-reply>" * 6_000)
    assert not names_somebody(html)
    assert html.searches == 2
