"""What a client made of a person's words comes off again, and nothing of the words with it."""

from __future__ import annotations

import time
from html import escape, unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.matrix.api.message_body import Plain, command_in, mentions_user, plain_text, read, uploads_in, without_quotes
from bridge.matrix.api.rendered_html import LONGEST, render
from tests.every_row import every_row


def html(body: str, formatted: str) -> dict[str, str]:
    return {"body": body, "format": "org.matrix.custom.html", "formatted_body": formatted}


def said(body: str, formatted: str) -> Plain:
    plain = read(html(body, formatted))
    assert plain is not None
    return plain


def shown(formatted: str) -> str:
    rendered = render(formatted)
    assert rendered is not None
    return rendered.words


@every_row(
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
        ("<del>a <em>b</del> c</em> d", " c d"),
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
    assert shown(html) == plain


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_survived(body: str, formatted: str) -> None:
    """Whatever stands in a formatted body, reading it raises nothing, and invents no words that leave unasked."""
    plain = said(body, formatted)
    letters = [letter for letter in plain.words if letter.isalnum()]
    assert plain.differs or set(letters) <= set(unescape(body))


@every_row("piece", ["<a ", "<a\t", '<a b="', "<!--", "</", "<a a=a a=a ", "<", "<b>"])
@every_row("length", [LONGEST, 60_000])
def test_nobody_stops_the_line_with_a_message(piece: str, length: int) -> None:
    """What is made to be slow to read is not read, or is read at once: every other text would wait for it."""
    began = time.process_time()
    said(piece * 400, (piece * length)[:length])
    assert time.process_time() - began < 5


PILL = '<a href="https://matrix.to/#/@ben:h">Ben</a>'


@every_row(
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
    """A person's address calls them, except in the message that is answered; a quote without an end is no quote."""
    assert mentions_user(html) is named


HIS = "<blockquote>\n<p>he said he will kill me</p>\n</blockquote>\n"


@pytest.mark.practice(36)
@every_row(
    ("formatted", "remainder"),
    [
        (f"{HIS}<p>Are you safe right now?</p>\n", "Are you safe right now?"),
        (f"<p>one</p>{HIS}<p>two</p>", "one\n\ntwo"),
        (f"one{HIS}two", "one\ntwo"),
        (f"<blockquote>a{HIS}b</blockquote><b>mine</b>", "mine"),
        (f"<ul><li>{HIS}x</li></ul>", "- x"),
        ("<BLOCKQUOTE>his</BLOCKQUOTE>mine", "mine"),
        (
            '<blockquote><ul><li>his</li></ul><img alt="him"><a href="https://him.example">x</a><br></blockquote>mine',
            "mine",
        ),
        ("<blockquote></s></del></mx-reply>his</blockquote>mine", "mine"),
        ("<blockquote><s>his</blockquote>mine", "mine"),
        ("<s><blockquote>his</s>mine", "mine"),
        ("mine<blockquote>his", "mine"),
        ("<b>mine</b><br>&gt; his<br>&gt; words<br>mine too", "mine\nmine too"),
        (HIS, ""),
        ("<blockquote><p>&gt; his</p></blockquote>", ""),
    ],
)
def test_no_quote_is_among_the_words(formatted: str, remainder: str) -> None:
    """Earlier words never go back onto a phone, whatever is around them; where nothing else is said, nothing is."""
    assert plain_text(html("> he said he will kill me\n\nmine", formatted)) == remainder


@pytest.mark.practice(36)
@every_row(
    ("body", "remainder"),
    [
        ("> he said\n> and so\n\nAre you safe?", "Are you safe?"),
        ("> he said\nAre you safe?", "Are you safe?"),
        ("one\n\n> he said\n\ntwo", "one\n\ntwo"),
        ("one\n> he said\n>and so\n>\n>> or so\ntwo", "one\ntwo"),
        ("one\n  > he said\n\t> and so", "one"),
        (">\u00a0he said", ""),
        ("> > he said\n>> and so\n>", ""),
        ("> he said\n\n", ""),
        ("> he said\n>:( you must be angry", ">:( you must be angry"),
        (">:( I am so sorry", ">:( I am so sorry"),
        ("oh\n>_<\n\n", "oh\n>_<\n\n"),
        (">>look", ">>look"),
        ("a > b", "a > b"),
        ("-> there\n\n\nhere", "-> there\n\n\nhere"),
        ("", ""),
    ],
)
def test_no_quoted_line_is_among_the_words(body: str, remainder: str) -> None:
    """Lines that begin with `>` and a space come off, and what goes on behind them; faces and arrows stay."""
    assert without_quotes(body) == remainder
    assert plain_text({"body": body}) == remainder
    assert plain_text(html(body, escape(body))) == remainder


@pytest.mark.practice(36)
@pytest.mark.parametrize("formatted", ["<p>" + "x" * LONGEST + HIS, "<x " * 9 + HIS])
def test_a_quote_in_what_cannot_be_read(formatted: str) -> None:
    """Where nobody can tell what is quoted, what the plain body marks comes off; if it marks nothing, nothing is said."""
    assert plain_text(html("> he said\n\nmine", formatted)) == "mine"
    assert plain_text(html("he said\n\nmine", formatted)) == ""
    assert plain_text(html("he said\n\nmine", formatted.replace("blockquote", "p"))) == "he said\n\nmine"


@every_row(
    ("body", "html", "there"),
    [
        ("> her words\n\nmine", None, True),
        ("mine", None, False),
        (">:( mine", None, False),
        ("her words\nmine", "<blockquote>her words</blockquote>mine", True),
        ("mine", "<b>mine</b>", False),
        (">:( no", "<blockquote>:( no</blockquote>", False),
        ("> help\nyes we can", "<blockquote>\n<p>help<br />yes we can</p>\n</blockquote>", True),
        ("her words", "<x " * 9 + "<blockquote>her words</blockquote>", True),
    ],
)
def test_it_is_known_when_something_was_left_out(body: str, html: str | None, there: bool) -> None:
    """So that its author hears of it; a face that a client took for a quote is no such thing."""
    content = {"body": body} | ({"format": "org.matrix.custom.html", "formatted_body": html} if html else {})
    plain = read(content)
    assert plain is not None
    assert plain.quotes is there


@every_row(
    ("body", "formatted", "remainder"),
    [
        ("24. December, 6 pm", '<ol start="24">\n<li>December, 6 pm</li>\n</ol>\n', "24. December, 6 pm"),
        ("2) the blue door", '<ol start="2">\n<li>the blue door</li>\n</ol>', "2) the blue door"),
        ("2) the **blue** door", '<ol start="2"><li>the <strong>blue</strong> door</li></ol>', "2. the blue door"),
        ("3. first\n4. second", '<ol start="3">\n<li>first</li>\n<li>second</li>\n</ol>', "3. first\n4. second"),
        (
            "5. a\n\nb\n\n7. **c**",
            '<ol start="5"><li>a</li></ol><p>b</p><ol start="7"><li><b>c</b></li></ol>',
            "5. a\n\nb\n7. c",
        ),
        ("9. a\n4. b", '<ol start="9"><li>a</li><li value="4">b</li></ol>', "9. a\n4. b"),
        ("0. a\n1. *b*", '<ol start="0"><li>a</li><li><em>b</em></li></ol>', "0. a\n1. b"),
        ("* a\n* b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>", "* a\n* b"),
        (
            "1. a\n   7. *b*\n      - c\n2. d",
            '<ol>\n<li>a\n<ol start="7">\n<li><em>b</em>\n<ul>\n<li>c</li>\n</ul>\n</li>\n</ol>\n</li>\n<li>d</li>\n</ol>',
            "1. a\n  7. b\n    - c\n2. d",
        ),
        (r"\*\*not bold\*\* C:\\temp", r"**not bold** C:\temp", r"**not bold** C:\temp"),
        (r"1986\. A year", "1986. A year", "1986. A year"),
        ("a &amp; b&nbsp;c", "a &amp; b\u00a0c", "a & b c"),
        ("&#50;4 *now*", "24 <em>now</em>", "24 now"),
        ("one\ntwo  \nthree", "one<br />two<br />\nthree", "one\ntwo  \nthree"),
        ("one\n\n**two**", "<p>one</p>\n<p><strong>two</strong></p>\n", "one\n\ntwo"),
        ("a<br>b", "a<br>b", "a\nb"),
        ("```py\nrun 5\n\n  6\n```", '<pre><code class="language-py">run 5\n\n  6\n</code></pre>', "run 5\n\n  6"),
        (
            "|a|b|\n|-|-|\n|1|2|",
            "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
            "a | b\n1 | 2",
        ),
        ("10<sup>2</sup>5 H<sub>2</sub>O", "10<sup>2</sup>5 H<sub>2</sub>O", "10^2 5 H2O"),
        ("a\n\n***\n\n2", "<p>a</p>\n<hr />\n<p>2</p>", "a\n\n2"),
        (
            '[us](https://x.y/a%20b "t") <https://z.w>',
            '<a href="https://x.y/a%20b" title="t">us</a> <a href="https://z.w">https://z.w</a>',
            "us (https://x.y/a%20b) https://z.w",
        ),
        (":heart: hi", '<img src="mxc://x/y" alt=":heart:" title=":heart:"> hi', ":heart: hi"),
        ("come ~~tomorrow~~ today", "come <del>tomorrow</del> today", "come today"),
        ("5~~x\ny~~6", "5<del>x<br />y</del>6", "5 6"),
        ("~~no~~", "<del>no</del>", ""),
        (
            "> <@a:x> her words\n\n*mine*",
            "<mx-reply><blockquote>In reply to a<br>her words</blockquote></mx-reply><em>mine</em>",
            "mine",
        ),
    ],
)
def test_what_is_shown_is_what_leaves(body: str, formatted: str, remainder: str) -> None:
    """Numbers of lists, escapes, entities and breaks leave as the client shows them; a list's own mark, as it was typed."""
    plain = said(body, formatted)
    assert (plain.words, plain.differs) == (remainder, False)


@every_row(
    ("body", "formatted", "remainder"),
    [
        ("3. first\n5. second", '<ol start="3">\n<li>first</li>\n<li>second</li>\n</ol>', "3. first\n4. second"),
        ("09. May", '<ol start="9">\n<li>May</li>\n</ol>', "9. May"),
        ("24. December", "<ol>\n<li>December</li>\n</ol>", "1. December"),
        ("1. 12\n\n   34", "<ol>\n<li>1234</li>\n</ol>", "1. 1234"),
        ("meet <at Main Street> 5", "meet  5", "meet  5"),
        ("one", "two", "two"),
        ("one two", "one", "one"),
        ("one", "one two", "one two"),
        ("one two", "two one", "two one"),
        ("one", "<b></b>", "one"),
        ("[call me](5550199)", '<a href="5550199">call me</a>', "call me"),
        ("[7]: https://x.y", "", "[7]: https://x.y"),
        ("one", "one <b two", "one"),
        ("one", "<x " * 9, "one"),
        ("x" * LONGEST + " y", "<b>" + "x" * LONGEST + "</b> y", "x" * LONGEST + " y"),
        ("![the door](https://x.y/z)", '<img src="https://x.y/z" alt="the door">', "the door"),
        ("[a]: https://x.y\n\nb", "<p>b</p>", "b"),
        ("he knows", "<span data-mx-spoiler>he knows</span>", "he knows"),
        ("he ||knows||", 'he <span data-mx-spoiler="plan">knows</span>', "he knows"),
    ],
)
def test_what_cannot_be_matched_is_known_to_differ(body: str, formatted: str, remainder: str) -> None:
    """A letter or a digit that is lost, added, joined or changed between what was typed and what is shown is noticed."""
    assert said(body, formatted) == Plain(words=remainder, differs=True)


@pytest.mark.parametrize(
    ("body", "handed_on"),
    [
        ("!unsafe", "!unsafe"),
        (" \U0001f6d1", "\U0001f6d1"),
        ("\u00a1unsafe", "\u00a1unsafe"),
        ("he is here", ""),
        (None, ""),
    ],
)
def test_what_may_stop_a_phone_is_handed_on_from_any_device(body: str | None, handed_on: str) -> None:
    """Of a message that is not taken, what looks like a command goes on, and the picture that stops; nothing else."""
    assert command_in({"body": body}) == handed_on


@every_row(
    ("content", "words"),
    [
        ({"body": "are\u00a0you  ok?"}, "are you  ok?"),
        ({"body": "\u00bfpuede hablar ahora\u202f?"}, "\u00bfpuede hablar ahora ?"),
        (html("**yes** please", "<strong>yes</strong>&nbsp;please"), "yes please"),
        ({"body": "man\u0303ana, se\u0301"}, "ma\u00f1ana, s\u00e9"),
        # Invisible marks: of a web page, of a contact's number, of a word processor, of an assistant's answer.
        ({"body": "call\u200b us\ufeff, shel\u00adter\u2060"}, "call us, shelter"),
        ({"body": "\u202a+1 555 555 0123\u202c or \u2068555\u2069\u200e"}, "+1 555 555 0123 or 555"),
        ({"body": "ok" + "".join(chr(0xE0000 + ord(c)) for c in "ana is here")}, "ok"),
        (html("**yes**\u200b", "<strong>yes</strong>&#8203;"), "yes"),
        # They mean something: joined emoji, a flag, letters of Persian, words from right to left, and a forced direction.
        ({"body": "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f \u0645\u06cc\u200c\u0622"}, None),
        ({"body": "\u200f\u0634\u0643\u0631\u0627! \u2067\u0646\u0639\u0645\u2069"}, None),
        ({"body": "\u202edesrever\u202c"}, None),
        (html("man\u0303ana", "<b>man\u0303ana</b>"), "ma\u00f1ana"),
        ({"body": "\u062a\u0648\u0642\u0641 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f"}, None),
    ],
)
def test_what_looks_the_same_leaves_in_its_shortest_form(content: dict[str, str], words: str | None) -> None:
    """A space that an editor made, or an accent apart from its letter, does not halve what a segment holds."""
    assert read(content) == Plain(words=content["body"] if words is None else words)


FILE, PREVIEW = "mxc://quietline.localhost/theFile1", "mxc://quietline.localhost/thePreview"


@every_row(
    "content",
    [
        {"msgtype": "m.image", "url": FILE, "info": {"thumbnail_url": PREVIEW}},
        {"msgtype": "m.image", "file": {"url": FILE}, "info": {"thumbnail_file": {"url": PREVIEW}}},
        {"m.new_content": {"msgtype": "m.image", "file": {"url": FILE}, "info": {"thumbnail_url": PREVIEW}}},
        {"msgtype": "m.audio", "org.matrix.msc1767.file": {"url": FILE}, "org.matrix.msc1767.audio": {"url": PREVIEW}},
        {
            "msgtype": "dm.filament.gallery",
            "itemtypes": [
                {"itemtype": "m.image", "file": {"url": FILE}},
                {"itemtype": "m.file", "url": PREVIEW, "info": {"thumbnail_file": {"url": FILE}}},
            ],
        },
        {
            "msgtype": "m.text",
            "com.beeper.linkpreviews": [
                {"og:image": FILE, "matched_url": "https://example.org"},
                {"og:image": "https://example.org/x.png", "beeper:image:encryption": {"url": PREVIEW}},
            ],
        },
    ],
)
def test_each_upload_that_a_message_links_is_found(content: dict[str, Any]) -> None:
    """In whatever form a client links them: what is not found stays with the homeserver when the message is deleted."""
    assert uploads_in(content) == (FILE, PREVIEW)


def test_words_and_faces_are_no_upload() -> None:
    """Addresses among words, of a person's picture, or malformed, are left alone; no depth of nesting stops the line."""
    nested: Any = {"url": FILE}
    for _ in range(20_000):
        nested = {"x": [nested]}
    profile = {"avatar_url": PREVIEW}
    assert uploads_in({"body": PREVIEW, "url": 1, "com.beeper.per_message_profile": profile, "x": nested}) == (FILE,)
    assert uploads_in({"body": FILE, "avatar_url": FILE, "url": "mxc://x", "info": [FILE, None]}) == ()
