"""What a client made of a person's words comes off again, and nothing of the words with it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.plain import LONGEST, flatten


@pytest.mark.parametrize(
    ("html", "plain"),
    [
        ("<strong>now</strong> please", "now please"),
        ("a <em>b</em><br />\nc", "a b\nc"),
        ("<p>one</p>\n<p><b>two</b></p>", "one\ntwo"),
        ("<ul>\n<li>x</li>\n<li>y</li>\n</ul>", "- x\n- y"),
        ("<ol><li>x</li><li>y</li></ol>after", "1. x\n2. y\nafter"),
        ("<mx-reply><blockquote>her <b>words</b></blockquote></mx-reply>my <i>words</i>", "my words"),
        ("1 &lt; <code>2</code> &amp; 3", "1 < 2 & 3"),
        ('<a href="https://example.org">our page</a>', "our page"),
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
