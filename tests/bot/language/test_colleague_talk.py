"""What people are called by their display names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.language.colleague_talk import find_colleague, names_in
from tests.every_row import every_row

ANA, BEN, AUTHOR = "@ana:line.example", "@jsmith:line.example", "@adv1:line.example"


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_display_name_only_adds(display_name: str, body: str) -> None:
    """A colleague's display name lets no words leave that the name of their account holds; an author's own holds none."""
    if find_colleague(body, {ANA: (), BEN: ()}, ANA) is not None:
        assert find_colleague(body, {ANA: (), BEN: names_in(display_name)}, ANA) is not None
    assert find_colleague(body, {ANA: names_in(display_name)}, ANA) is None


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


@given(st.lists(st.sampled_from(["jane", "smith", "ben", "covering", "nights", "jo", "ask"]), max_size=5, unique=True))
def test_no_display_name_hides_a_colleague(words: list[str]) -> None:
    """Whatever a person calls themselves, no words about a colleague leave unasked."""
    called = {ANA: tuple(words), BEN: ("jane",), "@ben:line.example": (), "@adv2:line.example": ("jo",)}
    bodies = ("ask Jane", "ask Ben", "i think Jo knows")
    assert [body for body in bodies if find_colleague(body, called, ANA) is None] == []
