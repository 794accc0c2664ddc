# ruff: noqa: RUF001 - the apostrophes and quotes are those that phones write
"""Whole messages with a meaning, and messages that nobody wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.keywords import Meaning, classify, is_automatic_reply, is_tapback, normalize_keyword
from policies.pack import ExitAction, TextName
from tests.every_row import every_row
from tests.packs import shipped

KEYWORDS = {
    Meaning.STOP,
    Meaning.START,
    Meaning.LANGUAGE,
    Meaning.CALL,
    Meaning.EXIT_PARK,
    Meaning.EXIT_ALERT,
    Meaning.HELP,
    Meaning.INFO,
}
PACK = shipped("base", "rehearsal")
STOP = ["STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT", "ALTO"]
START = ["START", "UNSTOP"]
CASES = st.sampled_from([str.upper, str.lower, str.title, str.swapcase])
SPACES = st.text(" \n\t\u00a0", max_size=3)
ENDS = st.text(".!?…", max_size=3)


@every_row(
    ("text", "meaning"),
    [
        ("ＳＴＯＰ", Meaning.STOP),
        ("Ｓｔｏｐ！", Meaning.STOP),
        ("STOP。", Meaning.STOP),
        ("𝗦𝗧𝗢𝗣", Meaning.STOP),
        ("ｏｐｔ－ｏｕｔ", Meaning.STOP),
        ("ＳＴＡＲＴ", Meaning.START),
        ("９１１", Meaning.HELP),
        ("ＥＳ", Meaning.LANGUAGE),
        ("ｂｙｅ", Meaning.EXIT_PARK),
        ("can´t talk", Meaning.EXIT_ALERT),
    ],
)
def test_the_width_of_letters_makes_no_difference(text: str, meaning: Meaning) -> None:
    """Keyboards for Chinese and Japanese write wide letters, others ornate ones: a STOP in them is a STOP."""
    assert classify(text, PACK).meaning is meaning


@given(word=st.sampled_from(STOP + START), case=CASES, before=SPACES, end=ENDS, after=SPACES)
def test_the_whole_message_counts(word: str, case: object, before: str, end: str, after: str) -> None:
    """Each word in any case, with spaces around and punctuation at the end, is what it is."""
    assert callable(case)
    assert classify(f"{before}{case(word)}{end}{after}", PACK).meaning is (Meaning.STOP if word in STOP else Meaning.START)


@given(word=st.sampled_from(STOP + START), other=st.text("abcdefghijklmnop", min_size=1), before=st.booleans())
def test_one_word_more_is_no_keyword(word: str, other: str, before: bool) -> None:
    """With anything else in the message it is a person speaking, who at most wishes ("ok stop")."""
    text = f"{other} {word}" if before else f"{word} {other}"
    if normalize_keyword(text) not in {normalize_keyword(w) for w in STOP}:
        assert classify(text, PACK).meaning in (Meaning.CONVERSATION, Meaning.WISH)


@every_row(
    "text",
    [
        *("", " ", "...", "?", "please stop him", "stop it", "he won't stop", "END IT", "can I cancel tomorrow?", "stoppp"),
        *("s t o p", "YES", "NO", "OK", "START again", "alto ahí", "Stop\nhe is back"),
    ],
)
def test_what_people_write_is_left_to_people(text: str) -> None:
    """Words that carriers or other lines take for commands, and sentences with one inside, mean nothing to the machine."""
    assert classify(text, PACK).meaning is Meaning.CONVERSATION


@pytest.mark.parametrize(("text", "wish"), [("\U0001f6d1", True), ("\u26d4\u26d4", True), ("\U0001f6d1 he is here", False)])
def test_a_picture_that_says_stop_is_a_wish(text: str, wish: bool) -> None:
    """Alone it asks for no more texts, and shuts nobody out."""
    assert (classify(text, PACK).meaning is Meaning.WISH) == wish


@pytest.mark.parametrize(
    ("text", "is_call"),
    [
        ("\U0001f198", True),
        (" \U0001f198\U0001f198!! \U0001f62d", True),
        ("\U0001f198 he is here", False),
        ("\U0001f62d", False),
    ],
)
def test_a_picture_that_says_sos_is_a_word_for_help(text: str, is_call: bool) -> None:
    """Alone it is what SOS is: nobody is greeted by the machine, a person is called. Beside words it is conversation."""
    assert (classify(text, PACK).meaning is Meaning.HELP) == is_call


@given(st.text(st.characters()))
def test_any_message_has_an_answer(text: str) -> None:
    """Total, lone surrogates included; and a keyword is a keyword however often it is read."""
    result = classify(text, PACK)
    if result.meaning in KEYWORDS:
        assert classify(normalize_keyword(text), PACK) == result
    assert is_tapback(text) in {True, False}
    assert is_automatic_reply(text) in {True, False}


@pytest.mark.parametrize(
    ("text", "language"), [("ES", "es"), ("es.", "es"), ("¡Español!", "es"), ("english", "en"), ("Es él", None)]
)
def test_a_language_is_asked_for_by_a_whole_message(text: str, language: str | None) -> None:
    """What the greeting offers is understood; the same letters in a sentence are not."""
    result = classify(text, PACK)
    assert result.language == (language or "")
    assert (result.meaning is Meaning.LANGUAGE) == (language is not None)


@every_row(
    "text",
    [
        "Liked “Are you safe now?”",
        "Loved “ok”",
        "Disliked “We can call”",
        "Laughed at “two\nlines”",
        "Emphasized “now”",
        'Questioned "now"',
        "Loved an image",
        "Liked a movie",
        "Removed a like from “ok”",
        "Removed a heart from “ok”",
        "Removed an exclamation from “ok”",
        "Removed a question mark from an image",
        "Reacted 😀 to “ok”",
        "Reacted ❤️ to “he said “no” again”",
        "Removed a 👍🏽 from “ok”",
        "👍 to “ok”",
        "\u200a👍\u200b to “\u200aok\u200a”",
        "❤️ to “ok”",
        "Le gustó “Hola”",
        "Le encantó «Hola»",
        "No le gustó “Hola”",
        "Le encanta “Hola”",
        "Se rió de “Hola”",
        "Rió con “Hola”",
        "Enfatizó “Hola”",
        "Cuestionó “Hola”",
        "Le gustó una imagen",
        "Le encantó una foto",
        "Reaccionó con 😮 a “Hola”",
        "Quitó un Me gusta de “Hola”",
        "👍 a “Hola”",
    ],
)
def test_reactions_spelled_out_are_known(text: str) -> None:
    """What phones make of a reaction, in both languages, is no message to answer."""
    assert is_tapback(text)


@every_row(
    "text",
    [
        *("", "👍", "Liked", "Liked it", "Loved him once", "He laughed at “me”", "Liked “ok” but then he came back"),
        *(
            "“ok”",
            "Loved an image of us, he broke it",
            "Questioned by police",
            "Le gustó pegarme",
            "Le encanta gritar",
            "a “b”",
        ),
        *("He said “I will find you”", "no to “that”", "Removed a lock from the door", "I liked “your answer”", "?"),
    ],
)
def test_what_a_person_says_is_no_reaction(text: str) -> None:
    """A person's sentence, even one that begins in the same way, is greeted."""
    assert not is_tapback(text)


@every_row(
    "text",
    [
        "I’m driving with Do Not Disturb While Driving turned on. I’ll see your message when I get where I’m going.",
        "I'm driving with Driving Focus turned on. I’ll see your message when I get where I’m going.",
        "(I’m not receiving notifications. If this is urgent, reply “urgent” to send a notification through.)",
        "I'm driving",
        "I’m driving right now.",
        "I'm driving right now. I'll call you later.",
        "I'm driving. Can't talk now. I'll text you back when I stop",
        "Automatic reply: I am away until Monday",
        "Auto-reply: in a meeting",
        "[Auto Reply] in a meeting",
        "AUTOMATED RESPONSE",
        "Out of office",
        "Out of Office: back on Monday",
        "This is an automated message. Do not reply.",
        "Thank you for your message. I am currently out of the office until Monday.",
        "Respuesta automática: estoy de vacaciones",
        "Este es un mensaje automático.",
        "Fuera de la oficina",
        "Estoy conduciendo con la opción “No molestar al conducir” activada. Veré tu mensaje cuando llegue.",
        "Voy manejando con No molestar activado",
        "Estoy manejando. Te llamo luego.",
    ],
)
def test_automatic_replies_are_known(text: str) -> None:
    """What cars, phones and mail programs send by themselves."""
    assert is_automatic_reply(text)


@every_row(
    "text",
    [
        "",
        "I'm driving to my sister's, he is behind me",
        "I'm driving. He took the kids",
        "I'm driving. I'll call the police",
        "im driving him crazy he says",
        "he is driving",
        "I'm out of the office now, can I text you?",
        "Out of office hours, are you there?",
        "Thanks for your message. Can we talk when I am out of the office?",
        "is this an automated message?",
        "This is not an automated message",
        "Automatic gun in the house",
        "I'm not receiving notifications on my phone, he has it",
        "Estoy manejando y me sigue",
        "Estoy manejando. Te escribo porque me sigue",
        "mensaje automático? o persona",
        "Fuera de la oficina me espera",
    ],
)
def test_in_doubt_it_was_a_person(text: str) -> None:
    """Sentences that a survivor could write are greeted, however much they look like a machine's."""
    assert not is_automatic_reply(text)


def test_no_text_of_ours_looks_like_any_of_it() -> None:
    """Two lines of ours that text each other do not opt each other out."""
    for text in PACK.texts.values():
        for wording in text.wordings.values():
            assert classify(wording.text, PACK).meaning is Meaning.CONVERSATION
    assert len(PACK.texts) == len(TextName)


def test_a_megabyte_is_read_at_once() -> None:
    """No pattern goes wild on a long message."""
    for start in ("thanks for contacting ", "Liked “", "I'm driving ", "stop ", "👍 to “", "Quitó un "):
        text = start + "out of o" * 125_000
        assert not is_tapback(text)
        assert not is_automatic_reply(text)
        assert classify(text, PACK).meaning is Meaning.CONVERSATION


@pytest.mark.parametrize(("text", "meaning"), [("👋", Meaning.EXIT_PARK), ("BRB 🙏", Meaning.EXIT_ALERT), ("brb", None)])
def test_an_agencys_own_word_may_be_a_picture(text: str, meaning: Meaning | None) -> None:
    """Or end in one: it is compared as it stands before pictures are taken off."""
    exits = {normalize_keyword("👋"): ExitAction.PARK, normalize_keyword("brb 🙏"): ExitAction.ALERT}
    pack = replace(PACK, keywords=replace(PACK.keywords, exit=exits))
    assert classify(text, pack).meaning is (meaning or Meaning.CONVERSATION)
