"""Codewords as they are compared, what may not be one, and the mask."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.language.codeword_forms import MASK, find_flaw, mask, normalise, runs, tokens
from bot.model.codeword_state import LONGEST, Flaw
from policies.pack import TextName
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import PACK
from tests.every_row import every_row


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


@USUAL
@given(text=st.text(max_size=200), lengths=st.tuples(st.integers(1, LONGEST), st.integers(1, LONGEST)))
def test_runs_and_masks_are_total(text: str, lengths: tuple[int, int]) -> None:
    """Any text, lone surrogates and all, can be looked at: runs lie within it, are of the lengths, and can be masked."""
    matches = runs(text, lengths)
    assert all(0 <= run.start < run.end <= len(text) and len(run.form) in lengths for run in matches)
    assert mask(text, []) == text
    assert not matches or MASK in mask(text, matches[:3])
    assert find_flaw(PACK, text) in (None, *Flaw)
