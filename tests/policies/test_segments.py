"""Segmentation against the standard's edges and two independent oracles."""

from __future__ import annotations

import sms_toolkit
import smsutil
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.segments import DEFAULT_ALPHABET, EXTENSION, breaks_gsm7, segments
from tests.every_row import every_row

GSM7 = "".join(sorted(DEFAULT_ALPHABET | EXTENSION))
HARD = settings(max_examples=400, deadline=None, database=None)

# Long runs around the edges, which plain random text seldom reaches.
RUNS = st.lists(
    st.tuples(
        st.sampled_from("a€^\fé\n😀ç\u200d\u0301ñ`"), st.sampled_from((1, 2, 35, 66, 67, 69, 70, 76, 80, 152, 153, 159))
    ),
    max_size=5,
).map(lambda runs: "".join(c * n for c, n in runs))
WELL_FORMED = st.text(max_size=400) | st.text(GSM7, max_size=500) | st.text("a€😀", max_size=400) | RUNS
ANYTHING = WELL_FORMED | st.text(st.characters(exclude_categories=()), max_size=300)


def size(part: str, encoding: str) -> int:
    if encoding == "ucs2":
        return len(part.encode("utf-16-be", "surrogatepass")) // 2
    return sum(2 if c in EXTENSION else 1 for c in part)


@every_row(
    ("text", "encoding", "count", "units"),
    [
        ("", "gsm7", 1, 0),
        ("a" * 160, "gsm7", 1, 160),
        ("a" * 161, "gsm7", 2, 161),
        ("a" * 306, "gsm7", 2, 306),
        ("a" * 307, "gsm7", 3, 307),
        ("€" * 80, "gsm7", 1, 160),
        ("€" * 81, "gsm7", 2, 162),
        ("€" * 152, "gsm7", 2, 304),
        ("€" * 153, "gsm7", 3, 306),
        ("a" * 152 + "€" + "a" * 10, "gsm7", 2, 164),
        ("a" * 152 + "€" + "a" * 151, "gsm7", 2, 305),
        ("a" * 152 + "€" + "a" * 152, "gsm7", 3, 306),
        ("a" * 159 + "[", "gsm7", 2, 161),
        ("a" * 158 + "\f", "gsm7", 1, 160),
        ("\r\n" * 80, "gsm7", 1, 160),
        ("ñ¿¡éüÑÜ" * 22, "gsm7", 1, 154),
        ("á" * 70, "ucs2", 1, 70),
        ("á" * 71, "ucs2", 2, 71),
        ("á" * 134, "ucs2", 2, 134),
        ("á" * 135, "ucs2", 3, 135),
        ("😀" * 35, "ucs2", 1, 70),
        ("😀" * 36, "ucs2", 2, 72),
        ("😀" * 67, "ucs2", 3, 134),
        ("á" * 66 + "😀" + "á" * 3, "ucs2", 2, 71),
        ("á" * 67 + "😀" + "á" * 3, "ucs2", 2, 72),
        ("a\ud83d", "ucs2", 1, 2),
        ("á" * 66 + "\ud83d\ude00" + "á" * 3, "ucs2", 2, 71),
        ("\x1b", "ucs2", 1, 1),
        ("\x00", "ucs2", 1, 1),
    ],
)
def test_edges(text: str, encoding: str, count: int, units: int) -> None:
    """Counts at the edges of one part and of several, for both encodings."""
    cut = segments(text)
    assert (cut.encoding, cut.count, cut.units) == (encoding, count, units)


@every_row("character", "`çáíóúÁÍÓÚ\t\u2019…“\u2013😀\x1b")
def test_one_letter_breaks_gsm7(character: str) -> None:
    """One character outside GSM-7 turns the whole text into UCS-2 and is named, once, in order."""
    assert segments("a" * 160 + character).encoding == "ucs2"
    assert breaks_gsm7(f"x{character}y€{character}中") == (character, "中")
    assert breaks_gsm7(GSM7) == ()


@HARD
@given(ANYTHING)
@example("á" * 66 + "\ud83d\ude00" + "á" * 3)
def test_parts(text: str) -> None:
    """The parts are the text; each fits and could not have taken the next character; no pair is cut."""
    cut = segments(text)
    room, single = (153, 160) if cut.encoding == "gsm7" else (67, 70)
    assert "".join(cut.parts) == text
    assert cut.units == size(text, cut.encoding)
    assert cut.count == len(cut.parts)
    assert (cut.count == 1) == (cut.units <= single)
    if cut.count > 1:
        for part, following in zip(cut.parts, (*cut.parts[1:], ""), strict=True):
            assert 0 < size(part, cut.encoding) <= room
            assert not (part[-1] in surrogates(0xD800) and following[:1] in surrogates(0xDC00))
            pair = following[:2] if following[:1] in surrogates(0xD800) and following[1:2] in surrogates(0xDC00) else ""
            assert not following or size(part + (pair or following[0]), cut.encoding) > room


def surrogates(first: int) -> set[str]:
    return {chr(code) for code in range(first, first + 0x400)}


@HARD
@given(WELL_FORMED.filter(bool).filter(lambda text: "\x1b" not in text))
def test_like_smsutil(text: str) -> None:
    """The same encoding and parts as smsutil (which differs by decision on an empty text and on a raw escape code)."""
    cut, oracle = segments(text), smsutil.split(text)
    assert cut.encoding == {"gsm0338": "gsm7", "utf_16_be": "ucs2"}[oracle.encoding]
    assert list(cut.parts) == [part.content for part in oracle.parts]


@HARD
@given(WELL_FORMED.filter(bool))
def test_like_sms_toolkit(text: str) -> None:
    """The same parts and units as sms-toolkit (which has no part for an empty text and fails on a lone surrogate)."""
    cut, oracle = segments(text), sms_toolkit.profile_message(text)
    assert list(cut.parts) == [segment["message"] for segment in oracle["segments"]]
    assert cut.units == sum(segment["total_segment_length"] for segment in oracle["segments"])
