"""Word lists of packs: read, added up, refused with a path; and what lint says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.lint import lint
from policies.load import PackError, load
from policies.pack import Pack
from policies.phrase_matcher import make_matcher
from policies.phrases import examples
from policies.signs import Sign, find_signs
from tests.every_row import every_row
from tests.packs import shipped

BASE = shipped("base")


def own(folder: Path, words: str) -> Pack:
    """Load the base pack with one of the agency's own that has these words."""
    (folder / "own.yaml").write_text(f"name: own\nwords:\n{words}", encoding="utf-8")
    return load(["base", "own.yaml"], near=folder)


def test_the_base_pack_lists_every_sign_in_both_languages() -> None:
    """No sign is without phrases in a language of the base pack, and lint has nothing to say of them."""
    assert set(BASE.signs) == {"en", "es"}
    for matcher in BASE.signs.values():
        assert {each.label for each in matcher.lists} == set(Sign)
        assert all(each.unless for each in matcher.lists)
    assert [finding for finding in lint(BASE) if finding.rule == "signs"] == []


def test_no_list_takes_its_own_phrases_back() -> None:
    """Each phrase is found in each way in which it can be said: no entry of `unless` stands in the phrase itself.

    "He is coming in" was named as a sign and excluded by another entry of the same list.
    """
    for matcher in BASE.signs.values():
        for each in matcher.lists:
            alone = make_matcher([each], matcher.spelling)
            lost = {text for phrase in each.phrases for text in examples(phrase) if not alone.find(text)}
            assert lost == set(), each.label


@pytest.mark.parametrize("phrase", ["better off me|us?", "the? kettle sings", "kettle <he>?"])
def test_a_phrase_ends_in_what_it_needs(tmp_path: Path, phrase: str) -> None:
    """A `?` is of the whole element, so at an end it makes less of a phrase than is read in it: that is refused.

    At the end of a sentence, and in `unless`, it says something.
    """
    with pytest.raises(PackError) as error:
        own(tmp_path, f"  en: {{signs: {{leaving: {{phrases: ['{phrase}']}}}}}}\n")
    (problem,) = error.value.problems
    assert problem.startswith("words.en.signs.leaving.phrases.")
    assert problem.endswith(": begins or ends with an optional element, which is found without it")
    own(tmp_path, f"  en: {{signs: {{leaving: {{phrases: ['^ {phrase} $'], unless: ['{phrase}']}}}}}}\n")


def test_an_agency_adds_phrases_and_takes_none_away(tmp_path: Path) -> None:
    """The agency's own words count in the groups and spellings of the base pack, beside its phrases."""
    pack = own(tmp_path, "  en: {signs: {weapon: {phrases: ['<he> has his cutlass']}}, spelling: {cutlas: cutlass}}\n")
    for text in ("my husband has his cutlass", "he has his cutlas", "he has a gun"):
        assert find_signs(text, pack.signs.values()) == {Sign.WEAPON}, text
    assert find_signs("my husband has his cutlass", BASE.signs.values()) == frozenset()


def test_words_may_stand_in_a_file_for_each_language(tmp_path: Path) -> None:
    """A pack that is a folder has its words beside it, and a mistake in them names that file."""
    (tmp_path / "own" / "words").mkdir(parents=True)
    (tmp_path / "own" / "pack.yaml").write_text("name: own\n", encoding="utf-8")
    words = tmp_path / "own" / "words" / "en.yaml"
    words.write_text("signs: {leaving: {phrases: [the kettle sings]}}\n", encoding="utf-8")
    pack = load(["base", "./own"], near=tmp_path)
    assert find_signs("the kettle sings", pack.signs.values()) == {Sign.LEAVING}
    words.write_text("signs: {leaving: {phrases: [a], phrases: [b]}}\n", encoding="utf-8")
    with pytest.raises(PackError) as error:
        load(["base", "./own"], near=tmp_path)
    assert error.value.problems == ["./own: words/en.yaml: line 1: the key phrases is there twice; take one out"]
    words.write_text('signs: {"+15550001": 1, "+15550001": 2}\n', encoding="utf-8")
    with pytest.raises(PackError) as error:
        load(["base", "./own"], near=tmp_path)
    assert error.value.problems == ["./own: words/en.yaml: line 1: a key is there twice; take one out"]


@every_row(
    ("words", "problem"),
    [
        ("  en: {signs: {sadness: {phrases: [a]}}}", "words.en.signs.sadness"),
        ("  en: {signs: {weapon: {phrases: []}}}", "words.en.signs.weapon.phrases"),
        ("  en: {signs: {weapon: {}}}", "words.en.signs.weapon.phrases"),
        ("  en: {signs: {weapon: {phrases: [<nobody> has]}}}", "words.en.signs.weapon.phrases"),
        ("  en: {signs: {weapon: {phrases: [a gun], unless: ['... gun']}}}", "words.en.signs.weapon.unless"),
        ("  en: {spelling: {two words: one}}", "words.en.spelling"),
        ("  en: {groups: {he: ['!']}}", "words.en.groups"),
        ("  en: {groups: {he: []}}", "words.en.groups.he"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_path(tmp_path: Path, words: str, problem: str) -> None:
    """An unknown sign, an empty list, a phrase or a spelling with a mistake: the line does not start, and says where."""
    with pytest.raises(PackError) as error:
        own(tmp_path, f"{words}\n")
    assert any(problem in each for each in error.value.problems), error.value.problems


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("phrases: [a b c d e, a b c d e]", "there twice"),
        ("phrases: [a b c d e, A  b C d e]", "there twice"),
        ("phrases: [q w e], unless: [q w e]", "is a phrase as well"),
        ("phrases: [q w e], unless: [q w]", "can never match: an entry of `unless`"),
        ("phrases: [^ nifes*]", None),
    ],
)
def test_lint_finds_what_is_of_no_use(tmp_path: Path, words: str, says: str | None) -> None:
    """A phrase that is there twice, or that no text can bring, is something that must be changed."""
    findings = [
        finding for finding in lint(own(tmp_path, f"  en: {{signs: {{weapon: {{{words}}}}}}}\n")) if finding.rule == "signs"
    ]
    assert [says in finding.what for finding in findings if says] == ([True] if says else [])
    assert all(finding.must and finding.path.startswith("words.en.signs.weapon") for finding in findings)
