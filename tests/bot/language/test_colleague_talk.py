"""What people are called by their display names."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bot.language.colleague_talk import LONGEST_NAME, MOST_NAMES, NO_NAMES, find_colleague, names_in
from tests.every_row import every_row

ANA, BEN, AUTHOR = "@ana:line.example", "@jsmith:line.example", "@adv1:line.example"


@every_row(
    ("display_name", "names"),
    [
        ("Jane Smith", ("jane", "smith")),
        ("Jane (she/her)", ("jane",)),
        ("Dr. J. Smith \u2013 night", ("smith",)),
        ("Elizabeth (Liz) O'Brien", ("elizabeth", "liz", "brien")),
        ("María José de la Luz", ("maria", "jose", "luz")),
        ("Jo", ("jo",)),
        ("Jane +1 555-010-0123", ("jane",)),
        ("@ana:line.example", ("ana",)),
        ("jane.smith@agency.example.org", ("jane", "smith")),
        ("Ja\u200bne\u202e\x00\n", ("jane",)),
        ("\uff2a\uff41\uff4e\uff45", ("jane",)),
        ("Yes I am, ok? No", ()),
        ("Supervisor on duty", ()),
        ("", ()),
        ("a" * 256, ()),
        ("\U0001f334 7", ()),
        (" ".join(f"{letter}zz" for letter in "abcdefghijkl"), tuple(f"{letter}zz" for letter in "abcdefgh")),
    ],
)
def test_names_are_the_words_that_may_be_names(display_name: str, names: tuple[str, ...]) -> None:
    """Pronouns, titles, times of work, single letters, numbers and addresses are no names; accents make no other name."""
    assert names_in(display_name) == names


@given(st.text(max_size=300))
def test_whatever_people_call_themselves_becomes_a_few_words(display_name: str) -> None:
    """Words of letters in lower case, of a bounded number and length, whatever a client has sent."""
    names = names_in(display_name)
    assert len(names) == len(set(names)) <= MOST_NAMES
    assert all(re.fullmatch(r"[^\W\d_]{2,}", name) and len(name) <= LONGEST_NAME for name in names)
    assert NO_NAMES.isdisjoint(names)


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_display_name_only_adds(display_name: str, body: str) -> None:
    """A colleague's display name lets no words leave that the name of their account holds; an author's own holds none."""
    if find_colleague(body, {ANA: (), BEN: ()}, ANA) is not None:
        assert find_colleague(body, {ANA: (), BEN: names_in(display_name)}, ANA) is not None
    assert find_colleague(body, {ANA: names_in(display_name)}, ANA) is None


@given(st.sampled_from(["jane can you look", "ask Jane", "JANE", "¿Jane?", "jane's here"]), st.text(max_size=20))
def test_a_name_is_found_whatever_stands_behind_it(body: str, more: str) -> None:
    """What a person adds to their name does not hide it."""
    assert find_colleague(body, {ANA: (), BEN: names_in(f"Jane ({more}")}, ANA) is not None


@every_row(
    ("display_name", "body", "colleague"),
    [
        ("Ana for Jane", "jane will look at it", "jane"),
        ("Ana for Jane", "ask Jane, please", "jane"),
        ("Ana for Jane", "this is Ana", None),
        ("Ana (covering Jane Smith, Will)", "Jane Smith has her file", "jane"),
        ("Covering for Jane", "jane will look at it", "jane"),
        ("Jane Doe", "this is Jane", None),
        ("Jane Doe", "Jane here again, hi", None),
        ("Jane Doe", "Jane is here for you", None),
        ("Jane Doe", "hey jane can you take this one", "jane"),
        ("Jane Doe", "Jane, could you look", "jane"),
        ("Jane Doe", "oye jane, puedes ver esto", "jane"),
        ("Maria Jane Smith", "this is Maria Jane Smith", None),
        ("Maria Jane Smith", "this is Maria-Jane", None),
        ("Maria Jane Smith", "Jane Smith knows more", "jane"),
        ("Maria Jane Smith", "is Maria there? Jane is", "jane"),
        ("Maria Jane Smith", "ask Maria Jane", "jane"),
        ("Maria Jane Smith", "I'm Maria. Jane knows more", "jane"),
        ("Maria Jane Smith", "Maria Jane here", None),
        ("Jane Doe", "hi, i'm jane", None),
        ("Jane Doe", "My name is Jane, what is yours?", None),
        ("Jane Doe", "hi its still jane", None),
        ("Jane Doe", "you\u2019re texting with Jane", None),
        ("Jane Doe", "take care. \u2014 Jane", None),
        ("Jane Doe", "hola, soy Jane", None),
        ("Jane Doe", "me llamo Jane", None),
        ("Jane Doe", "te escribe Jane otra vez", None),
        ("Jane Doe", "hola, aquí Jane", None),
        ("Jane Doe", "soy yo, Jane", None),
        ("Jane Doe", "ask Jane", "jane"),
        ("Jane Doe", "pregúntale a Jane", "jane"),
        ("Jane Doe", "I'm Jane's backup", "jane"),
        ("Jane Doe", "she was talking to Jane", "jane"),
        ("Jane Doe", "is Jane here?", "jane"),
        ("Jane Doe", "Jane here?", "jane"),
        ("Jane Doe", "Jane here is the file", "jane"),
        ("Jane Doe", "Jane is here with her file", "jane"),
        ("Jane Doe", "call me, Jane", "jane"),
        ("Jane Doe", "her name is Jane", "jane"),
        ("Jane Doe", "no soy Jane", "jane"),
        ("Jane Doe", "está aquí Jane", "jane"),
    ],
)
def test_a_name_is_the_authors_only_where_it_names_them(display_name: str, body: str, colleague: str | None) -> None:
    """A word of an author's display name that a colleague bears is the colleague's, but where the author says who they are.

    That is their first name, or what stands behind it as in their whole name; and who asks somebody of their own first
    name for something speaks to the other one.
    """
    assert find_colleague(body, {AUTHOR: names_in(display_name), BEN: ("jane", "smith")}, AUTHOR) == colleague


@every_row(
    ("display_name", "body", "colleague"),
    [
        ("for Jane", "Jane will call you back", "jane"),
        ("for Jane", "i asked jane about her", "jane"),
        ("for Jane", "this is for Jane", "jane"),
        ("covering Jane", "im covering jane", "jane"),
        ("Covering Jane", "IM COVERING JANE", "jane"),
        ("Helping Jane", "IM HELPING JANE", "jane"),
        ("Helping Jane", "im helping Jane", "jane"),
        ("ask Jane", "please ask Jane", "jane"),
        ("sorry Jane", "im sorry Jane, wrong room", "jane"),
        ("por Jane", "hablo por Jane", "jane"),
        ("para Jane", "es para Jane", "jane"),
        ("cubriendo a Jane", "estoy cubriendo a Jane", "jane"),
        ("en lugar de Jane", "vengo en lugar de Jane", "jane"),
        ("Rose", "i think that Rose knows", "rose"),
        ("Rose", "gracias Rose", "rose"),
        ("Rose", "ask the rose", None),
        ("Paz", "pregunta a Paz", "paz"),
        ("Paz", "que tengas paz", None),
    ],
)
def test_a_phrase_or_a_word_for_a_display_name_exempts_nothing(display_name: str, body: str, colleague: str | None) -> None:
    """Who is shown as "for Jane" has no leave to write of Jane, nor who is shown as "Rose" of another Rose."""
    called = {AUTHOR: names_in(display_name), BEN: ("jane", "smith"), "@rose:line.example": (), "@paz:line.example": ()}
    assert find_colleague(body, called, AUTHOR) == colleague


@given(st.lists(st.sampled_from(["jane", "smith", "ben", "covering", "nights", "jo", "ask"]), max_size=5, unique=True))
def test_no_display_name_hides_a_colleague(words: list[str]) -> None:
    """Whatever a person calls themselves, no words about a colleague leave unasked."""
    called = {ANA: tuple(words), BEN: ("jane",), "@ben:line.example": (), "@adv2:line.example": ("jo",)}
    bodies = ("ask Jane", "ask Ben", "i think Jo knows")
    assert [body for body in bodies if find_colleague(body, called, ANA) is None] == []


@every_row(
    ("body", "colleague"),
    [
        ("sue can you take this", "sue"),
        ("Sue could you look", "sue"),
        ("will can u come", "will"),
        ("ok. rose would you answer", "rose"),
        ("sue could ya look", "sue"),
        ("rosa me ayudas", "rosa"),
        ("rosa puedes ver esto", "rosa"),
        ("you can sue him", None),
        ("Will you be ok", None),
        ("hope you can rest", None),
        ("a rose can you give one", None),
    ],
)
def test_a_name_that_is_a_word_counts_where_it_is_asked(body: str, colleague: str | None) -> None:
    """Who begins with a name and "can you" speaks to a colleague, also where the name is a word."""
    called = dict.fromkeys((AUTHOR, *(f"@{name}:line.example" for name in ("sue", "will", "rose", "rosa", "hope"))), ())
    assert find_colleague(body, called, AUTHOR) == colleague
