"""From pack files to one pack: what they may not say, and who wins."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from policies.load import PACKS, PackError, load
from policies.pack import Pack, Settings, TextName
from policies.schema import PackFile
from tests.every_row import every_row
from tests.packs import shipped, write_agency


@pytest.fixture(scope="module")
def base() -> Pack:
    return shipped("base")


def problems(*packs: str) -> list[str]:
    """Load what cannot be loaded."""
    with pytest.raises(PackError) as refused:
        load(packs)
    assert str(refused.value) == "\n".join(refused.value.problems)
    return [problem.split(": ", 1)[1] if problem.startswith("/") else problem for problem in refused.value.problems]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*PackFile.model_fields, "week", "wordings", "en", "text", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@every_row(
    ("text", "problem"),
    [
        ("", "the whole file"),
        ("[]", "the whole file"),
        ("name: x\nname: y\n", "line 2: the key name is there twice; take one out"),
        ("name: x\nsettings:\n  cap: 3\n  cap: 4\n", "line 4: the key cap is there twice; take one out"),
        (
            "name: x\nkeywords: {exit: {en: {BYE: stop, '  so  long': stop, '  so  long': help}}}\n",
            "line 2: the key so long is",
        ),
        ("name: x\nsettings: {cap: [}\n", "line 2: is not YAML"),
        ("name: !!python/object/apply:os.getcwd []\n", "line 1: is not YAML"),
        ("name: x\n? [a]\n: b\n", "line 2: is not YAML"),
        ("name: \x01\n", "is not YAML"),
        ("name: x\nhours: {always: true, closed: [2027-01-01]}\n", "hours: is either"),
        ("name: x\nhours: {always: true, timezone: Mars/Base}\n", "hours.timezone: this machine knows no such time zone"),
        ("name: x\nhours: {timezone: UTC}\n", "hours: needs"),
        ("name: x\nhours: {always: false}\n", "hours.always"),
        ("name: x\nhours: {timezone: Mars/Base, week: {}}\n", "hours.timezone: this machine knows no such time zone"),
        ("name: x\nhours: {timezone: ../../etc/passwd, week: {}}\n", "hours.timezone: this machine knows no such"),
        ("name: x\nhours: {always: true, closed: [2026-13-45]}\n", "a date or a number cannot be read"),
        ("name: x\nlanguages: [en, en]\n", "languages: one is there twice"),
        (
            "name: x\nsettings: {undo_seconds: 17}\n",
            "settings: undo_seconds, undo_after_switch_seconds must not grow smaller",
        ),
        (
            "name: x\nsettings: {unclaimed_on_call: 60}\n",
            "settings: unclaimed_on_duty, unclaimed_supervisors, unclaimed_on_call",
        ),
        (
            "name: x\nsettings: {undo_after_join_seconds: 60, late_after_seconds: 45}\n",
            "settings: late_after_seconds and challenge_window must be longer than every undo window",
        ),
        (
            "name: x\nsettings: {undo_after_switch_seconds: 40, undo_after_join_seconds: 40, challenge_window: 40}\n",
            "settings: late_after_seconds and challenge_window must be longer than every undo window",
        ),
        (
            f"name: x\ntexts: {{after_hours: {{wordings: {{en: {{text: '{'a' * 445} {{opens}}'}}}}}}}}\n",
            "texts.after_hours.wordings.en: takes more than 3 segments once the time of opening stands in it",
        ),
        ("name: x\nsettings: {silence_cues: [10 min, 5 min]}\n", "settings.silence_cues: must grow"),
        ("name: x\nsettings: {silence_cues: [2 h]}\n", "settings.silence_cues: the last must come before"),
        ("name: x\nkeywords: {start: {en: [Stop!]}}\n", "keywords: one word has two meanings"),
        ("name: x\nkeywords: {language: {es: [START]}}\n", "keywords: one word has two meanings"),
        (
            "name: x\ntexts: {stop: {wordings: {en: {text: 'a\u202eb'}}}}\n",
            "texts.stop.wordings.en.text: must not contain control",
        ),
        *(
            (
                f'name: x\ntexts: {{stop: {{wordings: {{en: {{text: "a\\u{mark}b"}}}}}}}}\n',
                "texts.stop.wordings.en.text: must not contain control",
            )
            for mark in ("2028", "2029", "2066", "200e")
        ),
        (
            "name: x\ntexts: {stop: {wordings: {en: {text: a, reviewed_by: b}}}}\n",
            "texts.stop.wordings.en: reviewed_by and",
        ),
    ],
)
def test_what_a_pack_may_not_say(tmp_path: Path, text: str, problem: str) -> None:
    """Each of these stops the start with one sentence that says where."""
    errors = problems("base", write_agency(tmp_path, text))
    assert len(errors) == 1
    assert errors[0].startswith(problem)


def test_a_problem_shows_no_value(tmp_path: Path) -> None:
    """What stands in a pack is not repeated by the error: it may be a person's name or a number."""
    text = (
        "name: x\nsettings: {cap: Mallory, grace: Mallory}\n"
        "texts: {stop: {wordings: {en: {text: ' Mallory', who: Mallory}}}}\n"
    )
    errors = problems("base", write_agency(tmp_path, text))
    assert len(errors) == 4
    assert not any("Mallory" in problem for problem in errors)


def test_a_pack_without_the_base_is_told_what_it_lacks() -> None:
    """There are no defaults in the code: without the base pack every setting and text is missing, and said so."""
    errors = problems("rehearsal")
    assert "settings.undo_seconds: no pack says it" in errors
    assert "languages: no pack says them" in errors
    assert "keywords.stop: no pack says any" in errors
    assert len([p for p in errors if p.startswith("settings.")]) == len(dataclasses.fields(Settings)) - 4
    with pytest.raises(PackError, match="no pack is named"):
        load([])


def test_a_new_language_needs_every_text(tmp_path: Path) -> None:
    """A line does not speak a language in which one of its texts is missing."""
    errors = problems("base", write_agency(tmp_path, "name: own\nlanguages: [en, fr]\n"))
    assert errors == [f"texts.{name}.wordings.fr: no pack says it" for name in TextName]


def test_the_last_pack_wins_and_stop_words_only_add_up(base: Pack, tmp_path: Path) -> None:
    """Settings and wordings are the last pack's; nobody can take STOP away by listing other words."""
    own = write_agency(
        tmp_path,
        "name: own\nsettings: {cap: 2, grace: 36 h}\nkeywords: {stop: {en: [PARE], fr: [ARRET]}}\n"
        "texts: {closing: {wordings: {es: {text: Adiós.}}}}\n",
    )
    pack = load(["base", "rehearsal", own])
    assert pack.settings == dataclasses.replace(shipped("base", "rehearsal").settings, cap=2, grace=36 * 3600)
    assert pack.keywords.stop == base.keywords.stop | {"pare", "arret"}
    assert pack.say(TextName.CLOSING, "es") == "Adiós."
    assert pack.say(TextName.CLOSING, "en") == base.say(TextName.CLOSING, "en")
    assert load(["base", own, "rehearsal"]).settings.cap == 5


def test_a_pack_is_found_by_name_path_or_folder(tmp_path: Path) -> None:
    """A name is one of ours; anything else is a path, beside the configuration that names it."""
    folder = tmp_path / "packs" / "own"
    folder.mkdir(parents=True)
    (folder / "pack.yaml").write_text("name: own\n")
    for name in ("packs/own", "packs/own/pack.yaml", str(folder)):
        assert load(["base", name], near=tmp_path).names == ("base", "own")
    assert {path.parent.name for path in PACKS.glob("*/pack.yaml")} >= {"base", "rehearsal"}


@given(JSON)
def test_any_yaml_is_a_pack_or_a_pack_error(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    """Whatever a file holds, loading it either works or is refused with problems, and with nothing else."""
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    try:
        assert isinstance(load(["base", str(path)]), Pack)
    except PackError as error:
        assert error.problems  # noqa: PT017 - both ends are allowed
