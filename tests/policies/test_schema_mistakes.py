"""Mistakes that people make in packs: each is told with its path, all at once, and none shows what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.load import PackError, load
from policies.pack import TextName
from tests.every_row import every_row
from tests.packs import shipped

FOUR = "words " * 78
MISTAKES = {
    # wrong types and ranges
    "settings: {cap: three}": "settings.cap",
    "settings: {cap: true}": "settings.cap",
    "settings: {verdict_delay: 0}": "settings.verdict_delay",
    "settings: {verdict_delay: 2 min}": "settings.verdict_delay",
    "settings: {challenge_window: 6 min}": "settings.challenge_window",
    "settings: {late_after_seconds: 6 min}": "settings.late_after_seconds",
    "settings: {verdict_delay: 16 s}": "settings.verdict_delay",
    "settings: {client_grace: 1 h}": "settings.client_grace",
    "settings: {close_now_grace: 0}": "settings.close_now_grace",
    "settings: {close_now_grace: 6 min}": "settings.close_now_grace",
    "settings: {suppression_ttl: 1 h}": "settings.suppression_ttl",
    "settings: {stop_resumes: yes}": "settings.stop_resumes",
    "settings: {assignment: least_loaded}": "settings.assignment",
    "settings: {assignment: null, cold_outbound: 'no'}": "settings.cold_outbound",
    "settings: {help_answer: true}": "settings.help_answer",
    "settings: {help_answer: neutral}": "settings.help_answer",
    "settings: {idle: a month}": "settings.idle",
    "languages: en": "languages",
    "languages: []": "languages",
    "leak_words: Harbor House": "leak_words",
    "leak_words: ['!!']": "leak_words.0",
    "hours: {timezone: UTC, week: {}, holidays: us_federal}": "hours.holidays",
    "hours: {timezone: UTC, week: {}, holidays: [us]}": "hours.holidays.0",
    "hours: {timezone: UTC, week: {}, clock: 13}": "hours.clock",
    "hours: {always: true, holidays: [us_federal]}": "hours",
    "hours: {timezone: UTC, week: {mon: ['22:00-02:00']}}": "hours.week.mon.0",
    "hours: {timezone: UTC, week: {mon: ['8:00-20:00']}}": "hours.week.mon.0",
    "hours: {timezone: UTC, week: {}, closed: [tomorrow]}": "hours.closed.0",
    # unknown keys
    "setting: {}": "setting",
    "includes: [base]": "includes",
    "extends: own": "extends",
    "hours: {timezone: UTC, week: {}, holiday: []}": "hours.holiday",
    "keywords: {quit: {en: [QUIT]}}": "keywords.quit",
    "texts: {cover_4: {}}": "texts.cover_4.[key]",
    "texts: {limits: {statutes: x}}": "texts.limits.statutes",
    "playbooks: {prank: {title: a, steps: [b], sent: true}}": "playbooks.prank.sent",
    # keywords
    "keywords: {exit: {en: [BYE]}}": "keywords.exit.en",
    "keywords: {exit: {en: {BYE: leave}}}": "keywords.exit.en.BYE",
    "keywords: {exit: {en: {STOP: park}}}": "keywords",
    "keywords: {call: {en: [Help!]}}": "keywords",
    "keywords: {help: {es: [es]}}": "keywords",
    "keywords: {call: {EN: [CALL]}}": "keywords.call.EN.[key]",
    "keywords: {wish_to_stop: {en: ['...']}}": "keywords.wish_to_stop.en.0",
    # texts
    "texts: {limits: {wordings: {en: {text: ''}}}}": "texts.limits.wordings.en.text",
    "texts: {limits: {wordings: {en: {text: '  '}}}}": "texts.limits.wordings.en.text",
    "texts: {limits: {wordings: {en: {}}}}": "texts.limits.wordings.en.text",
    "texts: {limits: {wordings: {en: words}}}": "texts.limits.wordings.en",
    f"texts: {{limits: {{wordings: {{en: {{text: '{FOUR}end'}}}}}}}}": "texts.limits.wordings.en.text",
    f"texts: {{limits: {{wordings: {{es: {{text: '{'más ' * 51}fin'}}}}}}}}": "texts.limits.wordings.es.text",
    "texts: {closing: {wordings: {en: {text: 'Again at {opens}.'}}}}": "the whole file",
    "texts: {after_hours: {wordings: {en: {text: 'An answer comes{wait}.'}}}}": "the whole file",
    "canned: {soon: {wordings: {en: {text: 'An answer comes{wait}.'}}}}": "the whole file",
    "texts: {limits: {wordings: {en: {text: a, reviewed_on: 2026-03-01}}}}": "texts.limits.wordings.en",
    # canned texts and playbooks
    "canned: {limits: {wordings: {en: {text: a}, es: {text: b}}}}": "the whole file",
    "canned: {Bus: {wordings: {en: {text: a}, es: {text: b}}}}": "canned.Bus.[key]",
    "canned: {bus: {wordings: {en: {text: a}}}}": "canned.bus.wordings.es",
    "canned: {bus: {}}": "canned.bus.wordings.en",
    "playbooks: {prank: {title: a, steps: []}}": "playbooks.prank.steps",
    "playbooks: {prank: {steps: [a]}}": "playbooks.prank.title",
    "playbooks: {prank: {title: a, steps: ['']}}": "playbooks.prank.steps.0",
}


def problems(folder: Path, text: str, *more: str) -> list[str]:
    """Load the base pack with one that says this, and return the problems without the file's name."""
    path = folder / "own.yaml"
    path.write_text(f"name: own\n{text}\n", encoding="utf-8")
    with pytest.raises(PackError) as refused:
        load(["base", str(path), *more])
    return [problem.removeprefix(f"{path}: ") for problem in refused.value.problems]


@every_row(("text", "path"), MISTAKES.items())
def test_each_mistake_is_told_at_its_path(tmp_path: Path, text: str, path: str) -> None:
    """Nothing starts on it, and the sentence begins with where it is."""
    errors = problems(tmp_path, text)
    assert path in [problem.split(": ")[0] for problem in errors]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Everything that is wrong in one file comes in one answer, and beside it what is wrong in another."""
    text = (
        "settings: {cap: three, verdict_delay: 0}\nincludes: [own]\nleak_words: ['!!']\n"
        "texts: {limits: {wordings: {en: {text: ''}}}, cover_4: {}}\nplaybooks: {prank: {title: a, steps: []}}\n"
    )
    errors = problems(tmp_path, text, str(tmp_path / "other.yaml"))
    paths = {problem.split(": ")[0] for problem in errors}
    assert paths == {
        *("settings.cap", "settings.verdict_delay", "includes", "leak_words.0", "texts.limits.wordings.en.text"),
        *("texts.cover_4.[key]", "playbooks.prank.steps", str(tmp_path / "other.yaml")),
    }


def test_a_long_text_is_counted_as_the_phone_counts(tmp_path: Path) -> None:
    """Three segments are the most; an accent that GSM-7 lacks makes segments of 67 letters."""
    gsm = "a" * (3 * 153)
    for text, fits in ((gsm, True), (gsm + "a", False), ("á" * (3 * 67), True), ("á" * (3 * 67 + 1), False)):
        body = f"name: own\ntexts: {{clarify: {{wordings: {{en: {{text: {text}}}}}}}}}\n"
        path = tmp_path / "own.yaml"
        path.write_text(body, encoding="utf-8")
        if fits:
            assert load(["base", str(path)]).say("clarify") == text
            continue
        with pytest.raises(PackError, match="takes 4 segments; the most is 3"):
            load(["base", str(path)])


@pytest.mark.parametrize("deep", ["[" * 100_000, "a: {" * 50_000, "- " * 100_000])
def test_what_is_nested_without_end_is_told(tmp_path: Path, deep: str) -> None:
    """A file of nothing but brackets is a mistake like another, not the end of the program."""
    path = tmp_path / "own.yaml"
    path.write_text(deep, encoding="utf-8")
    with pytest.raises(PackError, match=r"own\.yaml: is nested too deeply"):
        load(["base", str(path)])


def test_a_cover_line_is_not_the_challenge(tmp_path: Path) -> None:
    """The guard knows both by their words: where they are the same, in any language, a cover line would never leave."""
    challenge = shipped("base").say(TextName.CHALLENGE, "en")
    for language in ("en", "es"):
        wording = f"{{text: {challenge!r}}}"
        errors = problems(tmp_path, f"texts: {{cover_2: {{wordings: {{{language}: {wording}}}}}}}")
        assert errors == [f"texts.cover_2.wordings.{language}: is the same as texts.challenge"]


def test_keywords_are_added_and_exits_can_be_changed(tmp_path: Path) -> None:
    """A later pack adds words; what an exit word does is said by the last, and no exit is lost."""
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: own\nkeywords:\n  call: {en: [RING ME]}\n  exit: {en: {bye: alert, TTYL: park}}\n"
        "  help: {fr: [AIDE]}\n  wish_to_stop: {en: [go away]}\nleak_words: [Harbor House]\n"
        "canned: {bus: {wordings: {en: {text: The bus is free.}, es: {text: El bus es gratis.}}}}\n"
        "playbooks: {prank: {title: Own, steps: [One.]}, floods: {title: Water, steps: [Up.]}}\n",
        encoding="utf-8",
    )
    base, own = shipped("base"), load(["base", str(path)])
    assert own.keywords.call == base.keywords.call | {"ring me"}
    assert own.keywords.exit == {**base.keywords.exit, "bye": "alert", "ttyl": "park"}
    assert own.keywords.help == base.keywords.help | {"aide"}
    assert own.keywords.wish_to_stop == base.keywords.wish_to_stop | {"go away"}
    assert own.leak_words == {"harbor house"}
    assert own.say("bus", "es") == "El bus es gratis."
    assert own.say("bus", "fr") == "The bus is free."
    assert own.playbooks["prank"].steps == ("One.",)
    assert own.playbooks.keys() == base.playbooks.keys() | {"floods"}
    with pytest.raises((KeyError, ValueError)):
        own.say("train")


@pytest.mark.parametrize("name", ["us/zz", "us/CA", "us/../base", "us"])
def test_a_place_that_has_no_pack_is_told(name: str, tmp_path: Path) -> None:
    """A state that does not exist is a path that cannot be read, and nothing outside is looked at for it."""
    with pytest.raises(PackError, match="cannot be read"):
        load(["base", name], near=tmp_path)
