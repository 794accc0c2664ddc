"""What is shown is what is sent, over Markdown that three families of clients make into formatted bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.matrix.api.message_body import Plain, read
from tests.bot.hypothesis_settings import COMMON, EXPLORES
from tests.bridge.clients import element, nheko, screen, sdk
from tests.every_row import every_row

Client = Callable[[str], str | None]
CLIENTS: Final[tuple[Client, ...]] = (element, sdk, nheko)
EFFORT: Final = settings(COMMON, max_examples=5_000 if EXPLORES else 150)

WORDS: Final = (
    *("December, 6 pm", "the blue door", "call 911", "at 18:30 or 6.15", "24.12.2026", "12 Oak Street, Apt. 4", "room 5"),
    *("+1 (555) 010-0199", "555_010_0199", "4*5*6 and 4 * 5", "#12", "3 - 2 = 1", "50 % or $20", "AT&T", "5 < 6 > 3", "<3"),
    *("¿Estás a salvo? El 3.º piso", "Sí, señora: a las 6", "mañana 7/8", "¡ya!", "Straße 9", "один 1", "٣ أيام", "二 2"),
    *("a**b**c", "1*2*3 _4_", "**1**2", "__init__5", "snake_case_6", "*so* **very *much* 7**", "~~5~~ 6", "5 ~6~ 7"),
    *("`5 * 6`", "``a`b``7", "a`1`2", r"\*\*5\*\*", r"C:\\temp\\7", r"\# 5 \_6\_", r"\[7](8)", "7\\"),
)
"""What stands in a line: dates, times, streets, numbers, both languages, emphasis within words, code, escapes."""
MARKUP: Final = (
    *("a &amp; 5", "5&nbsp;6", "&#50;4", "&lt;3&gt; 4", "&copy2024", "&frac12; 3", r"\&amp; 5", "`&amp;` & &amp;"),
    *("<https://example.org/7>", "https://example.org/a_b_9", "<a5@example.org>", "[our page](https://example.org/9 't8')"),
    *("[our *page*](https://example.org/9)", "![map 5](https://example.org/5)", "[6]", "[7]: https://example.org"),
    *(
        "<at Main Street>",
        "<b>9</b>",
        "<u>4</u>",
        "5<br>6",
        "<!-- 5 -->",
        "10<sup>2</sup> 3",
        "<x y='5'>",
        "</b> 6",
        "<div>",
    ),
)
PIECES: Final = st.sampled_from(WORDS) | st.sampled_from(MARKUP)
STARTS: Final = st.sampled_from(("0", "1", "1", "2", "3", "7", "9", "09", "24", "31", "1986", "999999999", "1234567890"))
MARKS: Final = (
    st.builds("{}{} ".format, STARTS, st.sampled_from((".", ")", "\\.", "\\)")))
    | st.sampled_from(("- ", "+ ", "* ", "# ", "### ", "> ", ">", ">> ", "- - ", "- 1. ", "1. - ", "1) 2. ", "> 7. "))
    | st.just("")
)
INDENTS: Final = st.sampled_from(("", "", "", "", " ", "  ", "   ", "    ", "     ", "\t"))
BLOCKS: Final = st.sampled_from(
    (
        *("```\n7. x\n\n 8\n```", "```py\n9\n```", "~~~\n> 5", "    8. x", "***", "---", "===", "", "", "\u00a0"),
        *("|a|b|\n|-|:-:|\n|1|2|", "| 1 | 2 |\n|---|---|\n| 3 | `4` | 5 |", "a | 5\n-|-\n6", "<div>\n5\n</div>"),
    )
)
NO_QUOTE: Final = re.compile(r"\\(?=>)|>(?=[:;=._-])")
"""What makes a `>` of one's own words, or a face: both are looked at with their own examples."""
LINES: Final = (
    st.builds("{}{}{}{}".format, INDENTS, MARKS, st.lists(PIECES, min_size=1, max_size=3).map(" ".join), st.just(""))
    | st.builds("{}{}{}  ".format, INDENTS, MARKS, PIECES)
    | BLOCKS
    | st.text(st.sampled_from("a5 \n*_`~.)(-+#>&;<[]!\\|:'\"/1é"), max_size=12).map(lambda text: NO_QUOTE.sub("", text))
)
TYPED: Final = st.lists(LINES, min_size=1, max_size=6).map("\n".join).filter(lambda typed: bool(typed.strip()))
"""Anything, and what is made to be hard."""
TIDY: Final = st.sampled_from([words for words in WORDS if words != "7\\"])
LISTS: Final = st.builds(
    lambda start, mark, items: "\n".join(f"{start + n}{mark} {words}" for n, words in enumerate(items)),
    st.integers(min_value=0, max_value=2_000),
    st.sampled_from((".", ")")),
    st.lists(TIDY, min_size=1, max_size=4),
)
BULLETS: Final = st.lists(TIDY, min_size=1, max_size=3).map(lambda items: "\n".join(f"- {words}" for words in items))
NUMBERS: Final = st.lists(st.integers(min_value=0, max_value=40), min_size=1, max_size=3) | st.builds(
    lambda start, count: list(range(start, start + count)), st.integers(min_value=0, max_value=2_000), st.integers(1, 4)
)
ORDINARY: Final = st.lists(LISTS | BULLETS | TIDY | st.just("```\nrun 5\n```"), min_size=1, max_size=4).map(
    "\n\nand\n\n".join
)
"""What people type whose client shows what they meant."""


def sent(client: Client, typed: str) -> tuple[Plain, str]:
    """Return what a message is to the bridge, and what its sender sees of it."""
    html = client(typed)
    formatted = {} if html is None else {"format": "org.matrix.custom.html", "formatted_body": html}
    plain = read({"msgtype": "m.text", "body": typed, **formatted})
    assert plain is not None
    return plain, typed if html is None else screen(html)


def letters(words: str) -> Sequence[str]:
    """Return the letters and digits, those together that stand together."""
    return "".join(letter if letter.isalnum() else " " * (letter.isspace() or letter == "|") for letter in words).split()


def own(shown: str) -> str:
    """Return what is shown without lines that begin with `>`: they are taken for quoted, and left out."""
    return "\n".join(line for line in shown.split("\n") if not line.strip().startswith(">"))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
@given(typed=TYPED)
@example(typed="24. December, 6 pm")
@example(typed="2) the blue door")
@example(typed="3. first\n5. second")
@example(typed=r"\*\*not bold\*\* C:\\temp")
@example(typed="[7]: https://example.org")
@example(typed="[call me](5550199)")
@example(typed="0. a &amp; 5\n>:1")
@example(typed="1. 12\n\n   34")
@example(typed="|1|2|\n|-|-|\n|3|4|")
@EFFORT
def test_no_letter_and_no_digit_changes_on_the_way(client: Client, typed: str) -> None:
    """Whatever the sender's client shows is what the phone gets, letter for letter, or the message is held."""
    plain, shown = sent(client, typed)
    assert plain.differs or letters(own(plain.words)) == letters(own(shown))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
@given(typed=ORDINARY)
@EFFORT
def test_ordinary_messages_are_not_held(client: Client, typed: str) -> None:
    """Lists, emphasis, escapes and code leave unasked: a warning that always comes is read by nobody."""
    plain, shown = sent(client, typed)
    assert not plain.differs
    assert letters(plain.words) == letters(shown)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
@given(numbers=NUMBERS, mark=st.sampled_from((".", ")")), strong=st.booleans())
@EFFORT
def test_numbers_that_a_client_changes_are_held(client: Client, numbers: Sequence[int], mark: str, strong: bool) -> None:
    """Clients count a list from its first number on: where that is not what was typed, a person says which is right."""
    typed = "\n".join(f"{number}{mark} {'**the** door' if strong else 'the door'}" for number in numbers)
    plain, _ = sent(client, typed)
    assert plain.differs == any(after != before + 1 for before, after in pairwise(numbers))


@every_row("client", CLIENTS)
@every_row(
    ("typed", "leaves"),
    [
        ("24. December, 6 pm", "24. December, 6 pm"),
        ("2) the blue door", "2) the blue door"),
        ("3. first\n4. second", "3. first\n4. second"),
        (r"\*\*not bold\*\* C:\\temp", r"**not bold** C:\temp"),
        ("We meet at 5.\nBring **ID**.", "We meet at 5.\nBring ID."),
        ("> you said help\nyes we can", ""),
        ("> you said help\n\nyes we can", "yes we can"),
    ],
)
def test_real_messages(client: Client, typed: str, leaves: str) -> None:
    """What was typed into real clients, and changed on its way, arrives."""
    plain, _ = sent(client, typed)
    assert (plain.words, plain.differs) == (leaves, False)
