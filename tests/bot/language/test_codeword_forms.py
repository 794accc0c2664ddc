"""Codewords as they are compared, what may not be one, and the mask."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.language.codeword_forms import MASK, find_flaw, mask, normalise, runs, tokens
from bot.language.common_words import COMMON
from bot.model.codeword_state import LONGEST, Flaw
from policies.pack import TextName
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import PACK
from tests.every_row import every_row


@every_row(
    ("one", "other"),
    [
        ("marzipan", "MARZIPAN"),
        ("marzipan", "  Mar-zi pan!! "),
        ("marzipan", "m.a.r.z.i.p.a.n"),
        ("marzipan", "mar\u200bzi\u00adpan"),
        ("marzipan", "mar\u034fzi\u180bpa\u3164n"),
        ("hawaii sunset", "hawai\u02bbi sunset"),
        ("o'malley", "o\u02bcmalley"),
        ("marzipan", "\uff4darzipan"),
        ("pájaro azul", "PAJARO, AZUL"),
        ("pájaro", "pa\u0301jaro"),
        ("niño", "nino"),
        ("Straße", "STRASSE"),
        ("żółw", "zolw"),
        ("smørrebrød", "smorrebrod"),
        ("Isparta", "\u0131sparta"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ёжик", "ЕЖИК"),
        ("قَمَر", "قمر"),
        ("قـــمر", "قمر"),
        ("שָׁלוֹם", "שלום"),
        ("نیم\u200cروز", "نیمروز"),
        ("ガギグ", "ｶﾞｷﾞｸﾞ"),
        ("한국어", unicodedata.normalize("NFD", "한국어")),
        ("कमल ", "कमल"),
        ("tulipán 7", "TULIPAN \u0667"),
        ("o'hara", "O\u2019Hara"),
        ("sun🌷hat", "sun hat"),
    ],
)
def test_two_spellings_of_a_word_are_one(one: str, other: str) -> None:
    """Case, accents, spaces, punctuation and invisible marks make no difference, in any script."""
    assert normalise(one) == normalise(other) != ""
    (run,) = [run for run in runs(other, (len(normalise(one)),)) if run.form == normalise(one)]
    assert run.start < run.end


@every_row(
    ("word", "text", "shown"),
    [
        ("枇杷", "我觉得枇杷很好吃", f"我觉得{MASK}很好吃"),
        ("つくしんぼ", "これはつくしんぼです", f"これは{MASK}です"),
        ("カザグルマ", "あのｶｻﾞｸﾞﾙﾏは", f"あの{MASK}は"),
        ("มะม่วงสุก", "ฉันกินมะม่วงสุกแล้ว", f"ฉันกิน{MASK}แล้ว"),
        ("សេះសមុទ្រ", "ខ្ញុំឃើញសេះសមុទ្រហើយ", f"ខ្ញុំឃើញ{MASK}ហើយ"),
        ("우산장수", "그것은 우산장수이다", f"그것은 {MASK}이다"),
        ("umbrella", "my umbrella2 and umbrella", f"my {MASK}2 and {MASK}"),
        ("umbrella7", "Umbrella 7!", f"{MASK}!"),
    ],
)
def test_a_word_is_found_where_nothing_parts_words(word: str, text: str, shown: str) -> None:
    """In scripts without spaces, with a particle or a digit behind it: found, and masked alone; and it may be agreed."""
    matches = [run for run in runs(text, (len(normalise(word)),), (len(tokens(word)),)) if run.form == normalise(word)]
    assert mask(text, matches) == shown
    assert all(run.fits for run in matches) or word == "umbrella7"
    assert find_flaw(PACK, word) is None or word.startswith("umbrella")


def test_runs_of_as_many_words_come_first() -> None:
    """Of a long text those runs are tried first that have as many words as the word, wherever they stand."""
    text = f"{'ba na ' * 200} mango {'ba na ' * 200}"
    first, *_ = runs(text, (4, 5), (1, 1))
    assert first.form == "mango"
    assert [run.form for run in runs(text, (4, 5))].index("mango") > 100


@pytest.mark.parametrize(("one", "other"), [("marzipan", "marzipane"), ("कमल", "कमाल"), ("กา", "กิ"), ("苹果", "果苹")])
def test_two_words_are_two(one: str, other: str) -> None:
    """A letter more, another vowel sign, another order: not the same word."""
    assert normalise(one) != normalise(other)


@every_row(
    ("text", "shown"),
    [
        ("marzipan", MASK),
        ("MARZIPAN!", f"{MASK}!"),
        ("it is Mar zipán, ok?", f"it is {MASK}, ok?"),
        ("marzipan and marzipan", f"{MASK} and {MASK}"),
        ("¡mar\u200bzipan!\n\nmarzipan", f"¡{MASK}!\n\n{MASK}"),
        ("“m-a-r-z-i-p-a-n”", f"“{MASK}”"),
        ("my marzipans", "my marzipans"),
        ("nothing of it", "nothing of it"),
        ("🌷marzipan🌷", f"🌷{MASK}🌷"),
    ],
)
def test_a_word_is_masked_wherever_it_stands(text: str, shown: str) -> None:
    """Exactly the word is replaced, every time, by a mask of one length; the rest stays letter for letter."""
    matches = [run for run in runs(text, (8,)) if run.form == "marzipan"]
    assert mask(text, matches) == shown


@USUAL
@given(
    before=st.text(alphabet="ab ,.é\u200b🌷\n", max_size=12),
    after=st.text(alphabet="ab ,.é🌷\n", max_size=12),
    spelled=st.lists(st.sampled_from(("", " ", "-", ".", "\u200b", " , ")), min_size=7, max_size=7),
    shout=st.booleans(),
)
def test_a_word_on_its_own_is_always_found(before: str, after: str, spelled: list[str], shout: bool) -> None:
    """However it is spaced and cased, between whatever else: the word is found, and nothing of it is left."""
    word = "".join(a + b for a, b in zip("marzipan", [*spelled, ""], strict=True))
    text = f"{before} {word.upper() if shout else word} {after}"
    matches = [run for run in runs(text, (8, 5)) if run.form == "marzipan"]
    assert matches
    rest = mask(text, matches)
    assert MASK in rest
    assert "marzipan" not in normalise(rest)


def test_likely_runs_come_first() -> None:
    """The whole text first, then what is no everyday talk: of an endless text the likely ones are still looked at."""
    assert runs("marzipan", (8,))[0].form == "marzipan"
    forms = [run.form for run in runs("tell them to tulip then", (5, 4))]
    assert forms.index("tulip") < forms.index("tell")
    endless = "please come here soon " * 400 + "tulip"
    assert "tulip" in [run.form for run in runs(endless, (5,))][:16]


BAD = [
    ("", Flaw.NO_LETTERS),
    ("🌷🌷🌷", Flaw.NO_LETTERS),
    ("4711 4711", Flaw.NO_LETTERS),
    ("...", Flaw.NO_LETTERS),
    ("x", Flaw.SHORT),
    ("oak", Flaw.SHORT),
    ("aaaaaa", Flaw.SHORT),
    ("苹", Flaw.SHORT),
    ("STOP", Flaw.KEYWORD),
    ("stop  all!", Flaw.KEYWORD),
    ("Unsubscribe", Flaw.KEYWORD),
    ("s-t-a-r-t", Flaw.KEYWORD),
    ("HELP", Flaw.KEYWORD),
    ("español", Flaw.KEYWORD),
    ("ayuda", Flaw.KEYWORD),
    ("please", Flaw.COMMON),
    ("Mañana", Flaw.COMMON),
    ("call me later", Flaw.COMMON),
    ("m y m o m", Flaw.COMMON),
    ("patience", Flaw.OURS),
    ("marzipan " * 7, Flaw.LONG),
    ("m" + "arzipan" * 6, Flaw.LONG),
]


@every_row(("word", "why"), BAD)
def test_a_bad_codeword_is_refused_with_its_reason(word: str, why: Flaw) -> None:
    """One letter, a picture, digits, a keyword, an everyday word, one of the agency's own: each has its own reason."""
    assert find_flaw(PACK, word) is why


@every_row("word", ["marzipan", "blue marzipan", "quiet tulip", "пряник", "苹果", "शहतूत", "قرنفل", "tulip 47", "ñandú"])
def test_a_good_codeword_is_taken(word: str) -> None:
    """An unusual word, in any script, or an everyday one beside it."""
    assert find_flaw(PACK, word) is None


@every_row(
    ("duress", "why"),
    [
        ("MARZIPAN", Flaw.SAME),
        ("Mar zi pán", Flaw.SAME),
        ("marzipam", Flaw.NEAR),
        ("marzpan", Flaw.NEAR),
        ("amrzipan", Flaw.NEAR),
        ("marzipan tulip", Flaw.NEAR),
        ("zipan", Flaw.NEAR),
        ("STOP", Flaw.KEYWORD),
        ("ok", Flaw.SHORT),
        ("tulip", None),
    ],
)
def test_the_duress_word_is_unlike_the_word(duress: str, why: Flaw | None) -> None:
    """Equal, one slip of the thumb away, or one within the other: refused; so is whatever no codeword may be."""
    assert find_flaw(PACK, duress, "marzipan") is why


def test_no_keyword_and_no_text_of_the_pack_is_a_codeword() -> None:
    """Whatever the pack says or listens for would come up without being meant."""
    words = PACK.keywords
    for word in (*words.stop, *words.start, *words.language):
        assert find_flaw(PACK, word) in (Flaw.KEYWORD, Flaw.SHORT)
    for word in PACK.say(TextName.COVER_2).split():
        assert find_flaw(PACK, word) is not None


def test_common_words_are_in_the_form_that_is_compared() -> None:
    """A word with an accent or a capital in the list would never be met."""
    assert [word for word in COMMON if normalise(word) != word] == []
    assert len(COMMON) > 1000


@USUAL
@given(text=st.text(max_size=200), lengths=st.tuples(st.integers(1, LONGEST), st.integers(1, LONGEST)))
def test_runs_and_masks_are_total(text: str, lengths: tuple[int, int]) -> None:
    """Any text, lone surrogates and all, can be looked at: runs lie within it, are of the lengths, and can be masked."""
    matches = runs(text, lengths)
    assert all(0 <= run.start < run.end <= len(text) and len(run.form) in lengths for run in matches)
    assert mask(text, []) == text
    assert not matches or MASK in mask(text, matches[:3])
    assert find_flaw(PACK, text) in (None, *Flaw)
